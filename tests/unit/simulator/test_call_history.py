from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator.call_history import CALLER, CALLER_NUMBER, Total, calls, totals
from exporter.simulator.overrides import AddedCalls
from exporter.simulator.world import Size, World, WorldClock
from tests.unit.simulator.bodies import body, in_json

_NOW = datetime(2026, 10, 5, 12, 30, tzinfo=UTC).timestamp()
_FIELDS = [
    "sc_te_id", "tenantcode", "sc_start", "sc_direction", "sc_calleridnum", "sc_calleridname",
    "sc_dialednum", "sc_disposition", "sc_duration", "sc_uniqueid", "sc_whoanswered",
]  # fmt: skip
_HISTORY = "reqtype=INFO&info=simplecdrs"
_PERIOD = "start=2026-10-05 12:00:00&end=2026-10-05 12:09:59"


@pytest.fixture
def world() -> World:
    """Return a busy frozen world at half past twelve UTC."""
    world = World(Size(tenants=5, extensions=60))
    world.time.freeze()
    world.time.set_wall_time(_NOW)
    return world


def _count(records: list[dict[str, str]]) -> dict[str, dict[tuple[str, str], Total]]:
    counted: dict[str, dict[tuple[str, str], Total]] = {}
    for record in records:
        sums = counted.setdefault(record["tenantcode"], {})
        kind = (record["sc_direction"], record["sc_disposition"])
        before = sums.get(kind, Total())
        sums[kind] = Total(before.calls + 1, before.seconds + int(record["sc_duration"]))
    return counted


def test_the_history_of_all_tenants_matches_the_totals(world: World) -> None:
    """``%`` gives the calls of every tenant that began in the period, each one once."""
    records = in_json(world, f"{_HISTORY}&tenant=%&{_PERIOD}")
    expected = totals(world, _NOW - 30 * 60, _NOW - 20 * 60)
    assert _count(records) == {code: sums for code, sums in expected.items() if sums}
    assert len(records) > 50
    assert len({record["sc_uniqueid"] for record in records}) == len(records)
    assert [record["sc_start"] for record in records] == sorted(record["sc_start"] for record in records)
    assert expected["CLOSED1"] == {}
    of_acme = in_json(world, f"{_HISTORY}&tenant=ACME&{_PERIOD}")
    assert of_acme == [record for record in records if record["tenantcode"] == "ACME"]


def test_a_record_has_eleven_fields_twice(world: World) -> None:
    """Every value is under its position and its name; all names, and numbers outside, have the mark."""
    records = in_json(world, f"{_HISTORY}&tenant=%&{_PERIOD}")
    for record in records:
        assert [name for name in record if not name.isdecimal()] == _FIELDS
        assert [record[str(position)] for position in range(11)] == [record[name] for name in _FIELDS]
        assert record["sc_calleridname"].startswith(CALLER)
        outside = {"IN": "sc_calleridnum", "OUT": "sc_dialednum"}.get(record["sc_direction"])
        assert outside is None or record[outside].startswith(CALLER_NUMBER)
        assert bool(record["sc_whoanswered"]) is (record["sc_disposition"] == "ANSWERED")
    assert {record["sc_direction"] for record in records} == {"IN", "OUT", "LOCAL"}
    dispositions = {record["sc_disposition"] for record in records}
    assert dispositions == {"ANSWERED", "NO ANSWER", "FAILED", "CONGESTION"}


def test_the_plain_form_lacks_a_line_break(world: World) -> None:
    """The header and the first row run together."""
    first, *rows = body(world, f"{_HISTORY}&tenant=ACME&{_PERIOD}").splitlines()
    assert first.startswith("|".join(_FIELDS) + "1|ACME|2026-10-05 12:0")
    assert len(rows) + 1 == len(in_json(world, f"{_HISTORY}&tenant=ACME&{_PERIOD}"))


@pytest.mark.parametrize(
    "query",
    [
        "tenant=CLOSED1&start=2026-10-05 12:00:00",
        "tenant=ACME&start=2026-10-05 13:00:00&end=2026-10-05 14:00:00",
        "tenant=ACME&start=2026-10-05 12:10:00&end=2026-10-05 12:00:00",
        "tenant=ACME&start=yesterday",
    ],
)
@pytest.mark.parametrize("form", ["plain", "json"])
def test_without_calls_the_body_is_empty(world: World, query: str, form: str) -> None:
    """A tenant or period without calls, and an invalid date, get 0 bytes in either format."""
    assert body(world, f"{_HISTORY}&{query}&format={form}") == ""


def test_a_tenant_is_required(world: World) -> None:
    """Without ``tenant`` the response names the missing parameter; without dates it covers the last hour."""
    assert body(world, _HISTORY) == "No tenant specified"
    records = in_json(world, f"{_HISTORY}&tenant=ACME")
    assert (records[0]["sc_start"][:13], records[-1]["sc_start"][:13]) == ("2026-10-05 11", "2026-10-05 12")


def test_start_and_end_are_inclusive_and_local(world: World) -> None:
    """A call at either end is in both adjacent periods; the times are those of the zone."""
    world.overrides.add_calls(AddedCalls("CLOSED1", _NOW - 600, 1))
    world.overrides.add_calls(AddedCalls("ACME", _NOW - 600, 1, "LOCAL", "CONGESTION"))
    rome = ZoneInfo("Europe/Rome")
    moment = datetime.fromtimestamp(_NOW - 600, rome).strftime("%Y-%m-%d %H:%M:%S")
    assert moment == "2026-10-05 14:20:00"
    for period in (
        f"start={moment}&end=2026-10-05 14:20:30",
        f"start=2026-10-05 14:19:30&end={moment}",
    ):
        records = in_json(world, f"{_HISTORY}&tenant=%&{period}", time_zone="Europe/Rome")
        added = [record for record in records if record["sc_disposition"] == "CONGESTION"]
        assert (moment, "LOCAL") in [(record["sc_start"], record["sc_direction"]) for record in added]
        assert "CLOSED1" not in {record["tenantcode"] for record in records}


def test_the_hour_that_is_repeated_in_autumn(world: World) -> None:
    """A local period of the repeated hour has the calls of both passes, as in a database of local times."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    world.time.set_wall_time(first + 86400)
    for start in (first, first + 3600):
        world.overrides.add_calls(AddedCalls("BOREAL", start, 1, "LOCAL", "FAILED", 0))
    query = f"{_HISTORY}&tenant=BOREAL&start=2026-10-25 02:30:00&end=2026-10-25 02:30:00"
    records = in_json(world, query, time_zone="Europe/Rome")
    assert [record["sc_disposition"] for record in records].count("FAILED") >= 2
    assert {record["sc_start"] for record in records} == {"2026-10-25 02:30:00"}


def test_a_call_is_recorded_at_its_end_or_start(world: World) -> None:
    """A call in progress is missing, unless the option says that calls are recorded at their start."""
    world.overrides.add_calls(AddedCalls("ACME", _NOW - 60, 500, "OUT", "ANSWERED", duration=90))
    query = f"{_HISTORY}&tenant=ACME&start=2026-10-05 12:29:00&end=2026-10-05 12:29:00"
    assert len(in_json(world, query, call_recorded="start")) >= 500
    assert body(world, query).count("ACME") < 10
    world.time.set_wall_time(_NOW + 30)
    assert len(in_json(world, query)) >= 500


def test_added_calls_are_spread(world: World) -> None:
    """Added calls begin evenly over the seconds, and only those of the tenant are returned."""
    before = len(list(calls(world, world.all_tenants[0], _NOW, _NOW + 60)))
    world.overrides.add_calls(AddedCalls("ACME", _NOW, 120, seconds=60))
    halves = [len(list(calls(world, world.all_tenants[0], start, start + 30))) for start in (_NOW, _NOW + 30)]
    assert sum(halves) == before + 120
    assert min(halves) >= 60


@given(st.integers(0, 2**30), st.integers(0, 100_000), st.integers(1, 50_000))
@settings(deadline=None, max_examples=25)
def test_periods_add_up(seed: int, first: int, length: int) -> None:
    """The calls of two adjacent periods are those of both together, and none begins outside."""
    world = World(Size(tenants=1, extensions=60), seed=seed)
    tenant, start = world.all_tenants[0], _NOW - first
    middle, end = start + length // 3, start + length
    whole = set(calls(world, tenant, start, end))
    assert whole == {*calls(world, tenant, start, middle), *calls(world, tenant, middle, end)}
    assert all(start <= call.start < end for call in whole)


def test_the_past_does_not_change() -> None:
    """What the history has for a past period stays, whatever happens to time."""
    moments = iter(range(1000))
    world = World(Size(tenants=2, extensions=60), clock=WorldClock(lambda: float(next(moments)), speed=600))
    now = world.time.wall_time()
    before = totals(world, now - 300, now)
    world.time.advance(5 * 3600)
    assert totals(world, now - 300, now) == before
    world.time.set_speed(1)
    assert totals(world, now - 300, now) == before
    world.time.freeze()
    assert totals(world, now - 300, now) == before
