"""A small installation at a frozen moment, and a simulator that serves it on a free port."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from exporter.simulator.server import RunningSimulator, create_application, start
from exporter.simulator.world import Size, World

Wait = Callable[[RunningSimulator, int], Awaitable[None]]


@pytest.fixture
def world() -> World:
    """Return a small installation at a frozen moment."""
    world = World(Size(tenants=7, nodes=3, extensions=12), seed=5)
    world.time.freeze()
    return world


@pytest.fixture
def announced() -> list[str]:
    """Return the list that collects the announcements of the simulator."""
    return []


@pytest.fixture
async def simulator(world: World, announced: list[str]) -> AsyncIterator[RunningSimulator]:
    """Serve the world."""
    running = await start("127.0.0.1", 0, create_application(world, announce=announced.append))
    yield running
    await running.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client session with a timeout, so that no test hangs."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


@pytest.fixture
def in_flight() -> Wait:
    """Return a function that waits for a number of requests in flight."""

    async def wait(simulator: RunningSimulator, number: int) -> None:
        async with asyncio.timeout(30):
            while simulator.parts.journal.counts()["in_flight"] != number:  # noqa: ASYNC110 - a journal has no events
                await asyncio.sleep(0.01)

    return wait
