"""A frozen world, and a simulator that serves it on a free port."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from exporter.simulator.server import RunningSimulator, create_application, start
from exporter.simulator.world import World


@pytest.fixture
def world() -> World:
    """Make a small installation whose time stands still."""
    world = World(tenants=7, nodes=3, extensions=12, seed=5)
    world.time.freeze()
    return world


@pytest.fixture
def announced() -> list[str]:
    """Collect what the simulator says aloud."""
    return []


@pytest.fixture
async def simulator(world: World, announced: list[str]) -> AsyncIterator[RunningSimulator]:
    """Serve the world on a free port of this machine."""
    running = await start("127.0.0.1", 0, create_application(world, announce=announced.append))
    yield running
    await running.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client that waits five seconds at most."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        yield session


@pytest.fixture
def in_flight() -> Callable[[RunningSimulator, int], Awaitable[None]]:
    """Wait until so many requests are in flight."""

    async def wait(simulator: RunningSimulator, number: int) -> None:
        async with asyncio.timeout(5):
            while simulator.parts.journal.counts()["in_flight"] != number:  # noqa: ASYNC110 - a journal has no events
                await asyncio.sleep(0.01)

    return wait
