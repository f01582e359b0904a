"""Suggests settings: a pattern, the name of the total, words for states, and ``nodes``. Pure."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from exporter import model
from exporter.cli.probe.findings import Advice, Finding, setting
from exporter.config import SwitchConfiguration
from exporter.decode.redact import without_credentials
from exporter.fields import Section
from exporter.model import Counts, Number, Query, Reason, Registration, RegistrationState
from exporter.patterns import Pattern
from exporter.queries import QUERIES

_READ = 10_000
_READ_OF_STATE = 4096
_MOST_NUMBERS = 4
"""Maximum numbers in a response. With more, it is not a sentence around a number."""

# A number that is not part of a name, a date, a time, a range or a number with separators.
_NUMBER = re.compile(
    r"(?<![\w.,:/'-])(?<![0-9]\s)-?[0-9]+(?:\.[0-9]+)?(?![0-9:/]|[-.,'][0-9]|\s[0-9]{3}\b)", re.ASCII
)
_SEPARATED = re.compile(r"[0-9](?:,[0-9]|['\u2019\u00a0 ][0-9]{3}\b)")
_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")
_GAP = r"[^\w\r\n\t]{1,3}"
_WORD = r"[^\W\d_]+"
_PLURAL = re.compile(r"(?<=[a-z]{3})s\b")
"""The end of a word such as `days`, which is `day` after the number 1."""

_LEAST_ENTRIES = 3
"""With two entries, each may be the sum of the other."""

# Lists contain personal data, and a column may not contain what its name says. So only single words
# that occur in several rows are shown.
_SHOWN = re.compile(r"[A-Za-z][A-Za-z_]{0,19}")
_LEAST_ROWS = 2
_MOST_WORDS = 5
_KNOWN_AS_UNKNOWN = frozenset({"unknown", "invalid", "unmonitored"})

_NAMED = 5
"""How many configured nodes that are not in the response are named at most."""

_WHY = "so that a missing one is reported from the start, even after a restart"


def pattern_advice(finding: Finding, section: Section) -> Iterator[Advice]:
    """Suggest a pattern for each number in a response that was not decoded. Each pattern was tried on it."""
    texts = QUERIES[finding.query].probe
    if not texts.number or finding.body is None or finding.reason is None:
        return
    # A number that may be a PIN and a word that may be a password must not be repeated.
    text = without_credentials(finding.body[:_READ].decode("utf-8", errors="replace")).strip()
    if texts.over and re.search(texts.over, text, re.IGNORECASE):
        yield Advice(texts.over_advice)
        return
    found = dict(_tried_patterns(finding, text, section))
    for pattern, value in found.items():
        choose = f". It is one of {len(found)} numbers; choose the right one" if len(found) > 1 else ""
        yield Advice(
            f"the number is part of a text; this pattern extracts {value:g} from this response{choose}",
            setting("queries", finding.query.value, "pattern", value=pattern),
            sure=len(found) == 1,
        )
    if not found and _SEPARATED.search(text):
        yield Advice(
            "numbers with a decimal comma or thousands separators are ambiguous and not decoded; configure "
            "the switch to write plain numbers"
        )


def _tried_patterns(finding: Finding, text: str, section: Section) -> Iterator[tuple[str, float]]:
    numbers = list(_NUMBER.finditer(text))
    if len(numbers) > _MOST_NUMBERS:
        return
    for number in numbers:
        for pattern in _patterns(text, number, QUERIES[finding.query].probe.number, alone=len(numbers) == 1):
            decoded = _decode(finding, section, pattern=Pattern(pattern))
            if isinstance(decoded, Number) and decoded.value == float(number[0]):
                yield pattern, decoded.value
                break


def _decode(finding: Finding, section: Section, **settings: object) -> model.Answer | model.Failure:
    """Decode the response again with other settings. Those that the query does not have are ignored."""
    known = {key: value for key, value in settings.items() if key in type(section).model_fields}
    changed = section.model_copy(update=known)
    decoded: model.Answer | model.Failure = finding.endpoint.decode(finding.body or b"", changed)
    return decoded


def _patterns(text: str, number: re.Match[str], group: str, *, alone: bool) -> Iterator[str]:
    """Yield patterns for a number, simplest first: with one word on each side, with two, with none."""
    for words in (1, 2):
        before = re.search(rf"(?:{_WORD}{_GAP}){{1,{words}}}\Z", text[: number.start()])
        after = re.match(rf"(?:{_GAP}{_WORD}){{1,{words}}}", text[number.end() :])
        if before or after:
            yield f"{_literal(before)}{group}{_PLURAL.sub('s?', _literal(after))}"
    if alone:
        yield group


def _literal(match: re.Match[str] | None) -> str:
    return _SPECIAL.sub(r"\\\g<0>", match[0]) if match else ""


def total_advice(finding: Finding, section: Section) -> Iterator[Advice]:
    """Suggest ``total_name`` if an entry is the sum of the others and is not named like a node."""
    if finding.body is None or "total_name" not in type(section).model_fields:
        return
    if isinstance(finding.verdict, Counts) and finding.verdict.total is not None:
        return
    without_total = _decode(finding, section, total_name="")
    if not isinstance(without_total, Counts) or without_total.nodes is None:
        return
    for name in _sums(without_total.nodes):
        decoded = _decode(finding, section, total_name=name)
        if isinstance(decoded, Counts) and decoded.total is not None:
            yield Advice(
                f"the entry {name!r} is {decoded.total}, the sum of all others, so it is probably the total, "
                "unless a node has that name",
                setting("queries", finding.query.value, "total_name", value=name),
                sure=finding.reason is not None,
            )


def _sums(entries: Mapping[str, int]) -> list[str]:
    total = sum(entries.values())
    if len(entries) < _LEAST_ENTRIES or not total:
        return []
    forms = Counter(map(_form, entries))
    return [name for name, count in entries.items() if 2 * count == total and forms[_form(name)] == 1]


def _form(name: str) -> str:
    return re.sub(r"\d+", "0", name.casefold())


def word_advice(finding: Finding, section: Section) -> Iterator[Advice]:
    """Suggest ``words`` for states that are not known; the operator decides what each means."""
    unknown, hidden = unknown_words(finding, section)
    if hidden:
        yield Advice(
            f"{hidden} more state(s) are unknown, and not shown because lists contain personal data. "
            "Look at the state column yourself"
        )
    if unknown:
        yield Advice(
            f"unknown state: {', '.join(map(repr, unknown))}. Look at a phone in that state, and move the "
            "word to `unregistered` if it is not registered",
            setting("queries", "registrations", "words", value={"registered": unknown, "unregistered": []}),
        )


def unknown_words(finding: Finding, section: Section) -> tuple[list[str], int]:
    """Return the words for states that are not known, and the number of those that must not be shown."""
    if finding.reason is Reason.DECODE:
        return _word_of_one(finding, section), 0
    if not isinstance(finding.verdict, model.Extensions | model.Peers):
        return [], 0
    rows = [row.word for row in finding.verdict.rows if row.state is Registration.UNKNOWN]
    counts = Counter(word for word in rows if word.casefold() not in _KNOWN_AS_UNKNOWN)
    unknown = [word for word, n in counts.items() if n >= _LEAST_ROWS and _SHOWN.fullmatch(word)]
    unknown = unknown[:_MOST_WORDS]
    return unknown, len(counts) - len(unknown)


def _word_of_one(finding: Finding, section: Section) -> list[str]:
    """Return the word that would decode the response about one extension, if it were known."""
    for word in _candidates((finding.body or b"")[:_READ_OF_STATE].decode("utf-8", errors="replace")):
        words: Mapping[Registration, tuple[str, ...]] = {Registration.REGISTERED: (word,)}
        decoded = _decode(finding, section, words=words)
        if isinstance(decoded, RegistrationState) and decoded.state is Registration.REGISTERED:
            return [decoded.word] if without_credentials(word) == word else []
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


def node_advice(finding: Finding, switch: SwitchConfiguration) -> Iterator[Advice]:
    """Suggest ``nodes`` if the response has other nodes, and name configured nodes that it does not list."""
    counts = finding.verdict
    if finding.query is not Query.PEERS or finding.request.tenant or not isinstance(counts, Counts):
        return
    if counts.nodes is None:
        return
    configured = {node.name: node.channels_limit for node in switch.nodes}
    listed = sorted({*counts.nodes, *counts.uncounted})
    lacking = [name for name in configured if name not in listed]
    new = [name for name in listed if name not in configured]
    if lacking:
        names = ", ".join(map(repr, lacking[:_NAMED])) + (", …" if len(lacking) > _NAMED else "")
        yield Advice(f"the response does not list {names} from `nodes`: missing now, removed, or misspelled")
    if new:
        entries = [
            name if limit is None else {"name": name, "channels_limit": limit}
            for name, limit in configured.items()
        ]
        what = (
            f"{len(new)} of {len(listed)} nodes are not in `nodes`: add them"
            if configured
            else "list the nodes"
        )
        yield Advice(f"{what}, {_WHY}", {"nodes": (*entries, *new)}, sure=True)
