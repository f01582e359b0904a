"""A frozen world, and a simulator that serves it on a free port."""

from collections.abc import AsyncIterator

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
