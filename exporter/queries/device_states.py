"""The device states of a tenant: BLFS (seen, wire notes 2026-10)."""

from collections import Counter
from collections.abc import Iterable

from exporter.decode.columns import Column, Layout
from exporter.decode.text import Windows
from exporter.model import Devices, DeviceState, Extension, Failure
from exporter.queries.extensions import MOST_EXTENSIONS, read_extensions
from exporter.queries.words import Words, plain

_NUMBER = Column("st_extension")
_STATE = Column("st_state")
_FIELDS = ("st_extension", "st_state", "st_timestamp")
LAYOUT = Layout(
    "the list of device states", (_NUMBER, _STATE), key=_NUMBER, most=MOST_EXTENSIONS, twice=_FIELDS
)

# Device states of Asterisk (documented), in both spellings: INUSE and "In use". A phone on hold is in a call.
# So is a phone that rings during a call.
STATES: dict[str, DeviceState] = {
    "INUSE": DeviceState.IN_USE,
    "In use": DeviceState.IN_USE,
    "ONHOLD": DeviceState.IN_USE,
    "On hold": DeviceState.IN_USE,
    "RINGINUSE": DeviceState.IN_USE,
    "Ring+Inuse": DeviceState.IN_USE,
    "RINGING": DeviceState.RINGING,
    "BUSY": DeviceState.BUSY,
}

_BY_WORD = {plain(word): state for word, state in STATES.items()}


def read_device_states(windows: Windows, words: Words) -> Devices | Failure:
    """Read the number and the state of each record, as ``read_extensions`` does."""
    read = read_extensions(windows, words, LAYOUT)
    return read if isinstance(read, Failure) else Devices(read.rows, skipped=read.skipped)


def count_states(rows: Iterable[Extension]) -> dict[str, float]:
    """Return the number of extensions in each device state."""
    counted = Counter(_BY_WORD.get(plain(row.word)) for row in rows)
    return {state.value: float(counted[state]) for state in DeviceState}
