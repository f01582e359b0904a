"""The tests of polling run on a clock of their own: what they measure does not depend on the machine."""

import asyncio
from collections.abc import Callable, Mapping

from tests.e2e.fast_clock import FastLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Let every test here run in an event loop in which waiting takes no time."""
    return {"fast clock": FastLoop}
