import json
from typing import Any

import pytest

from exporter.simulator import responses
from exporter.simulator.options import Options
from exporter.simulator.request import parse
from exporter.simulator.responses import SECRET
from exporter.simulator.world import World


def _body(world: World, query: str, **options: Any) -> str:
    pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&"))]
    return responses.body(world, Options(**options), parse("GET", pairs))


def _records(world: World, query: str, **options: Any) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(_body(world, f"{query}&format=json", **options))
    return records


def test_counts_contain_every_node_and_the_total(world: World) -> None:
    """COUNTPEERS lists every node, even with 0 peers, and the total; its name is an option."""
    query = "reqtype=COUNTPEERS&tenant=CLOSED2"
    assert _body(world, query) == "pbx1:0|pbx2:0|pbx3:0|Total:0|"
    assert _body(world, query, total_name="All nodes") == "pbx1:0|pbx2:0|pbx3:0|All nodes:0|"
    assert _body(world, query, total_name="") == "pbx1:0|pbx2:0|pbx3:0|"


def test_channels_per_node_or_as_one_number(world: World) -> None:
    """COUNTCHANNELS has the selected shape; ``nodename`` restricts both shapes to one node."""
    world.overrides.set_calls("ACME", 40)
    channels = world.whole(world.moment()).channels
    total, second = sum(channels.values()), channels["pbx2"]
    assert json.loads(_body(world, "reqtype=COUNTCHANNELS&format=json")) == {**channels, "Total": total}
    assert _body(world, "reqtype=COUNTCHANNELS", channels="total") == str(total)
    assert _body(world, "reqtype=COUNTCHANNELS&nodename=pbx2", channels="total") == str(second)
    assert _body(world, "reqtype=COUNTCHANNELS&nodename=pbx2") == f"pbx2:{second}|Total:{second}|"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("reqtype=COUNTCHANNELS&nodename=pbx9", "\r\n"),
        ("reqtype=INFO&info=regstate&tenant=ACME&ext=999", "\r\n"),
        *(
            (f"reqtype=INFO&info={info}", "No tenant specified")
            for info in ("balance", "extensions", "config")
        ),
        ("reqtype=INFO&info=regstate", "No tenant specified"),
        ("reqtype=INFO&info=regstate&tenant=ACME&id=101", "No ext specified"),
    ],
)
def test_requests_without_a_result(world: World, query: str, expected: str) -> None:
    """An unknown node or extension gives a line break, a missing parameter a sentence."""
    assert _body(world, query) == expected


@pytest.mark.parametrize("form", ["plain", "json"])
def test_values_have_the_same_bytes_in_both_formats(world: World, form: str) -> None:
    """COUNTCALLS is empty without calls and a number otherwise; a balance has four decimals."""
    world.overrides.set_balance("ACME", -7.5, world.moment())
    for calls, expected in ((0, ""), (1, "1")):
        world.overrides.set_calls("ACME", calls)
        assert _body(world, f"reqtype=COUNTCALLS&tenant=ACME&format={form}") == expected
    assert _body(world, f"reqtype=INFO&info=balance&tenant=ACME&format={form}") == "-7.5000"


def test_the_license_is_a_number_or_a_sentence(world: World) -> None:
    """LICENSEDAYS is a bare number, or a sentence with that number only."""
    world.overrides.set_license_days(-3, world.moment())
    assert _body(world, "reqtype=LICENSEDAYS") == "-3"
    assert _body(world, "reqtype=LICENSEDAYS", license="sentence") == "The license expires in -3 days"


@pytest.mark.parametrize("parameter", ["ext", "id", "number"])
def test_regstate_options(world: World, parameter: str) -> None:
    """The parameter, the words and the JSON shape of INFO regstate are options."""
    query = f"reqtype=INFO&info=regstate&tenant=ACME&{parameter}=101"
    options = {"regstate_parameter": parameter, "registered_word": "Online", "unregistered_word": "Offline"}
    assert _body(world, query, **options) == "Online"
    world.overrides.drop_registrations(1)
    assert _body(world, query, **options) == "Offline"
    assert _body(world, f"{query}&format=json", **options) == '"Offline"'
    as_object = _body(world, f"{query}&format=json", regstate_json="object", **options)
    assert as_object == '{"extension":"101","state":"Offline"}'


def test_limits_are_positional_in_plain_and_repeated_in_json(world: World) -> None:
    """INFO config has seven numbers in plain; in JSON three names, with string values, each twice."""
    world.overrides.set_max_channels("ACME", -1)
    query = "reqtype=INFO&info=config&tenant=ACME"
    assert _body(world, query) == "-1|-1|10|-1|5|-1|0|"
    record = json.loads(_body(world, f"{query}&format=json"))
    assert record["maxchannels"] == record["0"] == "-1"
    assert len(record) == 6


def test_empty_lists() -> None:
    """An empty JSON list is a single ``]``; an empty plain list is its header."""
    world = World(tenants=1, extensions=0)
    query = "reqtype=INFO&info=extensions&tenant=ACME"
    assert _body(world, f"{query}&format=json") == "]"
    assert _body(world, query) == "Number|Name|Tech|State|Username|Password\n"
    assert _body(world, "reqtype=CHANSIPPEERS&format=json") == "]"


def test_help_is_html(world: World) -> None:
    """HELP is HTML with preformatted text."""
    assert "<pre>" in _body(world, "reqtype=HELP")


def test_extensions_have_the_fields_of_a_real_switch(world: World) -> None:
    """An extension has 148 fields in about 3.4 KB, and all its credentials have the marker."""
    query = "reqtype=INFO&info=extensions&tenant=ACME"
    record = _records(world, query)[0]
    assert len(record) == 148
    assert 3000 < len(_body(world, f"{query}&format=json")) / 12 < 4500
    secrets = {"password", "ex_webpassword", "ex_2fa_secret", "ex_lockpin"}
    assert all(record[name].startswith(SECRET) for name in secrets)


def test_states_of_extensions_follow_registrations_and_calls(world: World) -> None:
    """An extension is UNAVAILABLE exactly if it is not registered; one is INUSE per call."""
    world.overrides.drop_registrations(0.3)
    world.overrides.set_calls("ACME", 2)
    states = [row["st_state"] for row in _records(world, "reqtype=INFO&info=extensions&tenant=ACME")]
    registrations = world.phones.registrations(world.all_tenants[0], world.moment())
    assert [state != "UNAVAILABLE" for state in states] == registrations
    assert states.count("INUSE") == 2


def test_peers_are_on_present_nodes(world: World) -> None:
    """A peer has its node and ``<number>-<CODE>/<number>-<CODE>``; a removed node has no peers."""
    before = _records(world, "reqtype=CHANSIPPEERS&tenant=BOREAL")
    assert before[0]["Name"] == "100-BOREAL/100-BOREAL"
    node = before[0]["node"]
    world.overrides.set_node_present(node, present=False)
    after = _records(world, "reqtype=CHANSIPPEERS&tenant=BOREAL")
    assert after == [row for row in before if row["node"] != node]


def test_a_disabled_tenant_has_no_peers(world: World) -> None:
    """CHANSIPPEERS does not list the accounts of a disabled tenant."""
    assert _body(world, "reqtype=CHANSIPPEERS&tenant=CLOSED2&format=json") == "]"


def test_tenants_are_listed_with_every_value_twice(world: World) -> None:
    """A record has the documented names, each value by position, too, and marked credentials."""
    records = _records(world, "reqtype=MANAGEDB&object=tenant&action=list")
    assert (records[-1]["te_code"], records[-1]["2"]) == ("CLOSED2", "CLOSED2")
    assert (records[0]["te_disabled"], records[-1]["te_disabled"]) == ("", "on")
    assert records[-1]["te_apikey"].startswith(SECRET)


def test_json_is_compact_ascii(world: World) -> None:
    """JSON has no spaces after separators, and non-ASCII characters are escaped."""
    body = _body(world, "reqtype=MANAGEDB&object=tenant&action=list&format=json")
    assert '"te_name":"Bor\\u00e9al \\u00c9nergie"' in body
