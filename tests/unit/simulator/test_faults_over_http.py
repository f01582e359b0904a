import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from random import Random

import aiohttp
import pytest

from exporter.simulator.faults import Fault, FaultKind, Faults
from exporter.simulator.server import RunningSimulator
from tests.unit.simulator.conftest import Wait

_CUT = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)
_LICENSE = {"reqtype": "LICENSEDAYS", "key": "demo-admin", "format": "json"}


Ask = Callable[[], Awaitable[tuple[int, str, bytes]]]


@pytest.fixture
def faults(simulator: RunningSimulator) -> Faults:
    """Return the rules of the simulator."""
    return simulator.parts.faults


@pytest.fixture
def ask(simulator: RunningSimulator, session: aiohttp.ClientSession) -> Ask:
    """Return a function that requests the license, and returns status, content type and body."""

    async def ask() -> tuple[int, str, bytes]:
        async with session.get(simulator.url, params=_LICENSE, allow_redirects=False) as response:
            return response.status, response.headers.get("Content-Type", ""), await response.read()

    return ask


_TABLE: list[tuple[Fault, int, str, bytes]] = [
    (Fault(FaultKind.REFUSE_KEY), 200, "json", rb"Too bad\.\.\. you mistaken the security api key\.\n"),
    (Fault(FaultKind.SENTENCE, text="No id specified"), 200, "json", b"No id specified"),
    (Fault(FaultKind.BODY, text="\u00e9"), 200, "json", "\u00e9".encode()),
    (Fault(FaultKind.EMPTY), 200, "json", b""),
    (Fault(FaultKind.HTML), 200, "html", b"<!DOCTYPE html>.*<form.*"),
    (Fault(FaultKind.PHP_WARNING), 200, "json", b"<br />\n<b>Warning</b>.*<br />\n45"),
    (Fault(FaultKind.TRUNCATE), 200, "json", b"4"),
    (Fault(FaultKind.GARBAGE, size=16), 200, "json", re.escape(Random(5).randbytes(16))),  # noqa: S311 - the seed below
    (Fault(FaultKind.STATUS, status=503), 503, "html", b"<h1>503</h1>\n"),
    (Fault(FaultKind.DRIP, seconds=0), 200, "json", b"45"),
]
_OTHERS = {
    *(FaultKind.HANG, FaultKind.SLOW, FaultKind.RESET, FaultKind.RESET_MIDWAY),
    *(FaultKind.REDIRECT, FaultKind.ENDLESS, FaultKind.LATIN1),
}
"""Kinds with a test of their own."""


def test_every_kind_of_fault_is_tested() -> None:
    """A new kind is in the table, or has a test of its own."""
    assert {fault.kind for fault, *_ in _TABLE} | _OTHERS == set(FaultKind)


@pytest.mark.parametrize(("fault", "status", "content_type", "body"), _TABLE)
async def test_a_fault_changes_the_response(
    simulator: RunningSimulator, ask: Ask, fault: Fault, status: int, content_type: str, body: bytes
) -> None:
    """Each of these kinds gives its status, content type and body (a pattern), and is in the journal."""
    simulator.parts.faults.random.seed(5)
    simulator.parts.faults.random.random = lambda: 0.0  # type: ignore[method-assign]  # keeps the seed for the garbage
    simulator.parts.faults.add(fault)
    got = await ask()
    assert got[0] == status
    assert content_type in got[1]
    assert re.fullmatch(body, got[2], re.DOTALL)
    assert simulator.parts.journal.since(0)[0].outcome == f"fault {fault.kind}"


@pytest.mark.parametrize("form", ["plain", "json"])
async def test_names_in_latin1(
    simulator: RunningSimulator, session: aiohttp.ClientSession, form: str
) -> None:
    """Names are unescaped Latin-1, which is not valid UTF-8; the rest is the true response."""
    simulator.parts.faults.add(Fault(FaultKind.LATIN1))
    tenants = {"reqtype": "MANAGEDB", "object": "tenant", "action": "list"}
    async with session.get(
        simulator.url, params={**tenants, "format": form, "key": "demo-admin"}
    ) as response:
        body = await response.read()
    assert "Boréal Énergie".encode("latin-1") in body
    with pytest.raises(UnicodeDecodeError):
        body.decode()
    assert b"Acme Tools, Ltd." in body


async def test_a_redirect(simulator: RunningSimulator, session: aiohttp.ClientSession) -> None:
    """It is a 302 with the location of the rule."""
    simulator.parts.faults.add(Fault(FaultKind.REDIRECT, location="http://127.0.0.1:1/"))
    async with session.get(simulator.url, params=_LICENSE, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "http://127.0.0.1:1/")


# aiohttp's client retries once if a connection is reset before the headers (seen, 3.14.5).
@pytest.mark.parametrize(("kind", "limit"), [(FaultKind.RESET, 2), (FaultKind.RESET_MIDWAY, 1)])
async def test_a_connection_is_reset(faults: Faults, ask: Ask, kind: FaultKind, limit: int) -> None:
    """The client gets a connection error, and the next request after the limit succeeds."""
    faults.add(Fault(kind, limit=limit))
    with pytest.raises(_CUT):
        await ask()
    assert (await ask())[2] == b"45"


async def test_a_reset_sends_rst(simulator: RunningSimulator) -> None:
    """The connection ends with RST, not FIN."""
    simulator.parts.faults.add(Fault(FaultKind.RESET))
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(b"GET /pbx/proxyapi.php?reqtype=LICENSEDAYS&key=demo-admin HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_a_hanging_request_ends_with_its_client(
    simulator: RunningSimulator, ask: Ask, in_flight: Wait
) -> None:
    """It gets no response, and ends in the simulator, too, when the client gives up."""
    simulator.parts.faults.add(Fault(FaultKind.HANG))
    client = asyncio.ensure_future(ask())
    await in_flight(simulator, 1)
    client.cancel()
    await in_flight(simulator, 0)
    assert simulator.parts.journal.since(0)[0].outcome == "fault hang"


async def test_a_slow_response_is_delayed(faults: Faults, ask: Ask) -> None:
    """The true response comes after the delay."""
    faults.add(Fault(FaultKind.SLOW, seconds=0.3))
    started = time.monotonic()
    assert (await ask())[2] == b"45"
    assert time.monotonic() - started >= 0.3


async def test_a_dripping_response_comes_byte_by_byte(
    simulator: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    """The first comes with the headers, the next after the delay."""
    simulator.parts.faults.add(Fault(FaultKind.DRIP, seconds=60))
    async with session.get(simulator.url, params=_LICENSE) as response:
        assert await response.content.readany() == b"4"


async def test_an_endless_response_ends_when_the_client_stops(
    simulator: RunningSimulator, session: aiohttp.ClientSession, in_flight: Wait
) -> None:
    """The body continues until the client closes the connection."""
    simulator.parts.faults.add(Fault(FaultKind.ENDLESS))
    async with session.get(simulator.url, params=_LICENSE) as response:
        assert len(await response.content.readexactly(3_000_000)) == 3_000_000
        response.close()
    await in_flight(simulator, 0)
