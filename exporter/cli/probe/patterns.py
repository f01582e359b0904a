"""Finds a ``pattern`` that reads the number out of an answer that wraps it in words."""

import re
from collections.abc import Iterator
from dataclasses import replace

from exporter.cli.probe.finding import Advice, Finding, setting
from exporter.decode import Options, decode, without_credentials
from exporter.model import Failure, Number, Query
from exporter.patterns import Pattern

_READ = 10_000
_MOST = 4
"""Numbers in one answer. Where there are more it is no sentence around a number."""

# A number on its own: no part of a name, a date, a time, a range or a number with separators.
_NUMBER = re.compile(
    r"(?<![\w.,:/'-])(?<![0-9]\s)-?[0-9]+(?:\.[0-9]+)?(?![0-9:/]|[-.,'][0-9]|\s[0-9]{3}\b)", re.ASCII
)
_SEPARATED = re.compile(r"[0-9](?:,[0-9]|['\u2019\u00a0 ][0-9]{3}\b)")
_OVER = re.compile(r"\b(?:expired|ago|since|overdue)\b", re.IGNORECASE)

_GROUPS = {Query.CALLS: r"(\d+)", Query.LICENSE: r"(-?\d+)", Query.BALANCE: r"(-?\d+(?:\.\d+)?)"}
_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")
_GAP = r"[^\w\r\n\t]{1,3}"
_WORD = r"[^\W\d_]+"


def pattern_advice(finding: Finding, options: Options) -> Iterator[Advice]:
    """Suggest a pattern for each number of an answer that is not read; each was tried on that answer."""
    if finding.query not in _GROUPS or finding.body is None or not isinstance(finding.verdict, Failure):
        return
    # No number that may be a PIN, and no word that may be a password, is repeated.
    text = without_credentials(finding.body[:_READ].decode("utf-8", errors="replace")).strip()
    if finding.query is Query.LICENSE and _OVER.search(text):
        yield Advice(
            "it seems to count the days since the license ended: a pattern would read them as days left, so "
            "none is suggested"
        )
        return
    found = dict(_proven(finding, text, options))
    for pattern, value in found.items():
        one_of = (
            "" if len(found) == 1 else f"; one of {len(found)} numbers in it: which is meant is yours to say"
        )
        yield Advice(
            f"the number stands in words; this pattern reads {value:g} out of this very answer{one_of}",
            setting("queries", finding.query.value, "pattern", value=pattern),
            sure=len(found) == 1,
        )
    if not found and _SEPARATED.search(text):
        yield Advice(
            "a number with a decimal comma or separators of thousands is not read, for it means two things; "
            "let the switch write it plainly"
        )


def _proven(finding: Finding, text: str, options: Options) -> Iterator[tuple[str, float]]:
    numbers = list(_NUMBER.finditer(text))
    if len(numbers) > _MOST:
        return
    for number in numbers:
        for pattern in _around(text, number, _GROUPS[finding.query], alone=len(numbers) == 1):
            tried = replace(options, pattern=Pattern(pattern))
            read = decode(finding.request.operation, finding.body or b"", tried)
            if isinstance(read, Number) and read.value == float(number[0]):
                yield pattern, read.value
                break


def _around(text: str, number: re.Match[str], group: str, *, alone: bool) -> Iterator[str]:
    """Yield patterns for a number, the simplest first: with a word at each side, with two, without any."""
    for words in (1, 2):
        before = re.search(rf"(?:{_WORD}{_GAP}){{1,{words}}}\Z", text[: number.start()])
        after = re.match(rf"(?:{_GAP}{_WORD}){{1,{words}}}", text[number.end() :])
        if before or after:
            yield f"{_literal(before)}{group}{_literal(after)}"
    if alone:
        yield group


def _literal(match: re.Match[str] | None) -> str:
    return _SPECIAL.sub(r"\\\g<0>", match[0]) if match else ""
