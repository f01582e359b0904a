"""Settings that read an answer which is not read yet: a pattern, the name of the total, words for states."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from exporter.cli.probe.questions import Advice, Finding, setting
from exporter.decode.redact import without_credentials
from exporter.fields import Section
from exporter.model import (
    Answer,
    Counts,
    Extensions,
    Failure,
    Number,
    Peers,
    Reason,
    Registration,
    RegistrationState,
)
from exporter.patterns import Pattern
from exporter.queries import QUERIES

_READ = 10_000
_READ_OF_STATE = 4096
_MOST_NUMBERS = 4
"""Numbers in one answer. Where there are more it is no sentence around a number."""

# A number on its own: no part of a name, a date, a time, a range or a number with separators.
_NUMBER = re.compile(
    r"(?<![\w.,:/'-])(?<![0-9]\s)-?[0-9]+(?:\.[0-9]+)?(?![0-9:/]|[-.,'][0-9]|\s[0-9]{3}\b)", re.ASCII
)
_SEPARATED = re.compile(r"[0-9](?:,[0-9]|['\u2019\u00a0 ][0-9]{3}\b)")
_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")
_GAP = r"[^\w\r\n\t]{1,3}"
_WORD = r"[^\W\d_]+"

_LEAST_ENTRIES = 3
"""Of two, each may be the sum of the other."""

# Lists hold personal data, and a column may hold something else than its name says. So of a list only a
# single word is shown that stands in several rows.
_SHOWN = re.compile(r"[A-Za-z][A-Za-z_]{0,19}")
_ROWS = 2
_MOST_WORDS = 5
_TABLED = frozenset({"unknown", "invalid", "unmonitored"})
"""Words that are in the table, as unknown."""


def pattern_advice(finding: Finding, section: Section) -> Iterator[Advice]:
    """Suggest a pattern for each number of an answer that is not read; each was tried on that answer."""
    texts = QUERIES[finding.query].probe
    if not texts.number or finding.body is None or not isinstance(finding.verdict, Failure):
        return
    # No number that may be a PIN, and no word that may be a password, is repeated.
    text = without_credentials(finding.body[:_READ].decode("utf-8", errors="replace")).strip()
    if texts.over and re.search(texts.over, text, re.IGNORECASE):
        yield Advice(texts.over_advice)
        return
    found = dict(_proven(finding, text, section))
    for pattern, value in found.items():
        one_of = f"; one of {len(found)} numbers in it: which is meant is yours to say"
        yield Advice(
            f"the number stands in words; this pattern reads {value:g} out of this very answer"
            f"{one_of if len(found) > 1 else ''}",
            setting("queries", finding.query.value, "pattern", value=pattern),
            sure=len(found) == 1,
        )
    if not found and _SEPARATED.search(text):
        yield Advice(
            "a number with a decimal comma or separators of thousands is not read, for it means two things; "
            "let the switch write it plainly"
        )


def _proven(finding: Finding, text: str, section: Section) -> Iterator[tuple[str, float]]:
    numbers = list(_NUMBER.finditer(text))
    if len(numbers) > _MOST_NUMBERS:
        return
    for number in numbers:
        for pattern in _around(text, number, QUERIES[finding.query].probe.number, alone=len(numbers) == 1):
            read = _read_with(finding, section, pattern=Pattern(pattern))
            if isinstance(read, Number) and read.value == float(number[0]):
                yield pattern, read.value
                break


def _read_with(finding: Finding, section: Section, **settings: object) -> Answer | Failure:
    """Read the answer again with other settings. Those that the query does not have change nothing."""
    known = {key: value for key, value in settings.items() if key in type(section).model_fields}
    read: Answer | Failure = finding.endpoint.decode(finding.body or b"", section.model_copy(update=known))
    return read


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


def total_advice(finding: Finding, section: Section) -> Iterator[Advice]:
    """Suggest ``total_name`` where an entry is the sum of the others and is not called like a node."""
    if finding.body is None or (isinstance(finding.verdict, Counts) and finding.verdict.total is not None):
        return
    without = _read_with(finding, section, total_name="")
    if not isinstance(without, Counts) or without.nodes is None:
        return
    for name in _sums(without.nodes):
        read = _read_with(finding, section, total_name=name)
        if isinstance(read, Counts) and read.total is not None:
            yield Advice(
                f"the entry {name!r} is {read.total}, the sum of all others: "
                "a guess that rests on the sum alone; it is right if no node is called so",
                setting("queries", finding.query.value, "total_name", value=name),
                sure=isinstance(finding.verdict, Failure),
            )


def _sums(entries: Mapping[str, int]) -> list[str]:
    whole = sum(entries.values())
    if len(entries) < _LEAST_ENTRIES or not whole:
        return []
    forms = Counter(map(_form, entries))
    return [name for name, count in entries.items() if 2 * count == whole and forms[_form(name)] == 1]


def _form(name: str) -> str:
    return re.sub(r"\d+", "0", name.casefold())


def word_advice(finding: Finding, section: Section) -> Iterator[Advice]:
    """Suggest ``words`` for what a switch says of a phone, with each word where it has to be decided."""
    match finding.verdict:
        case Failure(reason=Reason.DECODE):
            unknown = _word_of_one(finding, section)
        case Extensions(rows=rows) | Peers(rows=rows):
            counted = Counter(row.word for row in rows if row.state is Registration.UNKNOWN)
            new = {word: count for word, count in counted.items() if word.casefold() not in _TABLED}
            unknown = [word for word, count in new.items() if count >= _ROWS and _SHOWN.fullmatch(word)]
            unknown = unknown[:_MOST_WORDS]
            if len(unknown) < len(new):
                yield Advice(
                    f"{len(new) - len(unknown)} more words for states are not known and not shown, since "
                    "lists hold personal data; look into the column with the state yourself"
                )
        case _:
            return
    if unknown:
        yield Advice(
            f"{', '.join(map(repr, unknown))}: not a word that the exporter knows. Look at such a phone, "
            "decide whether it is registered, and move the word to `unregistered` if it is not",
            setting("queries", "registrations", "words", value={"registered": unknown, "unregistered": []}),
        )


def _word_of_one(finding: Finding, section: Section) -> list[str]:
    """Return the word that an answer about one phone would be read by, if it only were known."""
    for word in _candidates((finding.body or b"")[:_READ_OF_STATE].decode("utf-8", errors="replace")):
        words: Mapping[Registration, tuple[str, ...]] = {Registration.REGISTERED: (word,)}
        read = _read_with(finding, section, words=words)
        if isinstance(read, RegistrationState) and read.state is Registration.REGISTERED:
            return [read.word] if without_credentials(word) == word else []
    return []


def _candidates(text: str) -> Iterator[str]:
    yield text.strip().strip("\ufeff").rstrip("| \t\r\n")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        yield from (str(each) for each in value.values() if isinstance(each, str | int))
    elif isinstance(value, str):
        yield value
