"""How long the event loop stands still while 5,000 tenants join: found, and brought by a reload; and stay.

    .venv/bin/python -m benchmarks.joining

Meanwhile nobody is served and nothing is asked. Beside it is told what a plain calculation takes on this
machine, so that two runs can be compared.
"""

import asyncio
import json
import tempfile
import time
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from exporter.app import collect_garbage_less
from exporter.client import open_client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration, load
from exporter.masking import Mask
from exporter.metrics.self_metrics import Instruments
from exporter.model import Query, Scope
from exporter.poll import Poller, SwitchContext
from exporter.simulator import server
from exporter.simulator.world import World

TENANTS = 5000


def _configuration(url: str, *, discovers: bool, tenants: int) -> SwitchConfiguration:
    switch = {
        "name": "pbx",
        "url": url,
        "key": "demo-admin",
        "discover_tenants": {"enabled": discovers},
        "tenants": [{"code": f"C{number}", "watch": ["100"]} for number in range(tenants)],
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(json.dumps({"switches": [switch]}))
        (made,) = load(file, {}).switches
        return made


class _Watch:
    """The longest time that the event loop stood still since ``reset``."""

    def __init__(self) -> None:
        self.longest = 0.0

    def reset(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        while True:
            started = time.thread_time()  # of the processor: what others do on this machine does not count
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.thread_time() - started)


def _calculation() -> float:
    started = time.thread_time()
    sum(number * number for number in range(1_000_000))
    return time.thread_time() - started


async def _measure() -> None:
    simulator = await server.start("127.0.0.1", 0, server.create_application(World(tenants=TENANTS)))
    configuration = _configuration(simulator.url, discovers=True, tenants=0)
    poller = Poller(
        SwitchContext(
            configuration, open_client(configuration), Instruments(CollectorRegistry()), Mask(), Clock()
        )
    )
    collect_garbage_less()  # as the exporter does
    watch = _Watch()
    watching = asyncio.create_task(watch.run())
    await poller.sweep(Query.TENANTS, Scope.SWITCH)
    while len(poller.targets.tenants) < TENANTS // 2:  # noqa: ASYNC110 -- a poller tells nobody of it
        await asyncio.sleep(0.01)
    await asyncio.sleep(3)
    print(f"{len(poller.targets.tenants)} tenants found: {watch.longest * 1000:.0f} ms at most")
    more = _configuration(simulator.url, discovers=False, tenants=TENANTS)
    await asyncio.sleep(0.01)
    watch.reset()
    poller.reconfigure(more, open_client(more), ())
    await poller.wait_until_prepared()
    await asyncio.sleep(3)
    print(f"{len(poller.targets.tenants)} configured instead: {watch.longest * 1000:.0f} ms at most")
    same = _configuration(simulator.url, discovers=False, tenants=TENANTS)
    await asyncio.sleep(0.01)
    watch.reset()
    poller.reconfigure(same, open_client(same), ())
    await poller.wait_until_prepared()
    await asyncio.sleep(3)
    print(f"the same once more: {watch.longest * 1000:.0f} ms at most")
    print(f"a calculation on this machine: {_calculation() * 1000:.0f} ms")
    watching.cancel()
    await poller.stop()
    await simulator.stop()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    asyncio.run(_measure())
