r"""Regular expressions from the configuration, matched by RE2 in time linear in the text.

With Python's ``re``, ``expires in ((?:\d+,?)+) days`` and a response of digits hung the daemon (seen
2026-11). RE2 has no look-around and no back-references; its ``\d``, ``\w``, ``\s`` and ``\b`` are ASCII-only.
"""

import re
from itertools import islice

import re2  # type: ignore[import-untyped]  # google-re2 1.1 has no type information

_MAX_INSTRUCTIONS = 1500
r"""Of a compiled pattern. ``\pL+`` has 1,200; ``(-?\d+) days`` has 15. Above 3,000, counted repetitions took
0.8 s for 10,000 characters (2026-11)."""

# The first entry that matches explains RE2's error better than RE2 does.
_UNSUPPORTED = (
    (r"\(\?<?[=!]", "look-ahead and look-behind are not supported"),
    (r"\\[1-9]|\(\?P=", "back-references are not supported"),
    (r"\(\?>|[*+?}]\+", "atomic groups and possessive quantifiers are not supported"),
    (r"\\Z", r"\Z is not supported; use \z"),
)


class Pattern:
    """A compiled regular expression with ``groups`` capturing groups. Raises ValueError if it is invalid."""

    __slots__ = ("_compiled", "groups", "pattern")

    def __init__(self, text: str) -> None:
        options = re2.Options()
        options.log_errors = False  # else RE2 writes them to stderr
        try:
            self._compiled = re2.compile(text.encode(), options)
        except re2.error as error:
            reasons = (reason for unsupported, reason in _UNSUPPORTED if re.search(unsupported, text))
            raise ValueError(next(reasons, _reason(error))) from None
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair") from None
        if re.search(r"\{,\d+\}", text):  # RE2 takes it as literal text
            raise ValueError("{,n} is not supported; use {0,n}")
        if self._compiled.programsize > _MAX_INSTRUCTIONS:
            raise ValueError("too many repetitions; use smaller numbers in {…}")
        self.pattern = text
        self.groups: int = self._compiled.groups

    def matches_whole(self, text: str) -> bool:
        """Return whether the pattern matches the whole text."""
        return self._compiled.fullmatch(_encoded(text)) is not None

    def first_two(self, text: str) -> list[str]:
        """Return the first group of the first two matches, or the whole matches if there is no group."""
        found = islice(self._compiled.finditer(_encoded(text)), 2)
        return [(match[min(1, self.groups)] or b"").decode(errors="replace") for match in found]

    def __repr__(self) -> str:
        return f"Pattern({self.pattern!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self.pattern == other.pattern

    def __hash__(self) -> int:
        return hash(self.pattern)


def _reason(error: "re2.error") -> str:
    # RE2 says "missing ): (x" and repeats the pattern, which the message already quotes.
    return re.sub(r"^(missing .): .*", r"\1", error.args[0].decode(errors="replace"), flags=re.DOTALL)


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")  # JSON can contain half of a surrogate pair
