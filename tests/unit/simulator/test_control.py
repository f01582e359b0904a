from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from exporter.simulator import control
from exporter.simulator.parts import PARTS
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
