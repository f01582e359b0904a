import json

import pytest

from exporter.simulator.wire import SECRET
from exporter.simulator.world import Size, World
from tests.unit.simulator.bodies import body, in_json


def test_counts_contain_every_node_and_the_total(world: World) -> None:
    """COUNTPEERS lists every node, even with 0 peers, and the total; its name is an option."""
    query = "reqtype=COUNTPEERS&tenant=CLOSED2"
    assert body(world, query) == "pbx1:0|pbx2:0|pbx3:0|Total:0|"
    assert body(world, query, total_name="All nodes") == "pbx1:0|pbx2:0|pbx3:0|All nodes:0|"
    assert body(world, query, total_name="") == "pbx1:0|pbx2:0|pbx3:0|"


def test_channels_per_node_or_as_one_number(world: World) -> None:
    """COUNTCHANNELS has the selected shape; ``nodename`` restricts both shapes to one node."""
    world.overrides.set_calls("ACME", 40)
    channels = world.whole(world.moment()).channels
    total, second = sum(channels.values()), channels["pbx2"]
    assert json.loads(body(world, "reqtype=COUNTCHANNELS&format=json")) == {**channels, "Total": total}
    assert body(world, "reqtype=COUNTCHANNELS", channels="total") == str(total)
    assert body(world, "reqtype=COUNTCHANNELS&nodename=pbx2", channels="total") == str(second)
    assert body(world, "reqtype=COUNTCHANNELS&nodename=pbx2") == f"pbx2:{second}|Total:{second}|"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("reqtype=COUNTCHANNELS&nodename=pbx9", "\r\n"),
        ("reqtype=INFO&info=regstate&tenant=ACME&ext=999", "\r\n"),
        *(
            (f"reqtype=INFO&info={info}", "No tenant specified")
            for info in ("balance", "extensions", "config")
        ),
        ("reqtype=PEERS", "No tenant specified"),
        ("reqtype=BLFS", "No tenant specified"),
        ("reqtype=INFO&info=regstate", "No tenant specified"),
        ("reqtype=INFO&info=regstate&tenant=ACME&id=101", "No ext specified"),
    ],
)
def test_requests_without_a_result(world: World, query: str, expected: str) -> None:
    """An unknown node or extension gives a line break, a missing parameter a sentence."""
    assert body(world, query) == expected


@pytest.mark.parametrize("form", ["plain", "json"])
def test_values_have_the_same_bytes_in_both_formats(world: World, form: str) -> None:
    """COUNTCALLS is empty without calls and a number otherwise; a balance has four decimals."""
    world.overrides.set_balance("ACME", -7.5, world.moment())
    for calls, expected in ((0, ""), (1, "1")):
        world.overrides.set_calls("ACME", calls)
        assert body(world, f"reqtype=COUNTCALLS&tenant=ACME&format={form}") == expected
    assert body(world, f"reqtype=INFO&info=balance&tenant=ACME&format={form}") == "-7.5000"


def test_the_license_is_a_number_or_a_sentence(world: World) -> None:
    """LICENSEDAYS is a bare number, or a sentence with that number only."""
    world.overrides.set_license_days(-3, world.moment())
    assert body(world, "reqtype=LICENSEDAYS") == "-3"
    assert body(world, "reqtype=LICENSEDAYS", license="sentence") == "The license expires in -3 days"


@pytest.mark.parametrize("parameter", ["ext", "id", "number"])
def test_regstate_options(world: World, parameter: str) -> None:
    """The parameter, the words and the JSON shape of INFO regstate are options."""
    query = f"reqtype=INFO&info=regstate&tenant=ACME&{parameter}=101"
    options = {"regstate_parameter": parameter, "registered_word": "Online", "unregistered_word": "Offline"}
    assert body(world, query, **options) == "Online"
    world.overrides.drop_registrations(1)
    assert body(world, query, **options) == "Offline"
    assert body(world, f"{query}&format=json", **options) == '"Offline"'
    as_object = body(world, f"{query}&format=json", regstate_json="object", **options)
    assert as_object == '{"extension":"101","state":"Offline"}'


def test_limits_are_positional_in_plain_and_repeated_in_json(world: World) -> None:
    """INFO config has seven numbers in plain; in JSON three names, with string values, each twice."""
    world.overrides.set_max_channels("ACME", -1)
    query = "reqtype=INFO&info=config&tenant=ACME"
    assert body(world, query) == "-1|15|10|-1|5|-1|0|"
    record = json.loads(body(world, f"{query}&format=json"))
    assert record["maxchannels"] == record["0"] == "-1"
    assert len(record) == 6


def test_empty_lists() -> None:
    """An empty JSON list is a single ``]``; an empty plain list is its header."""
    world = World(Size(tenants=1, extensions=0))
    query = "reqtype=INFO&info=extensions&tenant=ACME"
    assert body(world, f"{query}&format=json") == "]"
    assert body(world, query) == "Number|Name|Tech|State|Username|Password\n"
    assert body(world, "reqtype=CHANSIPPEERS&format=json") == "]"


def test_tenants_are_listed_with_every_value_twice(world: World) -> None:
    """A record has the documented names, each value by position, too, and marked credentials."""
    records = in_json(world, "reqtype=MANAGEDB&object=tenant&action=list")
    assert (records[-1]["te_code"], records[-1]["2"]) == ("CLOSED2", "CLOSED2")
    assert (records[0]["te_disabled"], records[-1]["te_disabled"]) == ("", "on")
    assert records[-1]["te_apikey"].startswith(SECRET)


def test_json_is_compact_ascii(world: World) -> None:
    """JSON has no spaces after separators, and non-ASCII characters are escaped."""
    listed = body(world, "reqtype=MANAGEDB&object=tenant&action=list&format=json")
    assert '"te_name":"Bor\\u00e9al \\u00c9nergie"' in listed


def test_tenants_without_a_code(world: World) -> None:
    """The list can lack ``te_code``, in both formats; the name then identifies a tenant."""
    query = "reqtype=MANAGEDB&object=tenant&action=list"
    assert "te_code" not in in_json(world, query, tenant_codes=False)[0]
    assert body(world, query, tenant_codes=False).startswith(
        "te_id|te_name|te_disabled\n1|Acme Tools, Ltd.|\n"
    )
    by_name = body(world, "reqtype=INFO&info=balance&tenant=Acme Tools, Ltd.")
    assert by_name == body(world, "reqtype=INFO&info=balance&tenant=ACME")


def test_tenants_keyed_by_id(world: World) -> None:
    """The list can be an object from id to record; without tenants it is null."""
    query = "reqtype=MANAGEDB&object=tenant&action=list"
    listed = in_json(world, query, tenants_json="object")
    assert [(number, record["te_id"]) for number, record in listed.items()] == [
        (str(number), str(number)) for number in range(1, 10)
    ]
    assert list(listed.values()) == in_json(world, query)
    for tenant in world.all_tenants:
        world.overrides.set_tenant_present(tenant.code, present=False)
    assert in_json(world, query, tenants_json="object") is None


def test_words_for_disabled_tenants(world: World) -> None:
    """``te_disabled`` of enabled and disabled tenants are options."""
    query = "reqtype=MANAGEDB&object=tenant&action=list"
    listed = in_json(world, query, enabled_word="N", disabled_word="Y")
    assert [record["te_disabled"] for record in listed] == ["N"] * 7 + ["Y"] * 2
