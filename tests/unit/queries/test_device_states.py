import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.text import Windows
from exporter.model import Devices, DeviceState, Extension, Failure, Registration
from exporter.queries.device_states import STATES, count_states, read_device_states
from exporter.queries.words import WORDS

_numbers = st.text("0123456789*#", min_size=1, max_size=6)
_states = st.sampled_from([word for word, _, _ in WORDS])


def _read(text: str) -> Devices | Failure:
    return read_device_states(Windows(text.encode()), {})


@given(st.dictionaries(_numbers, _states, min_size=1))
def test_json_and_plain_are_read_alike(sent: dict[str, str]) -> None:
    """Every record has its number and state, in JSON and as a record with every value twice."""
    fields = ("st_extension", "st_state", "st_timestamp")
    rows = [(number, word, "1790000000") for number, word in sent.items()]
    in_json = _read(json.dumps([dict(zip(fields, row, strict=True)) for row in rows]))
    plain = _read("".join("|".join(value for value in row for _ in range(2)) + "|\n" for row in rows))

    assert isinstance(in_json, Devices)
    assert in_json == plain
    assert {row.number: row.word for row in in_json.rows} == sent


def test_every_device_state_is_counted() -> None:
    """A phone in a call or on hold is in use; a registered idle phone and an unknown word do not count."""
    words = {"RINGING": 3, "in use": 1, "On hold": 1, "RINGINUSE": 1, "BUSY": 2, "NOT_INUSE": 4, "MARTIAN": 1}
    rows = [Extension("1", Registration.UNKNOWN, word) for word, count in words.items() for _ in range(count)]
    assert count_states(rows) == {"in_use": 3, "ringing": 3, "busy": 2}
    assert count_states([]) == {"in_use": 0, "ringing": 0, "busy": 0}


@pytest.mark.parametrize(("word", "state"), STATES.items())
def test_a_phone_in_a_device_state_is_registered(word: str, state: DeviceState) -> None:
    """A phone that is doing something is registered."""
    known = {text: registration for text, registration, _ in WORDS}
    assert known[word] is Registration.REGISTERED
    assert count_states([Extension("1", known[word], word)])[state] == 1
