"""A long life in a short time: a fleet, its web server, and a switch with faults that come and go.

    .venv/bin/python -m tests.e2e.soak --tenants=5000 --minutes=60

The clock is fast, requests and scrapes are real. Every second somebody scrapes, every three minutes the
configuration is loaded anew, every minute some other faults are in force. Each minute memory, objects, file
descriptors and tasks are counted, and at the end it is told by how much they grow in an hour.
"""

import argparse
import asyncio
import gc
import json
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from exporter.config import load
from exporter.masking import Mask
from exporter.web import Sources, serve
from tests.e2e.fast_clock import FastLoop
from tests.e2e.fast_fleet import FastFleet, fast_fleet
from tests.e2e.odd_faults import FAULTS
from tests.e2e.odd_switch import OddSwitch, odd_switch
from tests.e2e.programs import samples

MINUTE = 60
WARM_UP = 5
"""Minutes until every value has come and every buffer has its size."""

_HEAVY = ("endless", "bomb", "headers")
"""Faults that send megabytes cost time and prove nothing here."""

_OF_THE_WHOLE = ("COUNTPEERS", "COUNTCHANNELS", "COUNTCALLS", "LICENSEDAYS", "MANAGEDB")
_OF_TENANTS = ("COUNTCHANNELS", "COUNTCALLS", "INFO balance")


@dataclass(frozen=True)
class Count:
    """What there was at the end of a minute."""

    resident: int
    objects: int
    descriptors: int
    tasks: int


@dataclass
class Report:
    """What was seen. ``complaints``: warnings and exceptions that nobody expected."""

    counts: list[Count] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    scrapes: int = 0
    reloads: int = 0
    befallen: int = 0

    def slope(self, name: str) -> float:
        """Return by how much something grew in an hour, after the warm-up: the least squares' slope."""
        values = [getattr(count, name) for count in self.counts[WARM_UP:]]
        middle, mean = (len(values) - 1) / 2, sum(values) / len(values)
        spread = sum((minute - middle) ** 2 for minute in range(len(values)))
        rise: float = sum((minute - middle) * (value - mean) for minute, value in enumerate(values))
        return rise / spread * 60

    def spread(self, name: str) -> tuple[int, int]:
        """Return the least and the most of something after the warm-up."""
        values = [getattr(count, name) for count in self.counts[WARM_UP:]]
        return min(values), max(values)

    def lines(self) -> Iterable[str]:
        """Return the figures."""
        yield f"{len(self.counts)} minutes, {self.scrapes} scrapes, {self.reloads} reloads"
        yield f"{self.befallen} requests met with a fault"
        resident = self.counts[-1].resident / 1e6
        yield f"resident memory: {self.slope('resident') / 1e6:+.1f} MB an hour, of {resident:.0f} MB"
        yield f"objects: {self.slope('objects'):+.0f} an hour, of {self.counts[-1].objects}"
        for name in ("descriptors", "tasks"):
            least, most = self.spread(name)
            yield f"{name}: {least} to {most}, {self.slope(name):+.1f} an hour"
        yield f"complaints: {self.complaints or 'none'}"


class _Complaints(logging.Handler):
    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report.complaints.append(record.getMessage())


def _configuration(url: str, tenants: int, number: int) -> str:
    """Return one of two configurations: balances are asked at another pace, and some tenants come and go."""
    other = number % 2
    switch = {
        "name": "pbx",
        "url": url,
        "key": "demo-admin",
        "timeout": "20s",
        "max_concurrency": 20,
        "max_requests_per_second": max(10, tenants // 50),
        "discover_tenants": {"enabled": True, "exclude": ["T.*7"] if other else []},
        "tenant_defaults": {"labels": {"team": "noc"}},
        "queries": {
            "balance": {"tenant_interval": "4m" if other else "5m"},
            "registrations": {"tenant_interval": "off"},
            "tenants": {"interval": "10m"},
        },
    }
    return json.dumps({"switches": [switch]})


def _count() -> Count:
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return Count(resident, len(gc.get_objects()), descriptors, len(asyncio.all_tasks()))


async def _break_things(switch: OddSwitch, report: Report, chance: random.Random) -> None:
    """Let other faults be in force each minute, and none in every fourth."""
    light = [name for name in FAULTS if not any(word in name for word in _HEAVY)]
    for minute in count():
        report.befallen += sum(map(len, switch.befallen.values()))
        switch.befallen.clear()
        switch.faults.clear()
        if minute % 4:
            victims = [(chance.choice(_OF_THE_WHOLE), "")]
            victims += [
                (chance.choice(_OF_TENANTS), chance.choice(switch.tenants))
                for _ in range(len(switch.tenants) // 2)
            ]
            switch.faults |= {victim: FAULTS[chance.choice(light)][0] for victim in victims}
        await asyncio.sleep(MINUTE)


async def _scrape(url: str, report: Report) -> None:
    async with aiohttp.ClientSession() as session:
        for number in count():
            async with session.get(url) as response:
                page = (await response.read()).decode()
            assert response.status == 200
            if number % 300 == 0:
                assert samples(page)
            report.scrapes += 1
            await asyncio.sleep(1)


async def _reload(fast: FastFleet, file: Path, url: str, tenants: int, report: Report) -> None:
    for number in count(1):
        await asyncio.sleep(3 * MINUTE)
        file.write_text(_configuration(url, tenants, number))  # noqa: ASYNC240 -- as an operator does
        await fast.reload()
        report.reloads += 1


async def _live(tenants: int, minutes: int, report: Report) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: report.complaints.append(str(context)))
    chance = random.Random(1)  # noqa: S311 -- the same life each time
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        async with odd_switch(*(f"T{number}" for number in range(tenants))) as switch:
            file.write_text(_configuration(switch.url, tenants, 0))
            async with fast_fleet(lambda: load(file, {}), Mask()) as fast:
                sources = Sources(fast.exposition, lambda: fast.fleet.pollers, lambda: True, fast.clock)
                server = await serve(sources, [("127.0.0.1", 0)], "/metrics")
                host, port = server.addresses[0]
                work = [
                    asyncio.create_task(life)
                    for life in (
                        _break_things(switch, report, chance),
                        _scrape(f"http://{host}:{port}/metrics", report),
                        _reload(fast, file, switch.url, tenants, report),
                    )
                ]
                for _ in range(minutes):
                    await asyncio.sleep(MINUTE)
                    report.counts.append(_count())
                    report.complaints += [repr(task.exception()) for task in work if task.done()]
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
                await server.close()


def soak(tenants: int, minutes: int) -> Report:
    """Live so many minutes, and return what was seen."""
    report = Report()
    handler = _Complaints(report)
    logging.getLogger("asyncio").addHandler(handler)
    logging.getLogger("aiohttp").addHandler(handler)
    try:
        with asyncio.Runner(loop_factory=FastLoop) as runner:
            runner.run(_live(tenants, minutes, report))
    finally:
        logging.getLogger("asyncio").removeHandler(handler)
        logging.getLogger("aiohttp").removeHandler(handler)
    return report


def main() -> int:
    """Soak, tell the figures, and fail where anything grew or complained."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tenants", type=int, default=5000)
    arguments.add_argument("--minutes", type=int, default=60)
    given: Any = arguments.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    started = time.monotonic()
    report = soak(given.tenants, given.minutes)
    for line in (*report.lines(), f"it took {time.monotonic() - started:.0f} s"):
        sys.stdout.write(f"{line}\n")
    grew = report.slope("objects") > report.counts[-1].objects * 0.02 or report.slope("descriptors") > 5
    return int(bool(report.complaints) or grew)


if __name__ == "__main__":
    sys.exit(main())
