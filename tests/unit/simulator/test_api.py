"""The truth and the answers, compared value by value through HTTP."""

import json
import re
from typing import Any

import aiohttp
import pytest

from exporter.simulator.server import RunningSimulator
from exporter.simulator.truth import truth

_ADMIN = "demo-admin"


async def _ask(session: aiohttp.ClientSession, simulator: RunningSimulator, **parameters: str) -> str:
    async with session.get(simulator.url, params={"key": _ADMIN, **parameters}) as response:
        assert response.status == 200
        wanted = "application/json" if parameters.get("format") == "json" else "text/html; charset=UTF-8"
        assert response.headers["Content-Type"] == wanted
        return (await response.read()).decode()


def _counts(body: str, form: str) -> dict[str, int]:
    if form == "json":
        counts: dict[str, int] = json.loads(body)
        return counts
    assert body.endswith("|")
    return {name: int(count) for name, count in (pair.split(":") for pair in body[:-1].split("|"))}


def _records(body: str, form: str, columns: dict[str, str]) -> list[dict[str, Any]]:
    """Read a list; ``columns`` maps JSON names to those of the plain header."""
    if form == "json":
        return [{name: record[name] for name in columns} for record in json.loads(body)]
    header, *rows = body.removesuffix("\n").split("\n")
    names = header.split("|")
    return [{name: row.split("|")[names.index(column)] for name, column in columns.items()} for row in rows]


@pytest.fixture
def told(simulator: RunningSimulator) -> dict[str, Any]:
    """Tell the truth of a world in which something is out of the ordinary, and time stands still."""
    world = simulator.parts.world
    world.overrides.drop_registrations(0.25)
    world.overrides.set_node_present("pbx3", present=False)
    world.overrides.set_calls("ACME", 0)
    world.overrides.set_calls("BOREAL", 9)
    world.overrides.set_balance("BOREAL", -12.5, world.moment())
    world.overrides.set_license_days(-4, world.moment())
    world.overrides.set_disabled("CINDER", disabled=True)
    return truth(world)


@pytest.fixture(params=["plain", "json"])
def form(request: pytest.FixtureRequest) -> str:
    """Choose the format that is asked for."""
    chosen: str = request.param
    return chosen


@pytest.mark.parametrize(("reqtype", "figure"), [("COUNTPEERS", "peers"), ("COUNTCHANNELS", "channels")])
async def test_counts_are_true(
    simulator: RunningSimulator,
    session: aiohttp.ClientSession,
    told: dict[str, Any],
    form: str,
    reqtype: str,
    figure: str,
) -> None:
    """Peers and channels by node, and their total, are the truth for the whole and for every tenant."""
    whole = _counts(await _ask(session, simulator, reqtype=reqtype, format=form), form)
    assert whole.pop("Total") == told["switch"][figure]
    assert whole == {node: counts[figure] for node, counts in told["switch"]["nodes"].items()}
    for code, tenant in told["tenants"].items():
        counts = _counts(await _ask(session, simulator, reqtype=reqtype, format=form, tenant=code), form)
        assert counts.pop("Total") == tenant[figure]
        assert counts == {node: of_node[figure] for node, of_node in tenant["nodes"].items()}


async def test_channels_of_one_node_are_true(
    simulator: RunningSimulator, session: aiohttp.ClientSession, told: dict[str, Any], form: str
) -> None:
    """COUNTCHANNELS for a node gives that node's figure of the truth."""
    for node, counts in told["switch"]["nodes"].items():
        body = await _ask(session, simulator, reqtype="COUNTCHANNELS", nodename=node, format=form)
        assert _counts(body, form)[node] == counts["channels"]


async def test_calls_are_true(
    simulator: RunningSimulator, session: aiohttp.ClientSession, told: dict[str, Any], form: str
) -> None:
    """COUNTCALLS gives the calls of the truth, and no body where there are none."""
    body = await _ask(session, simulator, reqtype="COUNTCALLS", format=form)
    assert int(body) == told["switch"]["calls"]
    for code, tenant in told["tenants"].items():
        body = await _ask(session, simulator, reqtype="COUNTCALLS", tenant=code, format=form)
        assert (int(body) if body else 0) == tenant["calls"]
        assert (body == "") == (tenant["calls"] == 0)


async def test_the_license_is_true(
    simulator: RunningSimulator, session: aiohttp.ClientSession, told: dict[str, Any], form: str
) -> None:
    """LICENSEDAYS gives the days of the truth."""
    assert int(await _ask(session, simulator, reqtype="LICENSEDAYS", format=form)) == -4
    assert told["switch"]["license_days"] == -4


async def test_credit_and_limits_are_true(
    simulator: RunningSimulator, session: aiohttp.ClientSession, told: dict[str, Any], form: str
) -> None:
    """INFO balance and INFO config give every tenant's figures of the truth, to the last digit."""
    for code, tenant in told["tenants"].items():
        balance = await _ask(session, simulator, reqtype="INFO", info="balance", tenant=code, format=form)
        assert float(balance) == tenant["balance"]
        limits = await _ask(session, simulator, reqtype="INFO", info="config", tenant=code, format=form)
        most = json.loads(limits)["maxchannels"] if form == "json" else limits.split("|")[0]
        assert int(most) == tenant["max_channels"]


async def test_registrations_are_true_from_every_source(
    simulator: RunningSimulator, session: aiohttp.ClientSession, told: dict[str, Any], form: str
) -> None:
    """INFO regstate, INFO extensions and CHANSIPPEERS agree with the truth about every extension."""
    columns = {"Name": "Name", "Status": "Status", "node": "node"}
    everyone = _records(await _ask(session, simulator, reqtype="CHANSIPPEERS", format=form), form, columns)
    status = {record["Name"].split("/")[0]: record["Status"] for record in everyone}
    for code, tenant in told["tenants"].items():
        info = {"reqtype": "INFO", "tenant": code, "format": form}
        body = await _ask(session, simulator, info="extensions", **info)
        listed = _records(body, form, {"ex_number": "Number", "st_state": "State"})
        assert {record["ex_number"]: record["st_state"] != "UNAVAILABLE" for record in listed} == tenant[
            "extensions"
        ]
        for number, registered in tenant["extensions"].items():
            word = await _ask(session, simulator, info="regstate", ext=number, **info)
            assert word.strip('"') == ("Registered" if registered else "Unregistered")
            # Peers of a node that is gone, and of a disabled tenant, are in no list.
            is_fine = re.match(r"OK|LAGGED", status.get(f"{number}-{code}", "missing")) is not None
            assert is_fine == registered


async def test_peers_of_a_tenant_are_its_part_of_all_peers(
    simulator: RunningSimulator, session: aiohttp.ClientSession, told: dict[str, Any]
) -> None:
    """CHANSIPPEERS of the tenants, one after the other, is CHANSIPPEERS of the whole."""
    whole = json.loads(await _ask(session, simulator, reqtype="CHANSIPPEERS", format="json"))
    parts: list[Any] = []
    for code in told["tenants"]:
        body = await _ask(session, simulator, reqtype="CHANSIPPEERS", tenant=code, format="json")
        parts += [] if body == "]" else json.loads(body)
    assert parts == whole


async def test_the_list_of_tenants_is_true(
    simulator: RunningSimulator, session: aiohttp.ClientSession, told: dict[str, Any], form: str
) -> None:
    """MANAGEDB lists exactly the tenants of the truth, with names and who is disabled."""
    columns = {name: name for name in ("te_code", "te_name", "te_disabled")}
    body = await _ask(session, simulator, reqtype="MANAGEDB", object="tenant", action="list", format=form)
    assert _records(body, form, columns) == [
        {"te_code": code, "te_name": tenant["name"], "te_disabled": "on" if tenant["disabled"] else ""}
        for code, tenant in told["tenants"].items()
    ]


async def test_keys_decide(simulator: RunningSimulator, session: aiohttp.ClientSession) -> None:
    """A tenant key gives its tenant's figures; a wrong one is refused, with HTTP 200."""
    own = await _ask(
        session, simulator, reqtype="INFO", info="balance", tenant="ACME", key="demo-tenant-ACME"
    )
    assert float(own) == simulator.parts.world.balance(
        simulator.parts.world.all_tenants[0], simulator.parts.world.moment()
    )
    for form in ("plain", "json"):
        refused = await _ask(session, simulator, reqtype="COUNTPEERS", key="wrong", format=form)
        assert refused == "Too bad... you mistaken the security api key.\n"


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("GET", "reqtype=REBOOT&peer=ALL"),
        ("GET", "reqtype=BALANCE&tenant=ACME&amount=5"),
        ("GET", "reqtype=COUNTPEERS&cache=no"),
        ("GET", "reqtype=COUNTPEERS&tenant=ACME&tenant=FJORD"),
        ("GET", "reqtype=COUNTPEERS&password=hunter2"),
        ("GET", ""),
        ("POST", "reqtype=COUNTPEERS"),
        ("HEAD", "reqtype=COUNTPEERS"),
        ("PUT", "reqtype=COUNTPEERS"),
    ],
)
async def test_forbidden_requests_are_loud(
    simulator: RunningSimulator,
    session: aiohttp.ClientSession,
    announced: list[str],
    caplog: pytest.LogCaptureFixture,
    method: str,
    query: str,
) -> None:
    """They get HTTP 403, an ERROR in the log, a line said aloud, a place in the journal, and no key."""
    async with session.request(method, f"{simulator.url}?{query}&key={_ADMIN}") as response:
        assert response.status == 403
        body = await response.text()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert len(announced) == len(simulator.parts.journal.forbidden) == 1
    everything = body + caplog.text + announced[0] + json.dumps(simulator.parts.journal.forbidden)
    assert _ADMIN not in everything
    assert "hunter2" not in everything


async def test_the_journal_tells_what_became_of_requests(
    simulator: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    """Each request is written down with the kind of its key and its outcome."""
    await _ask(session, simulator, reqtype="LICENSEDAYS")
    await _ask(session, simulator, reqtype="LICENSEDAYS", key="demo-tenant-ACME", tenant="ACME")
    entries = simulator.parts.journal.since(0)
    assert [(entry.key, entry.outcome) for entry in entries] == [("admin", "answered"), ("tenant", "refused")]
    assert entries[1].parameters == {"reqtype": "LICENSEDAYS", "tenant": "ACME"}
