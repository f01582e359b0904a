"""Normalized forms of a text, in which ``masking`` looks for keys: without white space and layers of escapes.

The escapes are those with which the libraries of Python, PHP and the web echo a text: percent-encoding, JSON,
HTML, quoted-printable, and wrapped lines. Each character has its position in the original text.
"""

import html
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

_DEPTH = 6
"""Nested layers of different escapes. Nested escapes of one kind are removed together."""

_ESCAPE = re.compile(
    r"(?=[%\\&])(?:(?P<percent>(?:%(?:25)*[0-9A-Fa-f]{2})+)"
    r"|\\+U(?P<long>000[0-9A-Fa-f]{5}|0010[0-9A-Fa-f]{4})"
    r"|(?P<unicode>(?:\\+[uU][0-9A-Fa-f]{4})+)"
    r"|(?P<hex>(?:\\+[xX][0-9A-Fa-f]{2})+)"
    r"|(?P<blank>\\+[nrtfvNRTFV])"
    r"|(?P<backslash>\\+)"
    r"|&(?:[aA][mM][pP];)*(?P<entity>#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});)"
)
_TAG_OR_BLANKS = re.compile(r"<[^<>]{0,100}>|\++")
_LAYERS = (
    ("&", re.compile(r"&(?P<entity>#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});")),
    ("%", re.compile(r"(?P<percent>(?:%[0-9A-Fa-f]{2})+)")),
    (
        "\\",
        re.compile(
            r"\\U(?P<long>000[0-9A-Fa-f]{5}|0010[0-9A-Fa-f]{4})"
            r"|(?P<unicode>(?:\\[uU][0-9A-Fa-f]{4})+)"
            r"|(?P<hex>(?:\\[xX][0-9A-Fa-f]{2})+)"
            r"|(?P<blank>\\[nrtfvNRTFV])"
            r"|\\(?P<letter>.)"
        ),
    ),
    ("=", re.compile(r"(?P<quoted>(?:=[0-9A-Fa-f]{2})+)")),
    ("<", re.compile(r"(?P<tag><[^<>]{0,100}>)")),
)
"""The escapes that a program writes for one text, and a character that is in each of them."""
_LAYERS_REMOVED = 3
_MOST_EXACT = 16 * 1024
"""Characters in the exact forms: 3 KiB with escapes of all kinds take 7 ms (2026-12)."""

_BLANK = re.compile(r"[ +\xa0]|%(?:25)*(?:20|2[Bb])")
_PERCENT = re.compile(r"%(?:25)*([0-9A-Fa-f]{2})")
_HEX = re.compile(r"[xX]([0-9A-Fa-f]{2})")
_UNICODE = re.compile(r"[uU]([0-9A-Fa-f]{4})")
_QUOTED_PRINTABLE = re.compile(r"(?P<break>=[ \t]*(?:\r?\n|\Z))|(?P<codes>(?:=[0-9A-Fa-f]{2})+)")
_QUOTED = re.compile(r"=([0-9A-Fa-f]{2})")
_ONE_CODE = 5
"""Most characters of a single escaped byte: ``%2541``, ``=41``."""

_DOTLESS = "\u0131"
"""The Turkish dotless i, whose upper case is ``I``."""


class Normalized(NamedTuple):
    """A text, and the start and end of each character in the original; None if they are the same."""

    text: str
    starts: Sequence[int] | None
    ends: Sequence[int] | None

    @classmethod
    def of(cls, text: str) -> "Normalized":
        """Return the text without white space."""
        return cls(text, None, None).without_spaces()

    def without_spaces(self) -> "Normalized":
        """Return the form without white space."""
        text = "".join(self.text.split())
        if len(text) == len(self.text):
            return self
        places = [at for at, letter in enumerate(self.text) if not letter.isspace()]
        if self.starts is None or self.ends is None:
            return Normalized(text, places, [at + 1 for at in places])
        return Normalized(text, [self.starts[at] for at in places], [self.ends[at] for at in places])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the position of characters of the form in the original."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]

    def folded(self) -> "Normalized":
        """Return the form with case folded."""
        folded = self.text.casefold().replace(_DOTLESS, "i")
        if len(folded) == len(self.text):
            return Normalized(folded, self.starts, self.ends)
        builder = _Builder(self)
        for at, letter in enumerate(self.text):
            builder.add("i" if letter == _DOTLESS else letter.casefold(), at, at + 1)
        return builder.build()


class _Builder:
    """Builds a form from another one."""

    def __init__(self, source: Normalized) -> None:
        self._source = source
        self._letters: list[str] = []
        self._starts: list[int] = []
        self._ends: list[int] = []

    def copy(self, start: int, end: int) -> None:
        """Add characters unchanged."""
        if start == end:
            return
        source = self._source
        self._letters.append(source.text[start:end])
        if source.starts is None or source.ends is None:
            self._starts += range(start, end)
            self._ends += range(start + 1, end + 1)
        elif end - start == 1:  # between two escapes
            self._starts.append(source.starts[start])
            self._ends.append(source.ends[start])
        else:
            self._starts += source.starts[start:end]
            self._ends += source.ends[start:end]

    def add(self, letters: str, start: int, end: int) -> None:
        """Add the decoded form of characters of the source, without white space."""
        begins, stops = self._source.span(start, end)
        for letter in letters:
            if not letter.isspace():
                self._letters.append(letter)
                self._starts.append(begins)
                self._ends.append(stops)

    def add_each(self, letters: str, start: int, stops: Sequence[int]) -> None:
        """Add one letter per escape of a sequence. Each starts where the previous one stops."""
        if any(map(str.isspace, letters)):
            for letter, begin, stop in zip(letters, (start, *stops), stops, strict=False):
                self.add(letter, begin, stop)
            return
        source = self._source
        self._letters.append(letters)
        if source.starts is None or source.ends is None:
            self._starts += (start, *stops[:-1])
            self._ends += stops
        else:
            self._starts += [source.starts[at] for at in (start, *stops[:-1])]
            self._ends += [source.ends[at - 1] for at in stops]

    def build(self) -> Normalized:
        return Normalized("".join(self._letters), self._starts, self._ends)


def unescaped_forms(form: Normalized) -> Iterator[Normalized]:
    """Yield a form, and further ones with one more layer of escapes removed each.

    The last ones are also without tags and without ``+``, which is a space in a query string.
    """
    yield form
    has_tags = True
    for _ in range(_DEPTH):
        deeper = _unescaped(form) or _unquoted(form)
        if deeper is None and has_tags and ("<" in form.text or "+" in form.text):
            deeper, has_tags = _replaced(form, _TAG_OR_BLANKS, lambda _builder, _found: None), False
        if deeper is None:
            return
        form = deeper
        yield form


def exact_forms(form: Normalized) -> Iterator[Normalized]:
    """Yield a form without up to three layers of escapes, each of which is removed as its decoder does.

    ``unescaped_forms`` also removes what looks like an escape in a key. Here, layers are removed in each
    order, so that the key itself is in one of the forms.
    """
    seen, forms, left = {form.text}, [form], _MOST_EXACT
    for _ in range(_LAYERS_REMOVED):
        outer, forms = forms, []
        for source, (mark, escapes) in product(outer, _LAYERS):
            if mark not in source.text or len(source.text) > left:
                continue
            deeper = _replaced(source, escapes, _add_escape)
            if deeper and deeper.text not in seen:
                seen.add(deeper.text)
                forms.append(deeper)
                left -= len(deeper.text)
        yield from forms


def _replaced(
    form: Normalized, pattern: re.Pattern[str], add: Callable[[_Builder, re.Match[str]], object]
) -> Normalized | None:
    """Return the form with ``add`` applied to each match of a pattern; None if there is no match."""
    builder = _Builder(form)
    copied = 0
    for found in pattern.finditer(form.text):
        builder.copy(copied, found.start())
        copied = found.end()
        add(builder, found)
    if not copied:
        return None
    builder.copy(copied, len(form.text))
    return builder.build()


def _unescaped(form: Normalized) -> Normalized | None:
    return _replaced(form, _ESCAPE, _add_escape) if any(letter in form.text for letter in "%\\&") else None


def _add_escape(builder: _Builder, found: re.Match[str]) -> None:
    start, end = found.span()
    match found.lastgroup:
        case "backslash" | "blank" | "tag":  # left out
            pass
        case "letter":
            builder.add(found["letter"], start, end)
        case "quoted":
            _add_bytes(builder, found[0], start, _QUOTED)
        case "entity":
            builder.add(_character(found["entity"]), start, end)
        case "percent":
            _add_bytes(builder, found[0], start, _PERCENT)
        case "hex":
            _add_bytes(builder, found[0], start, _HEX)
        case "unicode":
            _add_units(builder, found[0], start)
        case _:
            builder.add(chr(int(found["long"], 16)), start, end)


@lru_cache(maxsize=512)
def _character(entity: str) -> str:
    for name in (entity, entity.lower()):
        character = html.unescape(f"&{name};")
        if character != f"&{name};":
            return character
    return f"&{entity};"


def _add_bytes(builder: _Builder, written: str, start: int, code: re.Pattern[str]) -> None:
    """Add a sequence of escaped bytes, decoded as UTF-8, or as Latin-1 if that is invalid."""
    if len(written) <= _ONE_CODE:
        byte = chr(int(written[-2:], 16))
        builder.add(byte, start, start + len(written))
        return
    stops = [found.end() for found in code.finditer(written)]
    row = bytes.fromhex("".join([written[stop - 2 : stop] for stop in stops]))
    stops = [start + stop for stop in stops]
    text = row.decode("utf-8", "surrogateescape")
    if len(text) == len(row):  # ASCII, and bytes that are not UTF-8
        builder.add_each(row.decode("latin-1"), start, stops)
        return
    at = 0
    for letter in text:
        length = len(letter.encode("utf-8", "surrogateescape"))
        first = stops[at - 1] if at else start
        decoded = chr(row[at]) if "\ud800" <= letter <= "\udfff" else letter
        builder.add(decoded, first, stops[at + length - 1])
        at += length


def _add_units(builder: _Builder, written: str, start: int) -> None:
    """Add a sequence of Unicode escapes of JSON. One or two of them are a character."""
    codes = list(_UNICODE.finditer(written))
    stops = [start + found.end() for found in codes]
    row = bytes.fromhex("".join([found[1] for found in codes]))
    text = row.decode("utf-16-be", "surrogatepass")
    at = 0
    for letter in text:
        length = 2 if ord(letter) > 0xFFFF else 1  # noqa: PLR2004 -- the last character of one unit
        builder.add(letter, stops[at - 1] if at else start, stops[at + length - 1])
        at += length


def quoted_printable_form(text: str) -> Normalized | None:
    """Return the form without quoted-printable and white space; None if no line is wrapped.

    ``unescaped_forms`` removes quoted-printable without wrapped lines.
    """
    if "=\n" not in text and "=\r\n" not in text:
        return None
    unquoted = _unquoted(Normalized(text, None, None))
    return unquoted and unquoted.without_spaces()


def _unquoted(form: Normalized) -> Normalized | None:
    return _replaced(form, _QUOTED_PRINTABLE, _add_quoted) if "=" in form.text else None


def _add_quoted(builder: _Builder, found: re.Match[str]) -> None:
    if found["codes"]:
        _add_bytes(builder, found[0], found.start(), _QUOTED)


def forms_with_spaces(text: str) -> Iterator[Normalized]:
    """Yield the forms of a text with spaces, for a key that has any. ``+`` and ``%20`` are spaces."""
    form = Normalized(text, None, None)
    spaced = _replaced(form, _BLANK, lambda builder, found: builder.add("\ue000", *found.span()))
    yield from unescaped_forms(spaced or form)
