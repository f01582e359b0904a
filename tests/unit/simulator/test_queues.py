import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator.overrides import QueueSetting
from exporter.simulator.queues import states
from exporter.simulator.truth import truth
from exporter.simulator.world import Size, World
from tests.unit.simulator.bodies import body, in_json

_QUEUES = "reqtype=INFO&info=queues&tenant=ACME"
_QUEUE = "reqtype=INFO&info=queue&tenant=ACME"
_NAMES = [
    "AGENTSAVAILABLE", "AGENTSPAUSED", "AGENTSFREE", "AGENTSONLINE", "CALLSINQUEUE", "SERVICELEVEL",
    "FIRSTWAITING", "SECONDWAITING", "THIRDWAITING", "CALLSONLINE", "TALKTIME", "HOLDTIME",
    "ANSWEREDCALLS", "CALLSRECEIVED", "REALANSWEREDCALLS", "TRANSFEREDCALLS", "ABANDONEDCALLS",
    "TIMEDOUTCALLS", "QUEUECAR", "EXITWITHKEYCALLS", "MAXHOLDTIME", "AVERAGETALKTIME", "AVERAGEHOLDTIME",
]  # fmt: skip


@pytest.fixture
def world() -> World:
    """Return a frozen world with six queues per tenant."""
    world = World(Size(tenants=3, extensions=20, queues=6))
    world.time.freeze()
    return world


def _expected(world: World) -> dict[str, dict[str, Any]]:
    tenants: Any = truth(world, code="ACME")["tenants"]
    expected: dict[str, dict[str, Any]] = tenants["ACME"]["queues"]
    return expected


def test_queues_are_listed(world: World) -> None:
    """INFO queues has pairs of id and name; one name has a comma, one is used twice, one is empty."""
    names = {queue: state["name"] for queue, state in _expected(world).items()}
    assert in_json(world, _QUEUES) == names
    assert body(world, _QUEUES) == "|".join(f"{queue}: {name}" for queue, name in names.items())
    assert list(names.values()) == [
        "Reception",
        "Support, first line",
        "Vertrieb Süd",
        "Support, first line",
        "",
        "Queue 5",
    ]


def test_a_tenant_without_queues() -> None:
    """Without queues the object is null and the line is empty."""
    world = World(Size(tenants=1, queues=0))
    assert (body(world, f"{_QUEUES}&format=json"), body(world, _QUEUES)) == ("null", "")
    assert in_json(world, _QUEUE)["CALLSINQUEUE"] == "0"


def test_a_queue_is_selected_by_id(world: World) -> None:
    """INFO queue has the 23 names in both formats, with the values of the truth."""
    world.overrides.set_queue("1001", QueueSetting(world.moment(), 4, 100, 6, 2))
    for queue, expected in _expected(world).items():
        fields = in_json(world, f"{_QUEUE}&id={queue}")
        assert list(fields) == _NAMES
        values = {name: float(value) for name, value in fields.items()}
        assert values["CALLSINQUEUE"] == expected["calls_waiting"]
        assert values["FIRSTWAITING"] == expected["longest_wait_seconds"]
        assert values["SERVICELEVEL"] == expected["service_level"]
        counts = {"CALLSRECEIVED": "received", "ANSWEREDCALLS": "answered", "ABANDONEDCALLS": "abandoned"}
        assert {name: values[name] for name in counts} == {
            name: expected[count] for name, count in counts.items()
        }
        agents = {"AGENTSONLINE": "online", "AGENTSPAUSED": "paused", "AGENTSFREE": "free"}
        assert {name: values[name] for name in agents} == {
            name: expected["agents"][state] for name, state in agents.items()
        }
        names, row = body(world, f"{_QUEUE}&id={queue}").splitlines()
        assert dict(zip(names.split("|"), row.split("|"), strict=True)) == fields
    crowded = in_json(world, f"{_QUEUE}&id=1001")
    assert [crowded[f"{which}WAITING"] for which in ("FIRST", "SECOND", "THIRD")] == ["100", "75", "50"]


@pytest.mark.parametrize("queue", ["999", "1006", "x"])
def test_an_unknown_queue(world: World, queue: str) -> None:
    """The response is null in JSON and empty in plain text."""
    assert (body(world, f"{_QUEUE}&id={queue}&format=json"), body(world, f"{_QUEUE}&id={queue}")) == (
        "null",
        "",
    )


def test_the_id_can_be_ignored(world: World) -> None:
    """With the option every id, even an unknown one, gets the sums that are the response without id."""
    world.overrides.set_queue("1001", QueueSetting(world.moment(), 4, 500))
    everything = body(world, f"{_QUEUE}&format=json")
    fields, expected = json.loads(everything), _expected(world).values()
    assert int(fields["CALLSINQUEUE"]) == sum(queue["calls_waiting"] for queue in expected)
    assert int(fields["AGENTSONLINE"]) == sum(queue["agents"]["online"] for queue in expected)
    assert (fields["FIRSTWAITING"], fields["SECONDWAITING"]) == ("500", "375")
    for queue in ("1000", "1001", "x"):
        assert body(world, f"{_QUEUE}&id={queue}&format=json", queue_id="ignored") == everything


def test_the_longest_wait_grows(world: World) -> None:
    """A wait that was set grows with simulated time; None restores the queue."""
    before = _expected(world)["1000"]
    world.overrides.set_queue("1000", QueueSetting(world.moment(), waiting=2, longest_wait=30, online=0))
    world.time.advance(60)
    crowded = _expected(world)["1000"]
    assert (crowded["calls_waiting"], crowded["longest_wait_seconds"]) == (2, 90)
    assert crowded["agents"] == {"online": 0, "paused": 0, "free": 0}
    world.time.advance(-60)
    world.overrides.set_queue("1000", None)
    assert _expected(world)["1000"] == before


@given(st.integers(0, 2**30), st.floats(0, 1e7))
@settings(deadline=None)
def test_queues_are_consistent(seed: int, moment: float) -> None:
    """No number is negative, agents and calls add up, and without agents no call waits by itself."""
    world = World(Size(tenants=4, extensions=25), seed=seed)
    for tenant in world.tenants():
        for state in states(world, tenant, moment).values():
            assert min(state.free, state.paused, state.on_call, state.received) >= 0
            assert state.free + state.paused + state.on_call == state.online
            assert state.answered + state.abandoned <= state.received
            assert list(state.waits) == sorted(state.waits, reverse=True)
            assert state.online or not state.waits


def test_counts_grow_during_a_day_and_restart_at_midnight(world: World) -> None:
    """Received and answered calls do not fall during a day; at midnight they are 0."""
    tenant = world.all_tenants[0]
    days = [
        [states(world, tenant, 86400.0 * day + 60 * minute)["1000"] for minute in range(1440)]
        for day in (1, 2)
    ]
    for day in days:
        for count in ("received", "answered", "abandoned"):
            counts = [getattr(state, count) for state in day]
            assert counts == sorted(counts)
            assert counts[0] == 0
            assert counts[-1] > 0


def test_queues_fill_and_have_agents_by_day(world: World) -> None:
    """During a day some call waits, and agents are online by day and offline by night."""
    tenant = world.all_tenants[0]
    hours = [states(world, tenant, 3600.0 * hour)["1000"] for hour in range(24)]
    assert any(state.waits for state in hours)
    assert (hours[2].online, hours[12].online > 0) == (0, True)
    assert not any(state.online for state in states(world, world.all_tenants[-1], 3600.0 * 12).values())
