"""Fixtures of the polling tests, which run on a fast clock, independent of the machine."""

import asyncio
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.masking import Mask
from exporter.metrics.self_metrics import Instruments
from exporter.net.bodies import BodyBudget
from exporter.poll import SwitchContext
from tests.e2e.fast_clock import FastLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Let every test here run in an event loop in which waiting takes no time."""
    return {"fast clock": FastLoop}


@pytest.fixture
def context(configured: Callable[..., SwitchConfiguration]) -> Callable[..., SwitchContext]:
    """Return a function that makes the context of a switch with these settings, which sends no request."""

    def make(clock: Clock | None = None, **settings: object) -> SwitchContext:
        client: Any = SimpleNamespace(budget=BodyBudget())
        instruments = Instruments(CollectorRegistry())
        return SwitchContext(configured(**settings), client, instruments, Mask(), clock or Clock())

    return make
