"""Finds words for the state of a phone that are not in the table; only the operator knows what they mean."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from exporter.cli.probe.finding import Advice, Finding, setting
from exporter.decode import Options, decode, without_credentials
from exporter.model import Extensions, Failure, Peers, Reason, Registration, RegistrationState

_READ = 4096
# Lists hold personal data, and a column may hold something else than its name says. So of a list only a
# single
# word is shown that stands in several rows.
_SHOWN = re.compile(r"[A-Za-z][A-Za-z_]{0,19}")
_ROWS = 2
_MOST = 5
_TABLED = frozenset({"unknown", "invalid", "unmonitored"})
"""Words that are in the table, as unknown."""


def word_advice(finding: Finding, options: Options) -> Iterator[Advice]:
    """Suggest ``words`` for what a switch says of a phone, with each word where it has to be decided."""
    match finding.verdict:
        case Failure(reason=Reason.DECODE):
            unknown = _of_one(finding, options)
        case Extensions(rows=rows) | Peers(rows=rows):
            counted = Counter(row.word for row in rows if row.state is Registration.UNKNOWN)
            new = {word: count for word, count in counted.items() if word.casefold() not in _TABLED}
            unknown = [word for word, count in new.items() if count >= _ROWS and _SHOWN.fullmatch(word)][
                :_MOST
            ]
            if len(unknown) < len(new):
                yield Advice(
                    f"{len(new) - len(unknown)} more words for states are not known and not shown, since "
                    "lists "
                    "hold personal data; look into the column with the state yourself"
                )
        case _:
            return
    if unknown:
        yield Advice(
            f"{', '.join(map(repr, unknown))}: not a word that the exporter knows. Look at such a phone, "
            "decide "
            "whether it is registered, and move the word to `unregistered` if it is not",
            setting("queries", "registrations", "words", value={"registered": unknown, "unregistered": []}),
        )


def _of_one(finding: Finding, options: Options) -> list[str]:
    """Return the word that an answer about one phone would be read by, if it only were known."""
    for word in _candidates((finding.body or b"")[:_READ].decode("utf-8", errors="replace")):
        words: Mapping[Registration, tuple[str, ...]] = {Registration.REGISTERED: (word,)}
        read = decode(finding.request.operation, finding.body or b"", replace(options, words=words))
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
