import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator.call_history import Total, totals
from exporter.simulator.control import apply_changes
from exporter.simulator.truth import truth
from exporter.simulator.world import Size, World


def _apply(world: World, document: object) -> None:
    apply_changes(world, json.dumps(document))


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)
_of_tenant = st.dictionaries(
    st.sampled_from(
        ["present", "disabled", "dropped", "balance", "calls", "max_channels", "queues", "add_calls", "x"]
    ),
    _json,
    max_size=3,
)
_changes = st.fixed_dictionaries(
    {},
    optional={
        "freeze": _json,
        "speed": _json,
        "advance": _json,
        "license_days": _json,
        "dropped": _json,
        "nodes": _json | st.dictionaries(st.sampled_from(["pbx1", "pbx9"]), st.booleans()),
        "trunks": _json | st.dictionaries(st.sampled_from(["northwind", "nobody"]), st.booleans()),
        "tenants": _json | st.dictionaries(st.sampled_from(["ACME", "NOBODY"]), _json | _of_tenant),
    },
)


@given(_json | _changes)
@settings(deadline=None, max_examples=40)
def test_untrusted_changes_are_applied_completely_or_not_at_all(document: object) -> None:
    """Any document is applied, or rejected without any change."""
    world = World(Size(tenants=1))
    world.time.freeze()
    before = truth(world)
    try:
        _apply(world, document)
    except ValueError:
        assert truth(world) == before
    else:
        truth(world)


@pytest.mark.parametrize(
    ("change", "undone"),
    [
        ({"license_days": -1}, {"license_days": None}),
        ({"dropped": 1}, {"dropped": 0}),
        ({"nodes": {"pbx3": False}}, {"nodes": {"pbx3": True}}),
        ({"trunks": {"northwind": False}}, {"trunks": {"northwind": True}}),
        *(
            ({"tenants": {"ACME": change}}, {"tenants": {"ACME": undone}})
            for change, undone in (
                ({"present": False}, {"present": True}),
                ({"disabled": True}, {"disabled": False}),
                ({"dropped": 1}, {"dropped": 0}),
                ({"balance": -5}, {"balance": None}),
                ({"calls": 3}, {"calls": None}),
                ({"max_channels": 7}, {"max_channels": None}),
                ({"queues": {"1000": {"waiting": 4}}}, {"queues": {"1000": None}}),
            )
        ),
    ],
    ids=str,
)
def test_a_change_applies_until_it_is_undone(world: World, change: object, undone: object) -> None:
    """At once, although sums over the installation are cached."""
    before = truth(world)
    _apply(world, change)
    assert truth(world) != before
    _apply(world, undone)
    assert truth(world) == before


def test_every_change_is_applied(world: World) -> None:
    """Each field has the value that was set."""
    _apply(
        world,
        {
            "license_days": -1,
            "dropped": 1,
            "nodes": {"pbx3": False},
            "trunks": {"northwind": False},
            "tenants": {
                "ACME": {
                    "balance": -5,
                    "calls": 3,
                    "max_channels": 7,
                    "queues": {"1001": {"waiting": 4, "longest_wait": 90, "online": 6, "paused": 2}},
                },
                "BOREAL": {"disabled": True},
            },
        },
    )
    told = truth(world)
    switch, tenants = told["switch"], told["tenants"]
    assert isinstance(switch, dict)
    assert isinstance(tenants, dict)
    assert (switch["license_days"], switch["peers"], switch["calls"]) == (-1, 0, 3)
    assert (list(switch["nodes"]), switch["absent_nodes"]) == (["pbx1", "pbx2"], ["pbx3"])
    assert not switch["trunks"]["northwind"]["registered"]
    acme = tenants["ACME"]
    assert (acme["balance"], acme["calls"], acme["max_channels"]) == (-5, 3, 7)
    queue = acme["queues"]["1001"]
    assert (queue["calls_waiting"], queue["longest_wait_seconds"]) == (4, 90)
    assert (queue["agents"]["online"], queue["agents"]["paused"]) == (6, 2)
    assert tenants["BOREAL"]["disabled"]


def test_calls_are_added_to_the_history(world: World) -> None:
    """Calls are added to what the history has, from the requested number of seconds ago."""
    now = world.time.wall_time()
    before = totals(world, now - 100, now + 100)["ACME"].get(("OUT", "FAILED"), Total())
    _apply(
        world,
        {
            "tenants": {
                "ACME": {"add_calls": {"number": 40, "disposition": "FAILED", "seconds": 10, "ago": 60}},
                "BOREAL": {"add_calls": None},
            }
        },
    )
    after = totals(world, now - 100, now + 100)["ACME"]["OUT", "FAILED"]
    assert (after.calls, after.seconds) == (before.calls + 40, before.seconds + 40 * 60)
    [added] = world.overrides.added_calls
    assert -60 <= added.start - now < 0


def test_time_is_changed_first(world: World) -> None:
    """A balance set together with a change of time is exact afterwards."""
    _apply(world, {"tenants": {"ACME": {"balance": 5}}, "advance": 86400, "speed": 7, "freeze": True})
    assert world.balance(world.all_tenants[0], world.moment()) == 5
    assert (world.time.speed, world.time.frozen) == (7, True)
