import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.options import Options
from exporter.simulator.request import Keys
from exporter.simulator.server import RunningSimulator, create_application, start
from exporter.simulator.world import World
from tests.unit.simulator.conftest import Wait


@contextlib.asynccontextmanager
async def _running(
    world: World, host: str = "127.0.0.1", options: Options | None = None, keys: Keys | None = None
) -> AsyncIterator[RunningSimulator]:
    running = await start(host, 0, create_application(world, options=options, keys=keys))
    try:
        yield running
    finally:
        await running.stop()


async def test_the_address(simulator: RunningSimulator, world: World) -> None:
    """Port 0 becomes a real one in both URLs; a second simulator on that port raises OSError."""
    assert simulator.port > 0
    assert simulator.base_url == f"http://127.0.0.1:{simulator.port}"
    assert simulator.url == f"http://127.0.0.1:{simulator.port}/pbx/proxyapi.php"
    with pytest.raises(OSError, match="in use"):
        await start("127.0.0.1", simulator.port, create_application(world))
    async with _running(world, "0.0.0.0") as running:  # noqa: S104 - closed at once
        assert running.base_url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("kind", [FaultKind.HANG, FaultKind.ENDLESS, FaultKind.DRIP])
async def test_it_stops_although_requests_hang(
    world: World, session: aiohttp.ClientSession, kind: FaultKind, in_flight: Wait
) -> None:
    """Twenty requests that never end do not delay the stop, whether their clients read or not."""
    async with _running(world) as running:
        running.parts.faults.add(Fault(kind))
        parameters = {"reqtype": "HELP", "key": "demo-admin"}
        requests = [
            asyncio.create_task(session.get(running.url, params=parameters).__aenter__()) for _ in range(20)
        ]
        await in_flight(running, 20)
        async with asyncio.timeout(30):
            await running.stop()
    for response in await asyncio.gather(*requests, return_exceptions=True):
        if isinstance(response, aiohttp.ClientResponse):
            response.close()
    with pytest.raises(aiohttp.ClientConnectorError):
        await session.get(running.url)


async def test_options_keys_and_delays(world: World, session: aiohttp.ClientSession) -> None:
    """Options and keys apply. Every response has the latency, COUNTPEERS its own delay, and none adds up."""
    options = Options(license="sentence", latency=0.2, peers_delay=0.3)

    async def get(reqtype: str) -> tuple[float, str]:
        started = time.monotonic()
        async with session.get(running.url, params={"reqtype": reqtype, "key": "root"}) as response:
            text = await response.text()
        return time.monotonic() - started, text

    async with _running(world, options=options, keys=Keys(admin="root")) as running:
        started = time.monotonic()
        slow, *quick = await asyncio.gather(get("COUNTPEERS"), *(get("LICENSEDAYS") for _ in range(40)))
        assert time.monotonic() - started < 8
    assert slow[0] >= 0.5
    assert min(seconds for seconds, _ in quick) >= 0.2
    assert {text for _, text in quick} == {"The license expires in 45 days"}


async def test_forbidden_requests_are_announced_on_standard_error(
    world: World, session: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    """This is the default, without any setup."""
    async with _running(world) as running, session.get(running.url, params={"reqtype": "HANGUP"}) as response:
        assert response.status == 403
    assert "FORBIDDEN REQUEST: operation 'HANGUP'" in capsys.readouterr().err
