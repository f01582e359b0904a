import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from random import Random

import aiohttp
import pytest

from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.server import RunningSimulator

InFlight = Callable[[RunningSimulator, int], Awaitable[None]]
_CUT = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)


async def _license(session: aiohttp.ClientSession, simulator: RunningSimulator) -> tuple[int, str, bytes]:
    parameters = {"reqtype": "LICENSEDAYS", "key": "demo-admin", "format": "json"}
    async with session.get(simulator.url, params=parameters, allow_redirects=False) as response:
        return response.status, response.headers.get("Content-Type", ""), await response.read()


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "body"),
    [
        (Fault(FaultKind.REFUSE_KEY), 200, "json", b"Too bad... you mistaken the security api key.\n"),
        (Fault(FaultKind.SENTENCE, text="No id specified"), 200, "json", b"No id specified"),
        (Fault(FaultKind.BODY, text="{\u00e9"), 200, "json", "{\u00e9".encode()),
        (Fault(FaultKind.EMPTY), 200, "json", b""),
        (Fault(FaultKind.TRUNCATE), 200, "json", b"4"),
        (Fault(FaultKind.GARBAGE, size=16), 200, "json", Random(5).randbytes(16)),  # noqa: S311 - the seed's garbage
        (Fault(FaultKind.STATUS, status=503), 503, "html", b"<h1>503</h1>\n"),
        (Fault(FaultKind.DRIP, seconds=0), 200, "json", b"45"),
        (Fault(FaultKind.SLOW, seconds=0), 200, "json", b"45"),
    ],
)
async def test_a_fault_changes_the_answer(
    simulator: RunningSimulator,
    session: aiohttp.ClientSession,
    fault: Fault,
    status: int,
    content_type: str,
    body: bytes,
) -> None:
    """Each of these kinds gives its status, type and body, and is the outcome in the journal."""
    simulator.parts.faults.random.seed(5)
    simulator.parts.faults.random.random = lambda: 0.0  # type: ignore[method-assign]  # leaves the seed to the garbage
    simulator.parts.faults.add(fault)
    got = await _license(session, simulator)
    assert (got[0], got[2]) == (status, body)
    assert content_type in got[1]
    assert simulator.parts.journal.since(0)[0].outcome == f"fault {fault.kind}"


async def test_a_login_page_is_html_whatever_was_asked(
    simulator: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    """The page is HTML by type and by body."""
    simulator.parts.faults.add(Fault(FaultKind.HTML))
    status, content_type, body = await _license(session, simulator)
    assert (status, content_type) == (200, "text/html; charset=UTF-8")
    assert b"<form" in body


async def test_a_warning_stands_before_the_truth(
    simulator: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    """The true value follows the warning."""
    simulator.parts.faults.add(Fault(FaultKind.PHP_WARNING))
    _, _, body = await _license(session, simulator)
    assert body.startswith(b"<br />\n<b>Warning</b>")
    assert body.endswith(b"<br />\n45")


async def test_a_redirect_leads_elsewhere(
    simulator: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    """It is a 302 with the location that was given."""
    simulator.parts.faults.add(Fault(FaultKind.REDIRECT, location="http://127.0.0.1:1/"))
    parameters = {"reqtype": "LICENSEDAYS", "key": "demo-admin"}
    async with session.get(simulator.url, params=parameters, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "http://127.0.0.1:1/")


# aiohttp's client asks again by itself, once, when a connection is reset before the headers (seen, 3.14.5).
@pytest.mark.parametrize(("kind", "limit"), [(FaultKind.RESET, 2), (FaultKind.RESET_MIDWAY, 1)])
async def test_a_connection_is_reset(
    simulator: RunningSimulator, session: aiohttp.ClientSession, kind: FaultKind, limit: int
) -> None:
    """The client sees a broken connection, and the next request succeeds once the limit is used up."""
    simulator.parts.faults.add(Fault(kind, limit=limit))
    with pytest.raises(_CUT):
        await _license(session, simulator)
    assert (await _license(session, simulator))[2] == b"45"


async def test_a_reset_is_a_reset(simulator: RunningSimulator) -> None:
    """What arrives is RST, not a polite end of the connection."""
    simulator.parts.faults.add(Fault(FaultKind.RESET))
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(b"GET /pbx/proxyapi.php?reqtype=LICENSEDAYS&key=demo-admin HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_a_hanging_request_ends_with_its_client(
    simulator: RunningSimulator, session: aiohttp.ClientSession, in_flight: InFlight
) -> None:
    """It never answers, and is over on the switch's side, too, when the client gives up."""
    simulator.parts.faults.add(Fault(FaultKind.HANG))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await _license(session, simulator)
    await in_flight(simulator, 0)
    assert simulator.parts.journal.since(0)[0].outcome == "fault hang"


async def test_a_slow_answer_is_late_by_its_seconds(
    simulator: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    """The true answer comes, and not before its time."""
    simulator.parts.faults.add(Fault(FaultKind.SLOW, seconds=0.3))
    begun = time.monotonic()
    assert (await _license(session, simulator))[2] == b"45"
    assert time.monotonic() - begun >= 0.3


async def test_a_dripping_answer_comes_byte_by_byte(
    simulator: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    """Two bytes take two pauses, and the headers do not wait for them."""
    simulator.parts.faults.add(Fault(FaultKind.DRIP, seconds=0.2))
    begun = time.monotonic()
    parameters = {"reqtype": "LICENSEDAYS", "key": "demo-admin"}
    async with session.get(simulator.url, params=parameters) as response:
        assert time.monotonic() - begun < 0.2
        chunks = [chunk async for chunk in response.content.iter_any()]
    assert chunks == [b"4", b"5"]


async def test_an_endless_answer_ends_when_the_client_stops(
    simulator: RunningSimulator, session: aiohttp.ClientSession, in_flight: InFlight
) -> None:
    """Megabytes come and go on coming; when the client leaves, the switch stops."""
    simulator.parts.faults.add(Fault(FaultKind.ENDLESS, limit=1))
    parameters = {"reqtype": "COUNTPEERS", "key": "demo-admin"}
    async with session.get(simulator.url, params=parameters) as response:
        assert len(await response.content.readexactly(3_000_000)) == 3_000_000
        response.close()
    await in_flight(simulator, 0)
    assert (await _license(session, simulator))[2] == b"45"


async def test_a_truncated_list_is_broken_json(
    simulator: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    """Half of a list arrives as if it were all, with a matching length."""
    simulator.parts.faults.add(Fault(FaultKind.TRUNCATE))
    parameters = {"reqtype": "COUNTPEERS", "key": "demo-admin", "format": "json"}
    async with session.get(simulator.url, params=parameters) as response:
        body = await response.read()
        assert response.content_length == len(body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


@pytest.mark.parametrize("kind", list(FaultKind))
async def test_a_fault_leaves_forbidden_requests_forbidden(
    simulator: RunningSimulator, session: aiohttp.ClientSession, kind: FaultKind
) -> None:
    """No fault hides that a request must not have been sent."""
    simulator.parts.faults.add(Fault(kind))
    async with session.get(simulator.url, params={"reqtype": "REBOOT", "key": "demo-admin"}) as response:
        assert response.status == 403
