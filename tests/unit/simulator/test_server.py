import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.keys import Keys
from exporter.simulator.options import Options
from exporter.simulator.server import RunningSimulator, create_application, start
from exporter.simulator.world import World

InFlight = Callable[[RunningSimulator, int], Awaitable[None]]


def test_it_says_where_it_is(simulator: RunningSimulator) -> None:
    """Port 0 becomes a real one, and both addresses carry it."""
    assert simulator.port > 0
    assert simulator.base_url == f"http://127.0.0.1:{simulator.port}"
    assert simulator.url == f"http://127.0.0.1:{simulator.port}/pbx/proxyapi.php"


async def test_an_address_in_use_is_an_error_of_the_caller(simulator: RunningSimulator, world: World) -> None:
    """A second one on the same port raises OSError."""
    with pytest.raises(OSError, match="in use"):
        await start("127.0.0.1", simulator.port, create_application(world))


async def test_every_address_is_shown_as_one_that_can_be_opened(world: World) -> None:
    """Whoever listens everywhere reads an address of this machine."""
    running = await start("0.0.0.0", 0, create_application(world))  # noqa: S104 - closed at once
    await running.stop()
    assert running.base_url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("kind", [FaultKind.HANG, FaultKind.ENDLESS, FaultKind.DRIP])
async def test_it_stops_within_a_second(
    world: World, session: aiohttp.ClientSession, kind: FaultKind, in_flight: InFlight
) -> None:
    """Twenty requests that never end do not hold it, whether their clients read or not."""
    running = await start("127.0.0.1", 0, create_application(world))
    running.parts.faults.add(Fault(kind))
    parameters = {"reqtype": "HELP", "key": "demo-admin"}
    requests = [
        asyncio.create_task(session.get(running.url, params=parameters).__aenter__()) for _ in range(20)
    ]
    await in_flight(running, 20)
    begun = time.monotonic()
    await running.stop()
    assert time.monotonic() - begun < 1
    for answer in await asyncio.gather(*requests, return_exceptions=True):
        if isinstance(answer, aiohttp.ClientResponse):
            answer.close()
    with pytest.raises(aiohttp.ClientConnectorError):
        await session.get(running.url)


async def test_options_and_keys_are_used(world: World, session: aiohttp.ClientSession) -> None:
    """What the caller chooses is what the switch does."""
    application = create_application(world, options=Options(license="sentence"), keys=Keys(admin="root"))
    running = await start("127.0.0.1", 0, application)
    try:
        async with session.get(running.url, params={"reqtype": "LICENSEDAYS", "key": "root"}) as response:
            assert await response.text() == "The license expires in 45 days"
    finally:
        await running.stop()


async def test_answers_take_the_time_they_are_told_to(world: World, session: aiohttp.ClientSession) -> None:
    """Every answer takes the latency, COUNTPEERS its own delay on top, and none waits for another."""
    options = Options(latency=0.2, peers_delay=0.3)
    running = await start("127.0.0.1", 0, create_application(world, options=options))

    async def seconds(reqtype: str) -> float:
        begun = time.monotonic()
        async with session.get(running.url, params={"reqtype": reqtype, "key": "demo-admin"}) as response:
            await response.read()
        return time.monotonic() - begun

    try:
        begun = time.monotonic()
        slow, *quick = await asyncio.gather(
            seconds("COUNTPEERS"), *(seconds("LICENSEDAYS") for _ in range(40))
        )
        assert slow >= 0.5
        assert min(quick) >= 0.2
        assert time.monotonic() - begun < 2
        assert running.parts.journal.counts()["most_in_flight"] == 41
    finally:
        await running.stop()


async def test_without_a_listener_forbidden_requests_are_said_on_standard_error(
    world: World, session: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody has to set anything up to notice a forbidden request."""
    running = await start("127.0.0.1", 0, create_application(world))
    try:
        async with session.get(running.url, params={"reqtype": "HANGUP"}) as response:
            assert response.status == 403
    finally:
        await running.stop()
    assert "FORBIDDEN REQUEST: operation 'HANGUP'" in capsys.readouterr().err
