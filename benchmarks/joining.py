"""The longest step of the event loop while 5,000 tenants join: by discovery, by a reload, and unchanged.

    .venv/bin/python -m benchmarks.joining

During such a step no request is sent or served. A plain calculation is measured for comparison of two runs.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from benchmarks.measures import Watch
from exporter.app import collect_garbage_less
from exporter.client import open_client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration, load
from exporter.masking import Mask
from exporter.metrics.self_metrics import Instruments
from exporter.model import Query, Scope
from exporter.poll import Poller, SwitchContext
from exporter.simulator import server
from exporter.simulator.world import Size, World

TENANTS = 5000


def _configuration(url: str, tenants: int) -> SwitchConfiguration:
    """Return the configuration of a switch with these tenants, or with discovery for 0."""
    switch = {
        "name": "pbx",
        "url": url,
        "key": "demo-admin",
        "discover_tenants": {"enabled": not tenants},
        "tenants": [{"code": f"C{number}", "watch": ["100"]} for number in range(tenants)],
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(json.dumps({"switches": [switch]}))
        (made,) = load(file, {}).switches
        return made


async def _measure() -> None:
    simulator = await server.start("127.0.0.1", 0, server.create_application(World(Size(tenants=TENANTS))))
    configuration = _configuration(simulator.url, 0)
    instruments = Instruments(CollectorRegistry())
    poller = Poller(SwitchContext(configuration, open_client(configuration), instruments, Mask(), Clock()))
    collect_garbage_less()  # like the exporter

    async def discover() -> None:
        await poller.sweep(Query.TENANTS, Scope.SWITCH)
        while len(poller.targets.tenants) < TENANTS // 2:  # noqa: ASYNC110 -- a poller has no event for it
            await asyncio.sleep(0.01)

    async def reload() -> None:
        poller.reconfigure(new, open_client(new), ())
        await poller.wait_until_prepared()

    await _report("discovered", poller, discover)
    for what in ("configured instead", "configured again, without a change"):
        new = _configuration(simulator.url, TENANTS)
        await _report(what, poller, reload)
    started = time.thread_time()
    sum(number * number for number in range(1_000_000))
    print(f"a calculation on this machine: {(time.thread_time() - started) * 1000:.0f} ms")
    await poller.stop()
    await simulator.stop()


async def _report(what: str, poller: Poller, step: Callable[[], Awaitable[None]]) -> None:
    await asyncio.sleep(0.01)
    watch = Watch()
    watch.start()
    await step()
    await asyncio.sleep(3)
    print(f"{len(poller.targets.tenants)} tenants {what}: at most {watch.stop() * 1000:.0f} ms")


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    asyncio.run(_measure())
