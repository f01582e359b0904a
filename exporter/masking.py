"""Keeps keys out of every text that leaves the program.

Keys are in the query string of every request (seen, wire notes 2026-10), and a switch may echo it: truncated,
in another case, wrapped, or escaped several times. So everything that is logged or shown passes through here
last, and every run of eight characters that it shares with a key is replaced.

A text is searched in several normalized forms (``normalized``), each without white space and with one more
layer of escapes removed, in one of them as the program does that decodes it: a key may itself look like an
escape. Each character of a form has its position in the text.
"""

import base64
import re
import string
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from exporter.normalized import (
    Normalized,
    exact_forms,
    forms_with_spaces,
    quoted_printable_form,
    unescaped_forms,
)

MASK = "***"

RUN = 8
"""Consecutive characters of a key that no text may show."""

_HINT = 5
_STEP = RUN - _HINT + 1
"""Only every fourth position of a text is checked: one of them starts five of any eight characters of a key.
"""

# No part can match the same text in two ways, and quantifiers are possessive: with ``\s*\r?\n\s*``, a few
# indented lines took half a minute (2026-11).
_BASE64 = re.compile(r"[A-Za-z0-9+/_-](?:[A-Za-z0-9+/_-]|\\/|[^\S\n]*+\n\s*+){10,}+")
_MIXED = re.compile(r"[A-Z0-9]")
_DIGITS_OF_64 = frozenset(string.ascii_letters + string.digits + "+/-_")
_URL_SAFE = str.maketrans("-_", "+/")


class _Base64Form(NamedTuple):
    """Decoded base64, case-folded. ``places``: positions of its digits, which start at ``offset``."""

    text: str
    places: Sequence[int]
    offset: int

    def folded(self) -> "_Base64Form":
        """Return the form itself."""
        return self

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the position of characters of the form in the original."""
        first, last = start * 8 // 6, (end * 8 - 1) // 6
        return self.places[self.offset + first], self.places[self.offset + last] + 1


class Mask:
    """Replaces every secret that was added, and every part of one of at least eight characters."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._runs: set[str] = set()
        self._hints: set[str] = set()
        self._short: dict[int, set[str]] = {}
        self._has_blanks = False

    def add(self, secret: str) -> None:
        """Add a secret. It is never removed: a rotated key may still be in an old response."""
        if secret in self._known or not secret.strip():
            return
        self._known.add(secret)
        self._has_blanks = self._has_blanks or any(map(str.isspace, secret))
        forms = [form.folded().text for form in _forms_of_secret(secret)]
        if len(forms[0]) < RUN:
            self._short.setdefault(len(forms[0]), set()).add(forms[0])
        for form in forms:
            self._runs.update(_runs_of(form, RUN))
            self._hints.update(_runs_of(form, _HINT) if len(form) >= RUN else ())

    def __call__(self, text: str) -> str:
        """Return the text with *** for every secret in it."""
        if not self._known:
            return text
        spans = sorted(span for form in self._forms(text) for span in self._found(form))
        return _without(text, spans) if spans else text

    def _forms(self, text: str) -> Iterator[Normalized | _Base64Form]:
        yield from unescaped_forms(Normalized.of(text))
        yield from exact_forms(Normalized.of(text))
        quoted = quoted_printable_form(text)
        if quoted is not None:
            yield from unescaped_forms(quoted)
        if self._has_blanks:
            yield from forms_with_spaces(text)
        if self._runs:
            yield from _base64_forms(text)

    def _found(self, form: Normalized | _Base64Form) -> Iterator[tuple[int, int]]:
        """Yield the positions of secrets in the original text."""
        folded = form.folded()
        text, runs, hints = folded.text, self._runs, self._hints
        for hint in [at for at in range(0, len(text), _STEP) if text[at : at + _HINT] in hints]:
            for at in range(max(hint - RUN + _HINT, 0), hint + 1):
                if text[at : at + RUN] in runs:
                    yield folded.span(at, at + RUN)
        for length, short in self._short.items():
            for at in [at for at in range(len(text) - length + 1) if text[at : at + length] in short]:
                yield folded.span(at, at + length)


def _runs_of(text: str, length: int) -> Iterator[str]:
    return (text[at : at + length] for at in range(len(text) - length + 1))


def _forms_of_secret(secret: str) -> Iterator[Normalized]:
    """Yield a secret as it appears in the forms of a text: a key may itself look like an escape."""
    yield Normalized.of(secret)
    if any(map(str.isspace, secret)):
        yield from forms_with_spaces(secret)


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return the text with the mask in place of the sorted spans. Overlapping ones are merged."""
    kept: list[str] = []
    copied = 0
    for start, end in spans:
        if not kept or start >= copied:
            kept += [text[copied:start], MASK]
        copied = max(copied, end)
    return "".join([*kept, text[copied:]])


def _base64_forms(text: str) -> Iterator[_Base64Form]:
    """Yield each long sequence of letters and digits, decoded as base64 from each of its first four."""
    for found in _BASE64.finditer(text):
        if not _MIXED.search(found[0]):
            continue  # words, or a path
        places: Sequence[int] = range(found.start(), found.end())
        written = found[0]
        if not written.isalnum():
            places = [found.start() + at for at, letter in enumerate(written) if letter in _DIGITS_OF_64]
            written = "".join([text[at] for at in places]).translate(_URL_SAFE)
        for offset in range(4):
            size = (len(written) - offset) * 6 // 8
            padded = written[offset:] + "AAA"  # the last group may be truncated
            decoded = base64.b64decode(padded[: len(padded) // 4 * 4])[:size].decode("latin-1")
            yield _Base64Form(decoded.lower(), places, offset)
