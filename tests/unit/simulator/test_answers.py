import json
from typing import Any

import pytest

from exporter.simulator import answers
from exporter.simulator.answers import (
    SECRET,
    as_json,
    as_list,
    as_table,
    extension_json,
    extension_rows,
    peer_rows,
    tenant_json,
    tenant_row,
    with_positions,
)
from exporter.simulator.options import Options
from exporter.simulator.request import parse
from exporter.simulator.world import World


def _body(world: World, query: str, **options: Any) -> str:
    pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&"))]
    return answers.body(world, Options(**options), parse("GET", pairs))


def test_counts_name_every_node_and_the_total(world: World) -> None:
    """COUNTPEERS gives each node, also those with 0, and the total among them, in either format."""
    peers = world.figures(world.all_tenants[-1], world.moment()).peers
    assert set(peers.values()) == {0}
    assert _body(world, "reqtype=COUNTPEERS&tenant=CLOSED2") == "pbx1:0|pbx2:0|pbx3:0|Total:0|"
    whole = world.whole(world.moment()).peers
    told = json.loads(_body(world, "reqtype=COUNTPEERS&format=json"))
    assert told == {**whole, "Total": sum(whole.values())}


def test_the_total_can_have_another_name_or_none(world: World) -> None:
    """The total's name is an option, and so is its absence."""
    assert "All nodes:0|" in _body(world, "reqtype=COUNTPEERS&tenant=CLOSED2", total_name="All nodes")
    assert _body(world, "reqtype=COUNTPEERS&tenant=CLOSED2", total_name="") == "pbx1:0|pbx2:0|pbx3:0|"


def test_channels_by_node_or_as_one_number(world: World) -> None:
    """COUNTCHANNELS answers in the chosen shape, and ``nodename`` narrows it to one node in either."""
    world.overrides.set_calls("ACME", 40)
    channels = world.whole(world.moment()).channels
    total, second = sum(channels.values()), channels["pbx2"]
    assert json.loads(_body(world, "reqtype=COUNTCHANNELS&format=json")) == {**channels, "Total": total}
    assert _body(world, "reqtype=COUNTCHANNELS", channels="total") == str(total)
    assert _body(world, "reqtype=COUNTCHANNELS&nodename=pbx2", channels="total") == str(second)
    assert _body(world, "reqtype=COUNTCHANNELS&nodename=pbx2") == f"pbx2:{second}|Total:{second}|"


def test_an_unknown_node_is_white_space(world: World) -> None:
    """A look-up that finds nothing is answered by a line break and nothing else."""
    assert _body(world, "reqtype=COUNTCHANNELS&nodename=pbx9") == "\r\n"


@pytest.mark.parametrize("form", ["plain", "json"])
def test_idle_means_no_body_and_busy_means_a_number(world: World, form: str) -> None:
    """COUNTCALLS is empty where nothing runs, and only there."""
    query = f"reqtype=COUNTCALLS&tenant=ACME&format={form}"
    world.overrides.set_calls("ACME", 0)
    assert _body(world, query) == ""
    world.overrides.set_calls("ACME", 1)
    assert _body(world, query) == "1"


def test_the_license_may_be_wrapped_in_a_sentence(world: World) -> None:
    """LICENSEDAYS is a bare number, or a sentence with that number and no other."""
    world.overrides.set_license_days(-3, world.moment())
    assert _body(world, "reqtype=LICENSEDAYS") == "-3"
    assert _body(world, "reqtype=LICENSEDAYS", license="sentence") == "The license expires in -3 days"


def test_a_balance_is_the_same_bytes_in_either_format(world: World) -> None:
    """Credit is a bare decimal, also where JSON was asked for, and also below 0."""
    world.overrides.set_balance("ACME", -7.5, world.moment())
    for form in ("plain", "json"):
        assert _body(world, f"reqtype=INFO&info=balance&tenant=ACME&format={form}") == "-7.5000"


@pytest.mark.parametrize("parameter", ["ext", "id", "number"])
def test_regstate_takes_the_extension_from_one_parameter(world: World, parameter: str) -> None:
    """Only the chosen parameter names the extension; with another one the sentence names what is missing."""
    query = "reqtype=INFO&info=regstate&tenant=ACME&"
    other = "id" if parameter == "ext" else "ext"
    assert "egistered" in _body(world, f"{query}{parameter}=101", regstate_parameter=parameter)
    assert _body(world, f"{query}{other}=101", regstate_parameter=parameter) == f"No {parameter} specified"


def test_regstate_says_its_words_in_its_shape(world: World) -> None:
    """The words are options, and JSON is the word or an object that holds it."""
    query = "reqtype=INFO&info=regstate&tenant=ACME&ext=101"
    words = {"registered_word": "Online", "unregistered_word": "Offline"}
    world.overrides.drop_registrations(1)
    assert _body(world, query, **words) == "Offline"
    assert _body(world, f"{query}&format=json", **words) == '"Offline"'
    told = json.loads(_body(world, f"{query}&format=json", regstate_json="object", **words))
    assert told == {"extension": "101", "state": "Offline"}


def test_an_unknown_extension_is_white_space(world: World) -> None:
    """Nobody is registered as 999, and nobody says so."""
    assert _body(world, "reqtype=INFO&info=regstate&tenant=ACME&ext=999") == "\r\n"


def test_limits_are_positional_or_doubled(world: World) -> None:
    """INFO config has seven numbers in plain; in JSON three names, their values as strings and twice."""
    world.overrides.set_max_channels("ACME", -1)
    assert _body(world, "reqtype=INFO&info=config&tenant=ACME").split("|")[:-1][0] == "-1"
    assert len(_body(world, "reqtype=INFO&info=config&tenant=ACME").split("|")[:-1]) == 7
    told = json.loads(_body(world, "reqtype=INFO&info=config&tenant=ACME&format=json"))
    assert told["maxchannels"] == told["0"] == "-1"


def test_lists_without_records() -> None:
    """Where there is nothing to list, JSON is a lone bracket and plain a lone header."""
    world = World(tenants=1, extensions=0)
    query = "reqtype=INFO&info=extensions&tenant=ACME"
    assert _body(world, f"{query}&format=json") == "]"
    assert _body(world, query) == "Number|Name|Tech|State|Username|Password\n"
    assert _body(world, "reqtype=CHANSIPPEERS&format=json") == "]"


@pytest.mark.parametrize("info", ["balance", "extensions", "config", "regstate"])
def test_what_is_about_a_tenant_needs_one(world: World, info: str) -> None:
    """Without a tenant the answer is a sentence that names what is missing."""
    assert _body(world, f"reqtype=INFO&info={info}") == "No tenant specified"


def test_help_is_a_page(world: World) -> None:
    """HELP is HTML with a preformatted text."""
    assert "<pre>" in _body(world, "reqtype=HELP")


def test_the_content_type_follows_the_format() -> None:
    """Plain answers are HTML by their type, whatever they hold."""
    assert answers.content_type(json=True) == "application/json"
    assert answers.content_type(json=False) == "text/html; charset=UTF-8"


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


def test_json_is_compact_and_ascii() -> None:
    """No spaces, and letters beyond ASCII as escapes."""
    assert as_json({"name": "é", "n": 1}) == '{"name":"\\u00e9","n":1}'


def test_an_empty_list_loses_its_first_bracket() -> None:
    """An empty JSON list is the single byte that was seen (wire notes 2026-10); a full one is whole."""
    assert as_list([]) == "]"
    assert json.loads(as_list(["1", '{"a":2}'])) == [1, {"a": 2}]


def test_tables_have_a_header() -> None:
    """The first line names the columns, and each line ends with a newline."""
    assert as_table(("a", "b"), [(1, "x")]) == "a|b\n1|x\n"


def test_positions_double_every_value() -> None:
    """Every value is there twice, under its position and its name."""
    assert with_positions({"a": "x", "b": None}) == {"0": "x", "a": "x", "1": None, "b": None}
