"""The text of a body, decoded a window at a time, and the JSON in it.

A list may be up to 64 MiB. Decoding all of it takes up to 4 bytes per character. Parsing a whole list of
58 MiB took 3.4 GB and blocked the event loop for 12 s (seen 2026-11). So only one window of the text and one
record of the list are in memory at a time.

JSON is parsed strictly where lax parsing would invent a value.
"""

import codecs
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from exporter.model import Content, Failure, Reason

WINDOW = 256 * 1024
"""Bytes decoded at a time."""

LONGEST_RECORD = 1024 * 1024
"""Characters. A record of extensions was seen at 3.4 kB (wire notes 2026-10)."""

_BLANKS = re.compile(r"[ \t\r\n\ufeff]*")
_SINGLE_BYTE = re.compile(
    r"(?:iso[-_]?8859[-_]?\d{1,2}|latin[-_]?\d{1,2}|(?:windows[-_]?|cp)125\d|koi8[-_][ru])", re.IGNORECASE
)
_REPLACEMENT = "\ufffd"


def encoding(body: Content, charset: str) -> str:
    """Return the encoding of a body: UTF-8, or the declared ``charset`` if more of the body fits it.

    PHP and its web server declare a charset without checking the body. So in a body that is UTF-8, one broken
    name must not garble all others. Only single-byte charsets are accepted.
    """
    if not _SINGLE_BYTE.fullmatch(charset) or _is_mostly_utf8(body):
        return "utf-8"
    try:
        return codecs.lookup(charset).name
    except LookupError:
        return "utf-8"


def _is_mostly_utf8(body: Content) -> bool:
    """Return whether at least half of all non-ASCII characters are valid UTF-8."""
    if body.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    others = 0
    broken = -body.count(_REPLACEMENT.encode())
    for start in range(0, len(body), WINDOW):
        text = decoder.decode(body[start : start + WINDOW], final=start + WINDOW >= len(body))
        others += len(text) - len(text.encode("ascii", "ignore"))
        broken += text.count(_REPLACEMENT)
    return 2 * broken <= others


class BrokenOffError(Exception):
    """The text is truncated, or malformed in a way that makes the rest unreadable."""

    def __str__(self) -> str:
        return "it is malformed or truncated"


class Windows:
    """The text of a body from ``at`` on, decoded so far. Undecodable bytes become U+FFFD."""

    def __init__(self, body: Content, charset: str = "") -> None:
        self.text = ""
        self.at = 0
        self._body = body
        self._next = 0
        self._encoding = encoding(body, charset)
        self._decoder = codecs.getincrementaldecoder(self._encoding)("replace")

    @property
    def ahead(self) -> int:
        """Characters that are decoded and not yet read."""
        return len(self.text) - self.at

    def more(self) -> bool:
        """Decode another window; return False at the end of the body. ``at`` may change."""
        if self._next >= len(self._body):
            return False
        end = self._next + WINDOW
        piece = self._decoder.decode(self._body[self._next : end], final=end >= len(self._body))
        self._next = end
        self.text = self.text[self.at :] + piece
        self.at = 0
        return True

    def start(self) -> str:
        """Return the first window of the body, stripped."""
        decoder = codecs.getincrementaldecoder(self._encoding)("replace")
        return decoder.decode(self._body[:WINDOW]).strip().strip("\ufeff").strip()

    def skip_blanks(self) -> str:
        """Move to the next character that is not white space and return it; "" at the end."""
        while True:
            found = _BLANKS.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def line(self) -> str | None:
        """Return the next line and move past it; None at the end.

        Raises BrokenOffError for a line that is longer than any record.
        """
        while (end := self.text.find("\n", self.at)) < 0:
            if self.ahead > LONGEST_RECORD:
                raise BrokenOffError
            if not self.more():
                end = len(self.text)
                break
        if end == self.at == len(self.text):
            return None
        line = self.text[self.at : end]
        self.at = min(end + 1, len(self.text))
        return line


Record = dict[str, object]

UNREADABLE = object()
"""Stands for NaN, an infinity, or the value of a name that occurs twice in one object."""

BROKEN = object()
"""Stands for an element that is not JSON, if the start of the next one is known."""


Pairs = Sequence[tuple[str, object]]


def one_record(pairs: Pairs) -> Record:
    """Return the members of an object. The value of a name that occurs twice is ``UNREADABLE``."""
    record = dict(pairs)
    if len(record) != len(pairs):
        times = Counter(name for name, _ in pairs)
        record |= {name: UNREADABLE for name, often in times.items() if often > 1}
    return record


def record_decoder(hook: Callable[[Pairs], object] = one_record) -> json.JSONDecoder:
    """Return a JSON decoder that turns each object into what ``hook`` returns for its members.

    A hook can drop members during parsing, so that the credentials in a list do not outlive its body. An
    unreadable value becomes ``UNREADABLE``, and control characters in strings are accepted. So neither makes
    the whole document unreadable.
    """
    return json.JSONDecoder(object_pairs_hook=hook, parse_constant=lambda _: UNREADABLE, strict=False)


STRICT = record_decoder()


def parse(text: str, decoder: json.JSONDecoder = STRICT) -> object:
    """Parse JSON. A Failure does not quote the text."""
    try:
        value: object = decoder.decode(text)
    except json.JSONDecodeError as error:
        why = f"is malformed or truncated after character {error.pos:,} of {len(text):,}"
    except RecursionError:
        why = "is nested too deeply"
    except ValueError:  # more digits than Python converts
        why = "contains a number with too many digits"
    else:
        return value
    return Failure(Reason.DECODE, f"the JSON of the response {why}")


def parse_record(text: str) -> Record | Failure:
    """Parse a JSON object, or a list of exactly one object."""
    value = parse(text)
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, dict | Failure):
        return value
    return Failure(Reason.DECODE, "expected a JSON object, got other JSON")


def unwrapped(text: str) -> str:
    """Return the content of a JSON string; any other text unchanged."""
    if not text.startswith('"'):
        return text
    value = parse(text)
    return value.strip() if isinstance(value, str) else text


_ARRAY_GOES_ON = re.compile(r"\}(?P<at>)\s*(?:,\s*(?=[{,]|null\b)|(?=(?:,\s*)?\][\s|]*\Z))")
_OBJECT_GOES_ON = re.compile(r'\}(?P<at>)\s*(?:,\s*(?="[^"\\]{0,255}"\s*:\s*\{)|(?=\}[\s|]*\Z))')
_VALUES_GO_ON = re.compile(r'(?P<at>)(?:,\s*(?="[^"\\]{0,255}"\s*:)|(?=\}[\s|]*\Z))')
"""``at``: where a broken element ends, before the next element or at the end of the text."""


def elements(
    windows: Windows, decoder: json.JSONDecoder, *, of_values: bool = False
) -> Iterator[tuple[str, object]]:
    """Yield each element with its name, "" in an array; ``BROKEN`` for one that is not JSON.

    Starts at the opening bracket. ``of_values``: whether the elements of an object are values, not records.
    Raises BrokenOffError if the rest is unreadable.
    """
    close = "]" if windows.skip_blanks() == "[" else "}"
    goes_on = _ARRAY_GOES_ON if close == "]" else _VALUES_GO_ON if of_values else _OBJECT_GOES_ON
    windows.at += 1
    separator = "," if windows.skip_blanks() != close else close
    windows.at += separator == close
    while separator == ",":
        yield _element(windows, decoder, close, goes_on)
        separator = windows.skip_blanks()
        windows.at += 1
    if separator != close:
        raise BrokenOffError
    while windows.skip_blanks():  # blanks and ``|`` may follow any response
        if windows.text[windows.at] != "|":
            raise BrokenOffError
        windows.at += 1


def _element(
    windows: Windows, decoder: json.JSONDecoder, close: str, goes_on: re.Pattern[str]
) -> tuple[str, object]:
    name: object = ""
    # An element may be missing: PHP returns "" for a value that it cannot encode, and the switch presumably
    # concatenates the elements of a list, because an empty list was seen as "]" (wire notes 2026-10).
    nothing = f",{close}"
    if windows.skip_blanks() in nothing:
        return "", BROKEN
    try:
        if close == "}":
            name = _value(windows, decoder)
            if not isinstance(name, str) or windows.skip_blanks() != ":":
                raise BrokenOffError
            windows.at += 1
            if windows.skip_blanks() in nothing:
                return name, BROKEN
        value = _value(windows, decoder)
        if goes_on is _VALUES_GO_ON and windows.skip_blanks() not in nothing:  # an unescaped quotation mark
            raise ValueError  # noqa: TRY301 -- handled as any other malformed element
    except RecursionError:
        # Nested deeper than any list, with an unknown end. To read on after each bracket takes quadratic
        # time: 20 s for 1 MiB with Python 3.14, which follows 25,000 levels instead of 1,000 (seen 2026-12).
        raise BrokenOffError from None
    except ValueError as error:  # also for too many digits
        wrong = error.pos if isinstance(error, json.JSONDecodeError) else windows.at
        _resume(windows, max(wrong, windows.at), goes_on)
        value = BROKEN
    return str(name), value


def _value(windows: Windows, decoder: json.JSONDecoder) -> object:
    """Read one value at ``at``, decoding as many windows as it needs, up to the longest record."""
    while True:
        try:
            value: object
            value, end = decoder.raw_decode(windows.text, windows.at)
        except json.JSONDecodeError:
            if windows.ahead > LONGEST_RECORD or not windows.more():
                raise
        else:
            if end < len(windows.text) or not windows.more():  # a number may continue in the next window
                windows.at = end
                return value


def _resume(windows: Windows, wrong: int, goes_on: re.Pattern[str]) -> None:
    """Move past a broken element, whose JSON is malformed at ``wrong``."""
    while not (found := goes_on.search(windows.text, wrong)):
        before = windows.at
        if windows.ahead > LONGEST_RECORD or not windows.more():
            raise BrokenOffError
        wrong -= before
    windows.at = found.start("at")
