r"""Regular expressions of the configuration, matched by RE2 in time linear in the text.

With Python's ``re``, ``expires in ((?:\d+,?)+) days`` and an answer of digits stopped the daemon for good
(seen 2026-11). RE2 cannot do what needs unbounded time, look-around and back-references, and reads ``\d``,
``\w``, ``\s`` and ``\b`` as ASCII alone.
"""

import re
from itertools import islice

import re2  # type: ignore[import-untyped]  # google-re2 1.1 has no type information

_LARGEST = 1500
r"""Instructions of a compiled pattern. ``\pL+`` has 1,200; ``(-?\d+) days`` has 15. Above 3,000, counted
repetitions made a text of 10,000 characters take 0.8 s (2026-11)."""

# What Python's re can do and RE2 cannot: the first that is found is reported.
_UNAVAILABLE = (
    (r"\(\?<?[=!]", "look-ahead and look-behind are not available"),
    (r"\\[1-9]|\(\?P=", "back-references are not available"),
    (r"\(\?>|[*+?}]\+", "atomic groups and possessive quantifiers are not available"),
    (r"\\Z", r"\Z is not available; write \z"),
)
# What RE2 accepts, and reads as something else.
_READ_DIFFERENTLY = ((r"\{,\d+\}", "{,n} is not available; write {0,n}"),)
_SYNTAX = "the syntax is RE2's"


class Pattern:
    """A compiled regular expression. ``groups`` is how many groups it captures.

    Raises ValueError, whose text says why, where the text is none.
    """

    __slots__ = ("_compiled", "groups", "pattern")

    def __init__(self, text: str) -> None:
        options = re2.Options()
        options.log_errors = False  # else RE2 writes them to stderr
        try:
            self._compiled = re2.compile(text.encode(), options)
        except re2.error as error:
            raise ValueError(_reason(text, error.args[0].decode(errors="replace"))) from None
        except UnicodeEncodeError:
            raise ValueError("it has half of a surrogate pair") from None
        if other := _found(text, _READ_DIFFERENTLY):
            raise ValueError(other)
        if self._compiled.programsize > _LARGEST:
            raise ValueError("it repeats too much; use smaller numbers in {…}")
        self.pattern = text
        self.groups: int = self._compiled.groups

    def matches_whole(self, text: str) -> bool:
        """Return whether it matches the whole text."""
        return self._compiled.fullmatch(_encoded(text)) is not None

    def first_two(self, text: str) -> list[str]:
        """Return what the first group captures in the first two matches; without a group, all of each."""
        found = islice(self._compiled.finditer(_encoded(text)), 2)
        return [(match[min(1, self.groups)] or b"").decode(errors="replace") for match in found]

    def __repr__(self) -> str:
        return f"Pattern({self.pattern!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self.pattern == other.pattern

    def __hash__(self) -> int:
        return hash(self.pattern)


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")  # JSON can hold half of a surrogate pair


def _reason(text: str, said: str) -> str:
    return f"{_found(text, _UNAVAILABLE) or said}; {_SYNTAX}"


def _found(text: str, table: tuple[tuple[str, str], ...]) -> str:
    return next((reason for pattern, reason in table if re.search(pattern, text)), "")
