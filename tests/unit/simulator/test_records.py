import json

from exporter.simulator.records import (
    SECRET,
    extension_json,
    extension_rows,
    peer_rows,
    tenant_json,
    tenant_row,
)
from exporter.simulator.world import World


def test_an_extension_has_as_many_fields_as_were_seen(world: World) -> None:
    """An extension has 148 fields in about 3.4 KB, credentials among them, all of them marked."""
    rows = list(extension_rows(world, world.all_tenants[0], world.moment()))
    text = extension_json(rows[0])
    record = json.loads(text)
    assert len(record) == 148
    assert 3000 < len(text) < 4500
    secrets = {"password", "ex_webpassword", "ex_2fa_secret", "ex_lockpin"}
    assert all(record[name].startswith(SECRET) for name in secrets)


def test_states_of_extensions_tell_registration_and_calls(world: World) -> None:
    """UNAVAILABLE is exactly who is not registered, and as many are INUSE as there are calls."""
    tenant, moment = world.all_tenants[0], world.moment()
    world.overrides.drop_registrations(0.3)
    world.overrides.set_calls(tenant.code, 2)
    states = [row[3] for row in extension_rows(world, tenant, moment)]
    assert [state != "UNAVAILABLE" for state in states] == world.phones.registrations(tenant, moment)
    assert states.count("INUSE") == 2


def test_peers_are_those_of_present_nodes(world: World) -> None:
    """A peer carries its node and ``<number>-<CODE>/<number>-<CODE>``; a vanished node shows none."""
    tenant, moment = world.all_tenants[1], world.moment()
    everyone = list(peer_rows(world, tenant, moment, "UNREACHABLE"))
    assert everyone[0][1] == f"100-{tenant.code}/100-{tenant.code}"
    gone = everyone[0][0]
    world.overrides.set_node_present(gone, present=False)
    rest = list(peer_rows(world, tenant, moment, "UNREACHABLE"))
    assert rest == [row for row in everyone if row[0] != gone]


def test_a_disabled_tenant_has_no_peers(world: World) -> None:
    """Accounts of a disabled tenant are not among the peers."""
    assert not list(peer_rows(world, world.all_tenants[-1], world.moment(), "UNKNOWN"))


def test_a_tenant_is_listed_with_every_value_twice(world: World) -> None:
    """The record holds the documented names, each value under a position as well, and marked credentials."""
    tenant = world.all_tenants[-1]
    record = json.loads(tenant_json(tenant_row(world, tenant)))
    assert (record["te_code"], record["2"]) == ("CLOSED2", "CLOSED2")
    assert record["te_disabled"] == "on"
    assert record["te_apikey"].startswith(SECRET)
    assert json.loads(tenant_json(tenant_row(world, world.all_tenants[0])))["te_disabled"] == ""
