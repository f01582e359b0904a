import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator.changes import apply
from exporter.simulator.truth import truth
from exporter.simulator.world import World

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)
_of_tenant = st.dictionaries(
    st.sampled_from(["present", "disabled", "dropped", "balance", "calls", "max_channels", "x"]),
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
        "tenants": _json | st.dictionaries(st.sampled_from(["ACME", "NOBODY"]), _json | _of_tenant),
    },
)


@given(_json | _changes)
@settings(deadline=None)
def test_foreign_changes_are_made_whole_or_not_at_all(document: object) -> None:
    """Whatever somebody sends, it is made, or it is refused and the world stays as it is."""
    world = World(tenants=1)
    world.time.freeze()
    before = truth(world)
    try:
        apply(world, document)
    except ValueError:
        assert truth(world) == before
    else:
        truth(world)


def test_every_change_is_made(world: World) -> None:
    """Each member does what it says, in the truth that everybody reads."""
    apply(
        world,
        {
            "license_days": -1,
            "dropped": 1,
            "nodes": {"pbx3": False},
            "tenants": {
                "ACME": {"balance": -5, "calls": 3, "max_channels": 7},
                "BOREAL": {"disabled": True},
                "CINDER": {"present": False},
            },
        },
    )
    told = truth(world)
    switch, tenants = told["switch"], told["tenants"]
    assert isinstance(switch, dict)
    assert isinstance(tenants, dict)
    assert (switch["license_days"], switch["peers"], switch["calls"]) == (-1, 0, 3)
    assert (list(switch["nodes"]), switch["absent_nodes"]) == (["pbx1", "pbx2"], ["pbx3"])
    acme = tenants["ACME"]
    assert (acme["balance"], acme["calls"], acme["max_channels"]) == (-5, 3, 7)
    assert tenants["BOREAL"]["disabled"]
    assert "CINDER" not in tenants


def test_time_is_changed_before_values_are_set(world: World) -> None:
    """A balance that is set along with a leap in time is exact after the leap."""
    apply(world, {"tenants": {"ACME": {"balance": 5}}, "advance": 86400, "speed": 7, "freeze": True})
    assert world.balance(world.all_tenants[0], world.moment()) == 5
    assert (world.time.speed, world.time.frozen) == (7, True)


def test_phones_of_one_tenant_can_be_dropped(world: World) -> None:
    """A share for a tenant leaves the phones of the others alone."""
    apply(world, {"tenants": {"ACME": {"dropped": 1}}})
    moment = world.moment()
    assert not any(world.phones.registrations(world.all_tenants[0], moment))
    assert any(world.phones.registrations(world.all_tenants[1], moment))


def test_everything_wrong_is_said_at_once(world: World) -> None:
    """One refusal names each mistake by its path."""
    with pytest.raises(
        ValueError, match=r"colour: .*; freeze: .*; nodes\.pbx9: .*; tenants\.ACME\.calls: must"
    ):
        apply(
            world,
            {"freeze": 1, "colour": 1, "nodes": {"pbx9": True}, "tenants": {"ACME": {"calls": -1}}},
        )
