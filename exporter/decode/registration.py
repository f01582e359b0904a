"""The registration of one extension."""

from exporter.decode.complaints import complaint, is_complaint, rejected, unread
from exporter.decode.documents import Record, parse_record
from exporter.decode.excerpts import quoted
from exporter.decode.labels import LONGEST_LABEL
from exporter.decode.numbers import TRAILING
from exporter.decode.options import Options
from exporter.decode.words import lookup
from exporter.model import Failure, Reason, RegistrationState

STATE_NAMES = frozenset({"state", "status", "registration", "regstate", "reg_state", "st_state"})
"""Names, in lower case, under which an object may hold the word. ``st_state`` was seen in the list of
extensions; the others are inferred: no answer to regstate was ever seen (wire notes 2026-10)."""

_DUE = "the registration state of an extension"


def decode_registration(text: str, options: Options) -> RegistrationState | Failure:
    """INFO regstate, never seen: a word, or an object that holds one, or the sibling's ``KO`` object."""
    if not text.startswith(("{", "[")):
        return _state(text.rstrip(TRAILING), text, options)
    record = parse_record(text)
    if isinstance(record, Failure):
        return Failure(record.reason, f"{_DUE} was due; {record.detail}: {quoted(text)}")
    if len(record) > 1 and is_complaint(record):
        return complaint(record, text)
    match _words(record):
        case []:
            return unread(text, _DUE)
        case [word]:
            return _state(word, text, options)
        case _:
            return Failure(Reason.DECODE, f"{_DUE} was due, more than one came: {quoted(text)}")


def _words(record: Record) -> list[str]:
    named = {name.casefold(): _word(value) for name, value in record.items()}
    # INFO extstate, the sibling, says {"UniqueID": "KO", "LinkedID": "Extension not registered", …} (seen).
    if named.get("uniqueid", "").casefold() == "ko":
        return [named.get("linkedid", "") or "KO"]
    return [word for name, word in named.items() if name in STATE_NAMES and word]


def _word(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def _state(word: str, text: str, options: Options) -> RegistrationState | Failure:
    if len(word) > LONGEST_LABEL:
        return unread(text, _DUE)
    state = lookup(options)(word)
    if state is not None:
        return RegistrationState(state, word)
    words = word.split()
    if len(words) > 1:
        # A lone quotation mark is a JSON string that broke off, and no sentence.
        readable = " ".join(words).isprintable() and not word.startswith('"')
        return rejected(word) if readable else unread(text, _DUE)
    return Failure(
        Reason.DECODE,
        f"the word {quoted(word)} is not known; if it is a state, add it to `queries.registrations.words`",
    )
