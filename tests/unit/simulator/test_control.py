from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from exporter.simulator import control
from exporter.simulator.overrides import AddedCalls
from exporter.simulator.server import RunningSimulator, create_application
from exporter.simulator.truth import truth
from exporter.simulator.world import World

Control = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def send(simulator: RunningSimulator, session: aiohttp.ClientSession) -> Control:
    """Return a function that sends a request to the control interface, and returns status and document."""

    async def send(method: str, path: str, document: Any = None) -> tuple[int, Any]:
        url = f"{simulator.base_url}/simulator/{path}"
        async with session.request(method, url, json=document) as response:
            return response.status, await response.json()

    return send


async def test_the_true_state(simulator: RunningSimulator, send: Control) -> None:
    """It is available for all tenants, for one tenant and without extensions; an unknown tenant is 404."""
    world = simulator.parts.world
    for path, expected in {
        "truth": truth(world),
        "truth?tenant=ACME": truth(world, code="ACME"),
        "truth?extensions=no": truth(world, extensions=False),
    }.items():
        assert await send("GET", path) == (200, expected)
    assert (await send("GET", "truth?tenant=NOBODY"))[0] == 404
    _, acme = await send("GET", "truth?tenant=ACME&extensions=no")
    assert list(acme["tenants"]) == ["ACME"]
    assert "extensions" not in acme["tenants"]["ACME"]
    assert acme["switch"]["tenants"] == 7  # without disabled ones


async def test_calls_of_a_period(simulator: RunningSimulator, send: Control) -> None:
    """Calls are counted by tenant, direction and disposition; a period that is invalid or too long is 400."""
    world = simulator.parts.world
    world.overrides.add_calls(AddedCalls("ACME", 1_790_000_000.0, 7, duration=5))
    status, document = await send("GET", "calls?start=1790000000&end=1790000001")
    assert (status, document["start"], document["end"]) == (200, 1_790_000_000, 1_790_000_001)
    assert document["tenants"].keys() == {tenant.code for tenant in world.all_tenants}
    answered = {"direction": "OUT", "disposition": "ANSWERED", "calls": 7, "seconds": 35}
    assert answered in document["tenants"]["ACME"]
    _, newest = await send("GET", "calls")
    assert newest["end"] - newest["start"] == 300
    for query in ("start=x", "start=5&end=4", "start=0&end=86401", "start=nan"):
        assert (await send("GET", f"calls?{query}"))[0] == 400


async def test_requests_are_listed(
    simulator: RunningSimulator, session: aiohttp.ClientSession, send: Control
) -> None:
    """The list has parameters without the key, counts, and the number to resume at."""
    for reqtype in ("LICENSEDAYS", "COUNTCALLS", "REBOOT"):
        await session.get(simulator.url, params={"reqtype": reqtype, "key": "demo-admin"})
    _, listed = await send("GET", "requests")
    assert [entry["parameters"] for entry in listed["requests"]] == [
        {"reqtype": "LICENSEDAYS"},
        {"reqtype": "COUNTCALLS"},
        {"reqtype": "REBOOT"},
    ]
    assert listed["counts"]["by_outcome"] == {"answered": 2, "forbidden": 1}
    assert len(listed["forbidden"]) == 1
    assert listed["next"] == 3
    assert "demo-admin" not in str(listed)
    _, rest = await send("GET", "requests?since=1&limit=1")
    assert ([entry["number"] for entry in rest["requests"]], rest["next"]) == ([1], 2)
    assert (await send("GET", "requests?since=x"))[0] == 400


async def test_faults_are_added_listed_and_removed(send: Control) -> None:
    """A rule is listed as it was sent, and removed by its number or with all others."""
    rule = {"kind": "status", "status": 502, "tenant": "ACME", "probability": 1.0}
    assert await send("POST", "faults", rule) == (200, {"number": 1})
    assert await send("POST", "faults", {"kind": "hang"}) == (200, {"number": 2})
    _, listed = await send("GET", "faults")
    assert listed["faults"][0] == {"number": 1, "used": 0, **rule}
    _, rest = await send("DELETE", "faults?number=1")
    assert [fault["number"] for fault in rest["faults"]] == [2]
    assert (await send("DELETE", "faults?number=1"))[0] == 404
    assert await send("DELETE", "faults") == (200, {"faults": []})


async def test_the_world_is_changed_and_restored(simulator: RunningSimulator, send: Control) -> None:
    """Changes and their undoing apply at once; the response has the simulated time."""
    before = truth(simulator.parts.world)
    status, clock = await send("POST", "world", {"nodes": {"pbx1": False}})
    assert (status, clock) == (200, {"moment": 32400.0, "frozen": True, "speed": 1.0})
    assert simulator.parts.world.nodes() == ["pbx2", "pbx3"]
    await send("DELETE", "world")
    assert truth(simulator.parts.world) == before


@pytest.mark.parametrize("path", ["world", "faults"])
@pytest.mark.parametrize("body", ["", "{", "[]", '{"kind": "x"}', "\ud83d".encode("utf-16", "surrogatepass")])
async def test_invalid_documents_are_rejected(
    simulator: RunningSimulator, session: aiohttp.ClientSession, path: str, body: str | bytes
) -> None:
    """Anything but a valid change or rule is 400 with the reason."""
    async with session.post(f"{simulator.base_url}/simulator/{path}", data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]


@pytest.mark.parametrize(
    ("remote", "allowed", "accepted"),
    [
        ("127.0.0.1", False, True),
        ("127.9.9.9", False, True),
        ("::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("192.0.2.1", False, False),
        ("::ffff:192.0.2.1", False, False),
        ("", False, False),
        (None, False, False),
        ("192.0.2.1", True, True),
    ],
)
async def test_control_is_for_this_machine(
    world: World,
    remote: str | None,
    allowed: bool,  # noqa: FBT001 - a table
    accepted: bool,  # noqa: FBT001 - a table
) -> None:
    """Every route rejects clients of other machines, unless remote control is allowed."""
    application = create_application(world, allow_remote_control=allowed)
    for route in control.routes():
        request = make_mocked_request(route.method, route.path, app=application).clone(remote=remote)  # type: ignore[arg-type]  # a closed transport has None
        response = await route.handler(request)
        assert isinstance(response, web.Response)
        assert (response.status != 403) is accepted


@pytest.mark.parametrize(
    ("path", "document", "reasons"),
    [
        (
            "world",
            {"freeze": 1, "colour": 1, "tenants": {"ACME": {"calls": -1}}},
            ["freeze: ", "tenants.ACME.calls: ", "colour: "],
        ),
        (
            "world",
            {"nodes": {"pbx9": True}, "trunks": {"x": True}, "tenants": {"X": {}}},
            ["nodes.pbx9: ", "trunks.x: ", "tenants.X: "],
        ),
        (
            "world",
            {"tenants": {"ACME": {"queues": {"1": {}, "1000": {}}}}},
            ["tenants.ACME.queues.1: there is no such queue"],
        ),
        (
            "faults",
            {"kind": "explode", "probability": 2, "colour": "red"},
            ["kind: ", "probability: ", "colour: "],
        ),
        ("faults", {"kind": "hang", "key": "stolen", "limit": 0}, ["key: ", "limit: "]),
    ],
)
async def test_all_errors_are_reported_together(
    send: Control, path: str, document: object, reasons: list[str]
) -> None:
    """One response with status 400 has every error with its path."""
    status, answer = await send("POST", path, document)
    assert status == 400
    assert [
        problem[: len(reason)] for problem, reason in zip(answer["error"].split("; "), reasons, strict=True)
    ] == reasons
