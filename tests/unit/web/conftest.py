"""Pollers that have sent no request, a certificate authority, and empty sources for a web server."""

from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import CollectorRegistry

from exporter.client import open_client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.masking import Mask
from exporter.metrics.exposition import Exposition
from exporter.metrics.self_metrics import Instruments
from exporter.poll import Poller, SwitchContext
from exporter.web import Sources

NOW = 1000.0
CLOCK = Clock(monotonic=lambda: NOW, wall=lambda: 1_700_000_000.0)

Pollers = Callable[..., Poller]


@pytest.fixture
async def pollers(configured: Callable[..., SwitchConfiguration]) -> AsyncIterator[Pollers]:
    """Return a function that makes a poller of a switch with these settings, at 1,000 s of its clock."""
    made: list[Poller] = []

    def make(**settings: object) -> Poller:
        configuration = configured(**settings)
        instruments = Instruments(CollectorRegistry())
        made.append(
            Poller(SwitchContext(configuration, open_client(configuration), instruments, Mask(), CLOCK))
        )
        return made[-1]

    yield make
    for poller in made:
        await poller.stop()


@pytest.fixture
def sources() -> Sources:
    """Return the sources of an exporter without switches."""
    return Sources(Exposition(lambda _: [], CollectorRegistry()), list, lambda: True, Clock())
