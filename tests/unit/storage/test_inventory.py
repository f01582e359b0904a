import json
from collections.abc import Callable, Sequence
from itertools import count

import pytest

from exporter.clock import Clock
from exporter.storage.inventory import Inventory
from exporter.storage.timeline import Timeline


@pytest.fixture
def timeline() -> Timeline:
    """Return an empty timeline whose clock is 100 s later at each look, so that it groups nothing."""
    looks = count(0, 100)
    return Timeline(Clock(lambda: next(looks), lambda: 1e9))


@pytest.fixture
def inventory(timeline: Timeline) -> Inventory:
    """Return the inventory of a switch before its first response."""
    return Inventory("pbx", timeline)


def _new(timeline: Timeline) -> list[str]:
    """Return the texts, oldest first."""
    return [entry["text"] for entry in reversed(timeline.newest())]


def _restarted(inventory: Inventory, timeline: Timeline) -> Inventory:
    """Return what a restart makes of an inventory."""
    second = Inventory("pbx", timeline)
    for row in inventory.rows():
        second.restore(json.loads(json.dumps(row)))
    return second


def test_nodes(inventory: Inventory, timeline: Timeline) -> None:
    """The first response adds only missing nodes, later ones what changed."""
    inventory.nodes({"n1": 1.0, "n2": 0.0})
    inventory.nodes({"n1": 1.0, "n2": 0.0})
    inventory.nodes({"n1": 0.0, "n2": 1.0, "n3": 1.0})
    assert _new(timeline) == ["node missing: n2", "new node: n3", "node missing: n1", "node back: n2"]
    assert all(entry["switch"] == "pbx" for entry in timeline.newest())


def test_a_node_that_is_left_out(inventory: Inventory, timeline: Timeline) -> None:
    """It is neither gone nor new: its name was unreadable. A missing one was forgotten after a day."""
    inventory.nodes({"n1": 1.0, "n2": 0.0})
    inventory.nodes({})
    inventory.nodes({"n1": 1.0, "n2": 1.0})
    assert _new(timeline) == ["node missing: n2", "new node: n2"]


def test_nodes_over_a_restart(inventory: Inventory, timeline: Timeline) -> None:
    """A node that is still missing is no entry, one that is back is."""
    inventory.nodes({"n1": 1.0, "n2": 0.0, "n3": 0.0})
    before = len(_new(timeline))
    _restarted(inventory, timeline).nodes({"n1": 0.0, "n2": 0.0, "n3": 1.0, "n4": 1.0})
    assert _new(timeline)[before:] == ["new node: n4", "node missing: n1", "node back: n3"]


def test_trunks(inventory: Inventory, timeline: Timeline) -> None:
    """The first list adds only trunks that are not registered. An unknown state changes nothing."""
    inventory.trunks({"": {"a": True, "b": False, "c": None}})
    inventory.trunks({"": {"a": None, "b": None, "c": None}})
    inventory.trunks({"": {"a": False, "b": True, "d": True}})
    assert _new(timeline) == [
        "trunk not registered: b",
        "new trunk: d",
        "trunk no longer listed: c",
        "trunk not registered: a",
        "trunk registered again: b",
    ]


def test_trunks_of_tenants(inventory: Inventory, timeline: Timeline) -> None:
    """They are compared with those in the list before, also across restarts."""
    inventory.trunks({"": {}, "ACME": {"a": True}})
    inventory.trunks({"": {}, "ACME": {}, "BOREAL": {"b": True}})
    assert _new(timeline) == ["new trunk: b of BOREAL", "trunk no longer listed: a of ACME"]
    assert inventory.with_trunks == {"BOREAL"}

    second = _restarted(inventory, timeline)
    second.trunks({"": {}, "BOREAL": {"b": False}, "CINDER": {"c": True}})
    assert _new(timeline)[2:] == ["new trunk: c of CINDER", "trunk not registered: b of BOREAL"]


def test_a_trunk_that_moves_to_a_tenant(inventory: Inventory, timeline: Timeline) -> None:
    """It is neither new nor gone, because the tenant may just have been discovered; its state counts."""
    inventory.trunks({"": {"a": True, "b": True}})
    inventory.trunks({"": {}, "ACME": {"a": True, "b": False}})
    assert _new(timeline) == ["trunk not registered: b of ACME"]


def test_the_trunks_of_a_tenants_own_list(inventory: Inventory, timeline: Timeline) -> None:
    """Its first list adds only what is not registered."""
    for states in ({"a": True, "b": False}, {"a": True, "b": True, "c": True}):
        inventory.trunks({"ACME": states})
    assert _new(timeline) == [
        "trunk not registered: b of ACME",
        "new trunk: c of ACME",
        "trunk registered again: b of ACME",
    ]


def test_tenants(inventory: Inventory, timeline: Timeline) -> None:
    """The first list adds nothing. A tenant that is gone has no trunks any more."""
    inventory.tenants(["ACME", "BOREAL"])
    inventory.trunks({"ACME": {"a": True}})
    inventory.tenants(["BOREAL", "CINDER"])
    assert _new(timeline) == ["new tenant: CINDER", "tenant gone: ACME"]
    assert inventory.with_trunks == set()

    _restarted(inventory, timeline).tenants(["BOREAL"])
    assert _new(timeline)[2:] == ["tenant gone: CINDER"]


def test_the_trunks_of_those_that_stay(inventory: Inventory, timeline: Timeline) -> None:
    """When a tenant leaves, the trunks of the others and of the installation are still known."""
    inventory.tenants(["ACME", "BOREAL"])
    inventory.trunks({"": {"a": True}, "ACME": {"b": True}, "BOREAL": {"c": True}})
    inventory.tenants(["ACME"])
    before = len(_new(timeline))

    inventory.trunks({"": {}, "ACME": {}})

    assert _new(timeline)[before:] == ["trunk no longer listed: a; b of ACME"]


def test_its_version_changes_with_a_change(inventory: Inventory) -> None:
    """The same again is none."""
    notes: Sequence[Callable[[], None]] = (
        lambda: inventory.nodes({"n1": 1.0}),
        lambda: inventory.tenants(["ACME"]),
        lambda: inventory.trunks({"": {"a": True}}),
        lambda: inventory.trunks({"ACME": {}}),
    )
    for note in notes:
        before = inventory.version
        note()
        changed = inventory.version
        note()
        assert before < changed == inventory.version


@pytest.mark.parametrize(
    "part",
    [
        {"nodes": ["n1"]},
        {"nodes": {"n1": 3}},
        {"tenants": [1]},
        {"tenants": 1},
        {"trunks": {"a": True}},
        {"trunks": {"a": "yes"}, "of": ""},
    ],
)
def test_an_invalid_part(part: dict[str, object], inventory: Inventory) -> None:
    """It raises, and nothing is restored."""
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        inventory.restore(part)
    assert list(inventory.rows()) == []
