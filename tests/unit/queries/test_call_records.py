import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Answer, Failure, Reason
from exporter.queries.call_records import CallRecord, CallRecords, local_time
from exporter.request import Operation
from tests.reading import decode

_FIELDS = (
    *("sc_te_id", "tenantcode", "sc_start", "sc_direction", "sc_calleridnum", "sc_calleridname"),
    *("sc_dialednum", "sc_disposition", "sc_duration", "sc_uniqueid", "sc_whoanswered"),
)
_CALLER = "+390000000199"


def _record(**changes: object) -> dict[str, object]:
    """Return a record with every value twice, as it was seen."""
    values = {
        **dict.fromkeys(_FIELDS, _CALLER),
        "tenantcode": "ACME",
        "sc_start": "2026-11-02 08:00:01",
        "sc_direction": "IN",
        "sc_disposition": "ANSWERED",
        "sc_duration": "61",
        "sc_uniqueid": "pbx1-1.1",
        **changes,
    }
    present = {name: value for name, value in values.items() if value is not ...}
    return {
        key: value
        for position, (name, value) in enumerate(present.items())
        for key, value in ((str(position), value), (name, value))
    }


def _read(*records: object) -> Answer | Failure:
    return decode(Operation.CALL_RECORDS, json.dumps(records).encode())


def _calls(*records: object) -> list[CallRecord]:
    read = _read(*records)
    assert isinstance(read, CallRecords), read
    assert read.skipped is None
    return list(read.rows)


@pytest.mark.parametrize(
    ("direction", "disposition", "expected"),
    [
        ("IN", "ANSWERED", ("in", "answered", 61)),
        ("OUT", "NO ANSWER", ("out", "no_answer", 0)),
        ("LOCAL", "FAILED", ("local", "failed", 0)),
        ("IN", "CONGESTION", ("in", "congestion", 0)),
        ("out", "Busy", ("out", "busy", 0)),
        ("INTERNAL", "TRANSFERRED", ("other", "other", 0)),
        ("", None, ("other", "other", 0)),
        (None, "", ("other", "other", 0)),
        (_CALLER, _CALLER, ("other", "other", 0)),
    ],
)
def test_words(direction: object, disposition: object, expected: tuple[str, str, float]) -> None:
    """Unknown directions and dispositions are `other`; only answered calls have a duration."""
    [call] = _calls(_record(sc_direction=direction, sc_disposition=disposition))

    assert (call.tenant, call.direction, call.disposition, call.seconds) == ("ACME", *expected)


def test_identity() -> None:
    """The same record has the same identity; another id or start has another one; none without an id."""
    first, same, other, later, unknown = _calls(
        _record(),
        _record(sc_duration="62"),
        _record(sc_uniqueid="pbx1-1.2"),
        _record(sc_start="2026-11-02 08:00:02"),
        _record(sc_uniqueid=...),
    )

    assert first.identity == same.identity
    assert len({first.identity, other.identity, later.identity}) == 3
    assert unknown.identity is None


@pytest.mark.parametrize(
    "changes",
    [
        {"tenantcode": ...},
        {"tenantcode": ""},
        {"sc_direction": ...},
        {"sc_disposition": [1]},
        {"sc_duration": ...},
        {"sc_duration": "a while"},
        {"sc_duration": -1},
        {"sc_duration": 7 * 86_400 + 1},
    ],
)
def test_bad_record_is_skipped(changes: dict[str, object]) -> None:
    """It costs no other record."""
    read = _read(_record(), _record(**changes), _record())

    assert isinstance(read, CallRecords)
    assert len(read.rows) == 2
    assert read.skipped is not None
    assert read.skipped.rows == 1
    assert _CALLER not in repr(read)


def test_newest_start() -> None:
    """It is the latest one that can be read, wherever it is in the list."""
    starts = ["2026-11-02 08:00:01", "2026-11-02 09:00:00", "2026-11-31 09:00:00", "soon", "", ...]
    read = _read(*(_record(sc_start=start) for start in starts))

    assert isinstance(read, CallRecords)
    assert len(read.rows) == len(starts)
    assert read.newest == datetime(2026, 11, 2, 9)  # noqa: DTZ001 -- the time zone is unknown


@given(
    st.fixed_dictionaries(
        {name: st.none() | st.text(max_size=12) | st.integers() | st.floats() for name in _FIELDS}
    )
)
def test_no_number_and_no_name_is_kept(values: dict[str, object]) -> None:
    """Whatever else is in a record, what it says about people is neither in the answer nor in the failure."""
    people = dict.fromkeys(
        ("sc_calleridnum", "sc_calleridname", "sc_dialednum", "sc_whoanswered"), "must-not-show"
    )

    assert "must-not-show" not in repr(_read({**values, **people}, _record(**people)))


def test_plain_form_fails() -> None:
    """Its header and its first row run together (seen), so it is not read. Nothing is quoted."""
    body = "|".join(_FIELDS) + "|".join(["7", "ACME", "2026-11-02 08:00:01", "IN", *[_CALLER] * 7]) + "|\n"
    read = decode(Operation.CALL_RECORDS, body.encode())

    assert isinstance(read, Failure)
    assert read.reason is Reason.DECODE
    assert _CALLER not in read.detail


def test_local_time() -> None:
    """A moment is written in the time zone of the switch."""
    moment = datetime(2026, 7, 1, 22, 30, 5, tzinfo=UTC).timestamp()

    assert local_time(moment, ZoneInfo("Europe/Rome")) == "2026-07-02 00:30:05"
    assert local_time(moment, ZoneInfo("America/New_York")) == "2026-07-01 18:30:05"


def test_an_empty_response() -> None:
    """A wrong time zone is among its causes."""
    found = decode(Operation.CALL_RECORDS, b"")
    assert isinstance(found, Failure)
    assert found.reason is Reason.EMPTY
    assert found.detail.endswith("or a wrong parameter, or a wrong timezone")
