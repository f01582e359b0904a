"""States of switches and alerts, pollers that have sent no request, and empty sources for a web server."""

from collections.abc import AsyncIterator, Callable
from typing import Any

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


def alert_group(
    name: str, *labels: dict[str, str], severity: str = "critical", **more: Any
) -> dict[str, Any]:
    """Return a group of alerts with these labels; by default one that fires on the switch ``pbx``."""
    figures = {"value": more.pop("value", None), "threshold": more.pop("threshold", None)}
    switch = more.pop("switch", "pbx")
    alerts = [
        {"labels": {"switch": switch, **each}, "annotations": {"summary": "S."}, **figures}
        for each in labels or ({},)
    ]
    usual = {"state": "firing", "count": len(alerts), "age_seconds": 720.0, "alerts": alerts}
    return {"alertname": name, "severity": severity, "switch": switch, **usual, **more}


def switch_state(name: str = "pbx", **more: Any) -> dict[str, Any]:
    """Return the state of a switch that responds and has no problem."""
    usual: dict[str, Any] = {
        "name": name,
        "up": True,
        "valid_answer_age_seconds": 2.0,
        "nodes": [],
        "license_verdict": None,
        "license_remaining_seconds": None,
        "refused_keys": [],
        "series_limited": False,
        "breaker_open": False,
        "queries": [],
        "trunks": [],
    }
    return usual | more


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
