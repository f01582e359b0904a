import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator import control
from exporter.simulator.api import PARTS
from exporter.simulator.control import apply_changes
from exporter.simulator.server import RunningSimulator, create_application
from exporter.simulator.truth import truth
from exporter.simulator.world import World


async def _control(
    session: aiohttp.ClientSession, simulator: RunningSimulator, method: str, path: str, document: Any = None
) -> tuple[int, Any]:
    async with session.request(method, f"{simulator.base_url}/simulator/{path}", json=document) as response:
        return response.status, await response.json()


async def test_the_truth_is_told(simulator: RunningSimulator, session: aiohttp.ClientSession) -> None:
    """All of it, or of one tenant, or without extensions; an unknown tenant is 404."""
    world = simulator.parts.world
    assert await _control(session, simulator, "GET", "truth") == (200, truth(world))
    assert await _control(session, simulator, "GET", "truth?tenant=ACME") == (200, truth(world, code="ACME"))
    short = await _control(session, simulator, "GET", "truth?extensions=no")
    assert short == (200, truth(world, extensions=False))
    assert (await _control(session, simulator, "GET", "truth?tenant=NOBODY"))[0] == 404


async def test_requests_can_be_read_on(simulator: RunningSimulator, session: aiohttp.ClientSession) -> None:
    """The log holds what was asked without the key, from a number on, with counts and where to go on."""
    for reqtype in ("LICENSEDAYS", "COUNTCALLS", "REBOOT"):
        await session.get(simulator.url, params={"reqtype": reqtype, "key": "demo-admin"})
    _, everything = await _control(session, simulator, "GET", "requests")
    assert [entry["parameters"] for entry in everything["requests"]] == [
        {"reqtype": "LICENSEDAYS"},
        {"reqtype": "COUNTCALLS"},
        {"reqtype": "REBOOT"},
    ]
    assert everything["counts"]["by_outcome"] == {"answered": 2, "forbidden": 1}
    assert len(everything["forbidden"]) == 1
    assert everything["next"] == 3
    _, rest = await _control(session, simulator, "GET", "requests?since=1&limit=1")
    assert ([entry["number"] for entry in rest["requests"]], rest["next"]) == ([1], 2)
    assert (await _control(session, simulator, "GET", "requests?since=x"))[0] == 400
    assert "demo-admin" not in str(everything)


async def test_faults_come_and_go(simulator: RunningSimulator, session: aiohttp.ClientSession) -> None:
    """A rule is added, listed, removed by its number, and all of them at once."""
    rule = {"kind": "status", "status": 502, "tenant": "ACME", "probability": 1.0}
    assert await _control(session, simulator, "POST", "faults", rule) == (200, {"number": 1})
    assert await _control(session, simulator, "POST", "faults", {"kind": "hang"}) == (200, {"number": 2})
    _, listed = await _control(session, simulator, "GET", "faults")
    assert listed["faults"][0] == {"number": 1, "used": 0, **rule}
    _, rest = await _control(session, simulator, "DELETE", "faults?number=1")
    assert [fault["number"] for fault in rest["faults"]] == [2]
    assert (await _control(session, simulator, "DELETE", "faults?number=1"))[0] == 404
    assert await _control(session, simulator, "DELETE", "faults") == (200, {"faults": []})


async def test_the_world_can_be_changed_and_restored(
    simulator: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    """A change is made at once and taken back at once; time is told with it."""
    before = truth(simulator.parts.world)
    status, clock = await _control(session, simulator, "POST", "world", {"nodes": {"pbx1": False}})
    assert (status, clock) == (200, {"moment": 32400.0, "frozen": True, "speed": 1.0})
    assert simulator.parts.world.nodes() == ["pbx2", "pbx3"]
    await _control(session, simulator, "DELETE", "world")
    assert truth(simulator.parts.world) == before


@pytest.mark.parametrize("path", ["world", "faults"])
@pytest.mark.parametrize("body", ["", "{", "[]", '{"kind": "x"}', "\ud83d".encode("utf-16", "surrogatepass")])
async def test_nonsense_is_refused(
    simulator: RunningSimulator, session: aiohttp.ClientSession, path: str, body: str | bytes
) -> None:
    """What is not JSON, or not a change or a rule, is 400 with the reason."""
    async with session.post(f"{simulator.base_url}/simulator/{path}", data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]


async def test_the_page_explains_it(simulator: RunningSimulator, session: aiohttp.ClientSession) -> None:
    """The first page is HTML and names the key and the port by which it was reached."""
    async with session.get(simulator.base_url) as response:
        page = await response.text()
        assert response.content_type == "text/html"
    assert "demo-admin" in page
    assert f"127.0.0.1:{simulator.port}/simulator/faults" in page


@pytest.mark.parametrize(
    ("remote", "allowed", "status"),
    [
        ("127.0.0.1", False, 200),
        ("127.9.9.9", False, 200),
        ("::1", False, 200),
        ("::ffff:127.0.0.1", False, 200),
        ("192.0.2.1", False, 403),
        ("::ffff:192.0.2.1", False, 403),
        ("", False, 403),
        (None, False, 403),
        ("192.0.2.1", True, 200),
    ],
)
async def test_only_this_machine_is_let_in(
    world: World,
    remote: str | None,
    allowed: bool,  # noqa: FBT001 - a parameter of the test
    status: int,
) -> None:
    """Control answers clients of this machine, and others only where that was allowed."""
    application = create_application(world, allow_remote_control=allowed)
    for route in control.routes():
        request = make_mocked_request(route.method, route.path, app=application).clone(remote=remote)  # type: ignore[arg-type]  # None is what a dead transport gives
        assert request.remote == remote
        assert application[PARTS].allow_remote_control is allowed
        response = await route.handler(request)
        assert isinstance(response, web.Response)
        assert (response.status == 403) == (status == 403)


def _apply(world: World, document: object) -> None:
    apply_changes(world, json.dumps(document))


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
        _apply(world, document)
    except ValueError:
        assert truth(world) == before
    else:
        truth(world)


def test_every_change_is_made(world: World) -> None:
    """Each member does what it says, in the truth that everybody reads."""
    _apply(
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
    _apply(world, {"tenants": {"ACME": {"balance": 5}}, "advance": 86400, "speed": 7, "freeze": True})
    assert world.balance(world.all_tenants[0], world.moment()) == 5
    assert (world.time.speed, world.time.frozen) == (7, True)


def test_phones_of_one_tenant_can_be_dropped(world: World) -> None:
    """A share for a tenant leaves the phones of the others alone."""
    _apply(world, {"tenants": {"ACME": {"dropped": 1}}})
    moment = world.moment()
    assert not any(world.phones.registrations(world.all_tenants[0], moment))
    assert any(world.phones.registrations(world.all_tenants[1], moment))


@pytest.mark.parametrize(
    ("path", "document", "reasons"),
    [
        (
            "world",
            {"freeze": 1, "colour": 1, "tenants": {"ACME": {"calls": -1}}},
            ["freeze: ", "tenants.ACME.calls: ", "colour: "],
        ),
        ("world", {"nodes": {"pbx9": True}, "tenants": {"X": {}}}, ["nodes.pbx9: ", "tenants.X: "]),
        (
            "faults",
            {"kind": "explode", "probability": 2, "colour": "red"},
            ["kind: ", "probability: ", "colour: "],
        ),
        ("faults", {"kind": "hang", "key": "stolen", "limit": 0}, ["key: ", "limit: "]),
    ],
)
async def test_all_errors_are_reported_together(
    simulator: RunningSimulator,
    session: aiohttp.ClientSession,
    path: str,
    document: object,
    reasons: list[str],
) -> None:
    """One answer with status 400 names each mistake by its path."""
    status, answer = await _control(session, simulator, "POST", path, document)
    assert status == 400
    assert [
        problem[: len(reason)] for problem, reason in zip(answer["error"].split("; "), reasons, strict=True)
    ] == reasons
