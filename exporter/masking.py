"""Keeps keys out of every text that leaves the program.

Keys travel in the query string of every request (seen, wire notes 2026-10), and a switch may echo what it
was sent: cut off, in another case, wrapped, or escaped several times over. So whatever is logged or shown
passes through here last, wherever it came from, and every run of eight characters that it shares with a key
is replaced.

A text is read in several normalized forms (``normalized``): in each, one more layer of escapes is undone and
white space is left out. Each character of a form knows where it stands in the text.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from exporter.normalized import (
    Base64Form,
    Normalized,
    base64_forms,
    forms_with_spaces,
    quoted_printable_form,
    unescaped_forms,
)

MASK = "***"

RUN = 8
"""Characters of a key, in a row, that no text may show."""


_HINT = 5
_STEP = RUN - _HINT + 1
"""Only each fourth place of a text is looked at: of eight characters that are a key's, five begin there."""


_SHORTEST = 4
"""Characters that are left of eight: less than that is in any text."""


class Mask:
    """Replaces every secret that was added, and every longer part of one, however it is escaped."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._runs: set[str] = set()
        self._hints: set[str] = set()
        self._short: dict[int, set[str]] = {}
        self._has_blanks = False

    def add(self, secret: str) -> None:
        """Remember a secret for good: a rotated key may still stand in an old answer."""
        if secret in self._known or not secret.strip():
            return
        self._known.add(secret)
        self._has_blanks = self._has_blanks or any(map(str.isspace, secret))
        first, *deeper = [form.folded().text for form in _forms_of_secret(secret)]
        if len(first) < RUN:
            self._short.setdefault(len(first), set()).add(first)
        for said in (first, *deeper):
            self._runs.update(_runs_of(said, RUN))
            self._hints.update(_runs_of(said, _HINT) if len(said) >= RUN else ())
        if deeper:
            self._add_what_shrinks(secret)

    def _add_what_shrinks(self, secret: str) -> None:
        """Remember what is left of eight characters that are taken for escapes in a form of a text."""
        text = Normalized.of(secret).text
        for run in _runs_of(text, min(RUN, len(text))):
            for form in islice(unescaped_forms(Normalized.of(run)), 1, None):
                said = form.folded().text
                if len(said) >= _SHORTEST:
                    self._short.setdefault(len(said), set()).add(said)

    def __call__(self, text: str) -> str:
        """Return the text without any secret."""
        if not self._known:
            return text
        spans = sorted(span for form in self._forms(text) for span in self._found(form))
        return _without(text, spans) if spans else text

    def _forms(self, text: str) -> Iterator[Normalized | Base64Form]:
        yield from unescaped_forms(Normalized.of(text))
        quoted = quoted_printable_form(text)
        if quoted is not None:
            yield from unescaped_forms(quoted)
        if self._has_blanks:
            yield from forms_with_spaces(text)
        if self._runs:
            yield from base64_forms(text)

    def _found(self, form: Normalized | Base64Form) -> Iterator[tuple[int, int]]:
        """Yield where secrets stand in the original text."""
        folded = form.folded()
        text, runs = folded.text, self._runs
        hints = self._hints
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
    """Yield what stands for a secret in the forms of a text: a key may itself look like an escape."""
    yield from unescaped_forms(Normalized.of(secret))
    if any(map(str.isspace, secret)):
        yield from forms_with_spaces(secret)


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return the text with the mask in place of the spans, which are sorted; those that overlap are one."""
    kept: list[str] = []
    copied = 0
    for start, end in spans:
        if not kept or start >= copied:
            kept += [text[copied:start], MASK]
        copied = max(copied, end)
    return "".join([*kept, text[copied:]])
