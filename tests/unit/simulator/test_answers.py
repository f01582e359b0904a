import json
from typing import Any

import pytest

from exporter.simulator import answers
from exporter.simulator.asked import read
from exporter.simulator.options import Options
from exporter.simulator.world import World


def _body(world: World, query: str, **options: Any) -> str:
    pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&"))]
    return answers.body(world, Options(**options), read("GET", pairs))


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
