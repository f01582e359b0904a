import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator.phone_lists import device_states
from exporter.simulator.tenants import UNREGISTRABLE, Technologies
from exporter.simulator.truth import truth
from exporter.simulator.wire import SECRET
from exporter.simulator.world import Size, World
from tests.unit.simulator.bodies import body, in_json


def test_extensions_have_the_fields_of_a_real_switch(world: World) -> None:
    """An extension has 148 fields in about 3.4 KB, and all its credentials have the marker."""
    query = "reqtype=INFO&info=extensions&tenant=ACME"
    record = in_json(world, query)[0]
    assert len(record) == 148
    assert 3000 < len(body(world, f"{query}&format=json")) / 12 < 4500
    secrets = {"password", "ex_webpassword", "ex_2fa_secret", "ex_lockpin"}
    assert all(record[name].startswith(SECRET) for name in secrets)


def test_peers_are_on_present_nodes(world: World) -> None:
    """A peer has its node and ``<number>-<CODE>/<number>-<CODE>``; a removed node has no peers."""
    before = in_json(world, "reqtype=CHANSIPPEERS&tenant=BOREAL")
    assert before[0]["Name"] == "100-BOREAL/100-BOREAL"
    node = before[0]["node"]
    world.overrides.set_nodes({node: False})
    after = in_json(world, "reqtype=CHANSIPPEERS&tenant=BOREAL")
    assert after == [row for row in before if row["node"] != node]


def test_a_disabled_tenant_has_no_peers(world: World) -> None:
    """CHANSIPPEERS does not list the accounts of a disabled tenant."""
    assert body(world, "reqtype=CHANSIPPEERS&tenant=CLOSED2&format=json") == "]"


@pytest.fixture
def mixed() -> World:
    """Return a frozen world with phones of all technologies, some of them unregistered."""
    world = World(Size(tenants=3, nodes=3, extensions=40), technologies=Technologies(0.4, 0.1, 0.1))
    world.time.freeze()
    world.overrides.drop_registrations(0.3)
    world.overrides.set_calls("ACME", 9)
    return world


def _tenant(world: World) -> dict[str, Any]:
    tenants: Any = truth(world, code="ACME")["tenants"]
    tenant: dict[str, Any] = tenants["ACME"]
    return tenant


def _numbers(peers: list[dict[str, str]]) -> set[str]:
    return {peer["Name"].split("-")[0] for peer in peers}


def test_extensions_have_their_technology(mixed: World) -> None:
    """``ex_tech`` and ``st_state`` match; a custom or virtual extension has the state of the option."""
    query, expected = "reqtype=INFO&info=extensions&tenant=ACME", _tenant(mixed)
    listed = in_json(mixed, query, unregistrable_state="NOT_INUSE")
    assert {row["ex_number"]: row["ex_tech"] for row in listed} == expected["technologies"]
    states = {row["ex_number"]: row["st_state"] for row in listed}
    assert states == {number: state or "NOT_INUSE" for number, state in expected["device_states"].items()}
    assert {row.split("|")[2] for row in body(mixed, query).splitlines()[1:]} == {
        "SIP",
        "PJSIP",
        "CUSTOM",
        "VIRTUAL",
    }


def test_chansippeers_lists_sip_phones_only(mixed: World) -> None:
    """PJSIP, custom and virtual phones are missing; with the option unregistered phones are, too."""
    query, expected = "reqtype=CHANSIPPEERS&tenant=ACME", _tenant(mixed)
    sip = {number for number, technology in expected["technologies"].items() if technology == "SIP"}
    assert _numbers(in_json(mixed, query)) == sip
    registered = {number for number in sip if expected["extensions"][number]}
    assert 0 < len(registered) < len(sip)
    assert _numbers(in_json(mixed, query, chansippeers="registered")) == registered


def test_peers_of_a_tenant(mixed: World) -> None:
    """PEERS has the columns of CHANSIPPEERS in both formats, and PJSIP phones if the option says so."""
    query, expected = "reqtype=PEERS&tenant=ACME", _tenant(mixed)
    listed = in_json(mixed, query)
    assert listed == in_json(mixed, "reqtype=CHANSIPPEERS&tenant=ACME")
    header, *rows = body(mixed, query).splitlines()
    assert [dict(zip(header.split("|"), row.split("|"), strict=True)) for row in rows] == listed
    with_pjsip = in_json(mixed, query, pjsip_in_peers=True)
    assert _numbers(with_pjsip) == {number for number, on in expected["extensions"].items() if on is not None}


def test_words_of_pjsip(mixed: World) -> None:
    """With the option the status of a PJSIP phone is a word of Asterisk; that of a SIP phone stays."""
    expected = _tenant(mixed)
    for peer in in_json(mixed, "reqtype=PEERS&tenant=ACME", pjsip_in_peers=True, pjsip_words=True):
        number = peer["Name"].split("-")[0]
        if expected["technologies"][number] == "PJSIP":
            assert peer["Status"] == ("Avail" if expected["extensions"][number] else "Unavail")
        else:
            assert (re.match(r"OK|LAGGED", peer["Status"]) is not None) == expected["extensions"][number]


def test_device_states_of_a_tenant(mixed: World) -> None:
    """BLFS has every extension, three names in JSON, and in plain text every value twice and no header."""
    query, expected = "reqtype=BLFS&tenant=ACME", _tenant(mixed)
    listed = in_json(mixed, query)
    assert list(listed[0]) == ["st_extension", "st_state", "st_timestamp"]
    states = {row["st_extension"]: row["st_state"] for row in listed}
    assert states == {number: state or "UNKNOWN" for number, state in expected["device_states"].items()}
    assert body(mixed, query).startswith(f"100|100|{states['100']}|{states['100']}|")
    assert {len(line.split("|")) for line in body(mixed, query).splitlines()} == {7}
    assert SECRET not in body(mixed, query)


def test_flows_among_device_states(mixed: World) -> None:
    """With the option BLFS also lists flows, after the extensions."""
    query = "reqtype=BLFS&tenant=ACME"
    names = [row["st_extension"] for row in in_json(mixed, query, flows_in_blfs=True)]
    assert names == [*(row["st_extension"] for row in in_json(mixed, query)), "FLOW1", "FLOW2"]


def test_sip_users(mixed: World) -> None:
    """The separator and the end of a SIP user are options, in every list that has it."""
    options = {"user_separator": "_", "user_ending": "name"}
    user = "100_Acme Tools, Ltd."
    assert in_json(mixed, "reqtype=INFO&info=extensions&tenant=ACME", **options)[0]["username"] == user
    names = {
        peer["Name"] for peer in in_json(mixed, "reqtype=PEERS&tenant=ACME", pjsip_in_peers=True, **options)
    }
    assert f"{user}/{user}" in names


@given(st.integers(0, 2**30), st.floats(0, 1e7), st.floats(0, 1))
@settings(deadline=None)
def test_states_agree_with_registrations_and_calls(seed: int, moment: float, dropped: float) -> None:
    """UNAVAILABLE is unregistered, and each call is on one phone: RINGING, INUSE or BUSY."""
    world = World(Size(tenants=2, extensions=25), seed=seed, technologies=Technologies(0.4, 0.1, 0.1))
    world.overrides.drop_registrations(dropped)
    for tenant in world.tenants():
        states = device_states(world, tenant, moment)
        registrations = world.phones.registrations(tenant, moment)
        assert [state not in {None, "UNAVAILABLE"} for state in states] == registrations
        assert [state is None for state in states] == [one in UNREGISTRABLE for one in tenant.technologies]
        figures = world.figures(tenant, moment)
        in_calls = [state for state in states if state in {"RINGING", "INUSE", "BUSY"}]
        assert len(in_calls) == figures.calls
        assert in_calls.count("RINGING") == 2 * figures.calls - sum(figures.channels.values())


def test_some_phones_are_busy_in_a_call() -> None:
    """With a call on every phone, some are BUSY, some RINGING, and most INUSE."""
    world = World(Size(tenants=1, extensions=40))
    world.overrides.set_calls("ACME", 40)
    states = device_states(world, world.all_tenants[0], world.moment())
    assert states.count("INUSE") > states.count("BUSY") > 0
    assert states.count("RINGING") > 0
