from typing import Any

import pytest

from exporter.simulator.truth import truth
from exporter.simulator.wire import SECRET
from exporter.simulator.world import World
from tests.unit.simulator.bodies import body, in_json

_TRUNKS = "reqtype=MANAGEDB&object=sipregs&action=list"


def _expected(world: World) -> dict[str, dict[str, Any]]:
    switch: Any = truth(world)["switch"]
    expected: dict[str, dict[str, Any]] = switch["trunks"]
    return expected


@pytest.fixture
def failing(world: World) -> World:
    """Return a world in which one trunk of the installation and one of a tenant fail."""
    world.overrides.set_trunks({"northwind": False})
    world.overrides.set_trunks({"acme-trunk": False})
    return world


def test_trunks_are_keyed_by_id(failing: World) -> None:
    """Each record has its id, name, state and tenant as the truth, and credentials with the mark."""
    listed, expected = in_json(failing, _TRUNKS), _expected(failing)
    assert [number for number, record in listed.items() if record["sr_id"] != number] == []
    assert {
        record["sr_name"]: {"tenant": record["te_code"], "registered": record["sr_state"] == "Registered"}
        for record in listed.values()
    } == {
        name: {"tenant": trunk["tenant"], "registered": trunk["registered"]}
        for name, trunk in expected.items()
    }
    assert [name for name, trunk in expected.items() if not trunk["registered"]] == [
        "northwind",
        "acme-trunk",
    ]
    assert {trunk["tenant"] for trunk in expected.values()} == {"", "ACME", "DELTA9", "GLADE"}
    assert all(record["sr_password"].startswith(SECRET) for record in listed.values())


def test_trunks_of_a_tenant(world: World) -> None:
    """With `tenant`, only its own are listed."""
    assert [trunk["sr_name"] for trunk in in_json(world, f"{_TRUNKS}&tenant=ACME").values()] == ["acme-trunk"]
    assert in_json(world, f"{_TRUNKS}&tenant=BOREAL") is None


def test_plain_trunks_are_a_table(failing: World) -> None:
    """The plain form has the fields of the JSON form as columns."""
    header, *rows = body(failing, _TRUNKS).splitlines()
    records = [dict(zip(header.split("|"), row.split("|"), strict=True)) for row in rows]
    assert records == list(in_json(failing, _TRUNKS).values())


def test_other_names_and_words(failing: World) -> None:
    """The names of fields, the words for states, and what names the tenant are options."""
    options = {"trunk_fields": "sr_name=peer,sr_state=status", "trunk_failed_word": "No Authentication"}
    trunk = in_json(failing, _TRUNKS, **options, trunk_tenant="name")["100"]
    assert (trunk["peer"], trunk["status"]) == ("acme-trunk", "No Authentication")
    assert trunk["te_code"] == "Acme Tools, Ltd."
    assert in_json(failing, _TRUNKS, trunk_tenant="id")["100"]["te_code"] == "1"
    assert in_json(failing, _TRUNKS, trunk_registered_word="UP")["2"]["sr_state"] == "UP"


def test_trunks_are_peers_with_the_option(failing: World) -> None:
    """CHANSIPPEERS lists all trunks, PEERS those of the tenant; without the option none is listed."""

    def peers(query: str, **options: Any) -> dict[str, str]:
        listed = in_json(failing, query, **options)
        return {peer["Name"].split("/")[0]: peer["Status"] for peer in listed if "account-" in peer["Name"]}

    statuses = {
        name: f"OK ({round(trunk['round_trip_seconds'] * 1000)} ms)" if trunk["registered"] else "UNREACHABLE"
        for name, trunk in _expected(failing).items()
    }
    assert peers("reqtype=CHANSIPPEERS", trunks_as_peers=True) == statuses
    assert peers("reqtype=PEERS&tenant=ACME", trunks_as_peers=True) == {"acme-trunk": "UNREACHABLE"}
    registered = {name for name, status in statuses.items() if status != "UNREACHABLE"}
    listed = peers("reqtype=CHANSIPPEERS", trunks_as_peers=True, chansippeers="registered")
    assert listed.keys() == registered
    assert peers("reqtype=CHANSIPPEERS") == peers("reqtype=PEERS&tenant=ACME") == {}
    for node in failing.all_nodes:
        failing.overrides.set_nodes({node: False})
    assert body(failing, "reqtype=CHANSIPPEERS&format=json", trunks_as_peers=True) == "]"
