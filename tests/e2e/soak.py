"""Soak test: a fleet and its web server, polling a fake switch with changing faults for hours.

    .venv/bin/python -m tests.e2e.soak --tenants=5000 --minutes=60

The clock is fast, requests and scrapes are real. There is a scrape every second, a reload every three
minutes, and a different set of faults every minute, with every third minute free of faults. Memory, objects,
file descriptors and tasks are counted every six minutes; the result depends on how much they grow.

The fake switch and the scraper run in the same process, because they need the same clock. They keep nothing
from one minute to the next, so growth comes from the exporter or its libraries.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import structlog

from exporter.config import load
from exporter.model import Target
from exporter.web import Sources, serve
from tests.e2e.fake_switch import FakeSwitch, fake_switch
from tests.e2e.fast_clock import FastLoop
from tests.e2e.fast_fleet import FastFleet, fast_fleet
from tests.e2e.response_faults import FAULTS

MINUTE = 60
RELOAD_EVERY = 3
FAULT_FREE_EVERY = 3
PERIOD = 2 * RELOAD_EVERY
"""Minutes until the state repeats: the same configuration, no faults. Only such minutes are compared, because
objects come and go by the ten thousand."""

WARM_UP = 4 * PERIOD
"""Minutes until all values are known and tables have their final size."""

SHORTEST = WARM_UP + 2 * PERIOD
"""Minutes needed to distinguish growth from noise."""

_COUNT_SECONDS = 10
"""Seconds at the end of each period during which it counts."""

_HEAVY = ("endless", "bomb", "headers")
"""Faults that send megabytes are left out: they cost time and show nothing here."""

_SWITCH_OPERATIONS = ("COUNTPEERS", "COUNTCHANNELS", "COUNTCALLS", "LICENSEDAYS", "MANAGEDB")
_TENANT_OPERATIONS = ("COUNTCHANNELS", "COUNTCALLS", "INFO balance")


class Usage(NamedTuple):
    """Usage at the end of a period. ``resident``: bytes."""

    resident: int
    objects: int
    descriptors: int
    tasks: int


LIMITS = Usage(resident=6_000_000, objects=3600, descriptors=10, tasks=10)
"""Allowed growth per hour.

One leaked object per scrape is 3,600 objects, and 2 KiB per scrape are 7 MB; there are a hundred times as
many requests. One leaked file descriptor or task per reload is 20.
"""

NOISE = Usage(resident=8_000_000, objects=700, descriptors=5, tasks=5)
"""Allowed difference between comparable minutes, however short the run.

Resident memory was seen to grow by 3 MB in one step while the number of objects decreased: Python returns
only memory that has nothing in use next to it.
"""


@dataclass
class Report:
    """Results of a run. ``usage``: at the end of each period; ``problems``: warnings and exceptions."""

    usage: list[Usage] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    scrapes: int = 0
    reloads: int = 0
    applied: int = 0

    @property
    def comparable(self) -> Sequence[Usage]:
        """The usage after the warm-up."""
        return self.usage[WARM_UP // PERIOD - 1 :]

    def growth(self) -> Usage:
        """Return the growth per hour: the slope of a least-squares fit, rounded."""
        return Usage(*(round(_slope(values) * 60 / PERIOD) for values in zip(*self.comparable, strict=True)))

    def allowed(self) -> Usage:
        """Return the allowed growth per hour: the limit, or the noise of a shorter run."""
        hours = (len(self.comparable) - 1) * PERIOD / 60
        pairs = zip(LIMITS, NOISE, strict=True)
        return Usage(*(max(limit, round(noise / hours)) for limit, noise in pairs))

    def failures(self) -> list[str]:
        """Return the problems and excessive growth. Raises ValueError if the run was too short."""
        if (minutes := len(self.usage) * PERIOD) < SHORTEST:
            raise ValueError(f"{minutes} minutes are too few: expected at least {SHORTEST}")
        growth = zip(Usage._fields, self.growth(), self.allowed(), strict=True)
        return self.problems + [
            f"{name}: {rate:+,} per hour, {limit:,} allowed" for name, rate, limit in growth if rate > limit
        ]

    def lines(self) -> Iterable[str]:
        """Return a summary."""
        yield f"{len(self.usage) * PERIOD} minutes, {self.scrapes} scrapes, {self.reloads} reloads"
        yield f"{self.applied} requests met a fault"
        for number, usage in enumerate(self.comparable):
            values = (f"{name} {value:,}" for name, value in usage._asdict().items())
            yield f"minute {WARM_UP + number * PERIOD}: {', '.join(values)}"
        for name, rate, limit in zip(Usage._fields, self.growth(), self.allowed(), strict=True):
            yield f"{name}: {rate:+,} per hour, {limit:,} allowed"
        yield f"problems: {self.problems or 'none'}"


@dataclass(frozen=True)
class _Plan:
    """A run. ``scrape_every``: seconds; ``on_page`` gets each scraped page."""

    tenants: int
    minutes: int
    scrape_every: int
    on_page: Callable[[bytes], None]


def _slope(values: Sequence[int]) -> float:
    middle, mean = (len(values) - 1) / 2, sum(values) / len(values)
    spread = sum((position - middle) ** 2 for position in range(len(values)))
    return sum((position - middle) * (value - mean) for position, value in enumerate(values)) / spread


class _ProblemLog(logging.Handler):
    """Records warnings of the libraries and exceptions of the exporter."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report.problems.append(record.getMessage())

    def process(self, _: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event.get("exc_info"):
            self._report.problems.append(str(event))
        raise structlog.DropEvent

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        loggers = [logging.getLogger(name) for name in ("asyncio", "aiohttp")]
        before = structlog.get_config()
        structlog.configure(
            processors=[self.process], wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
        )
        for logger in loggers:
            logger.addHandler(self)
        try:
            yield
        finally:
            structlog.configure(**before)
            for logger in loggers:
                logger.removeHandler(self)


def _configuration(url: str, tenants: int, number: int) -> str:
    """Return one of two configurations, with different balance intervals and excluded tenants."""
    is_odd = number % 2
    switch = {
        "name": "pbx",
        "url": url,
        "key": "demo-admin",
        "timeout": "20s",
        "max_concurrency": 20,
        "max_requests_per_second": max(10, tenants // 50),
        "discover_tenants": {"enabled": True, "exclude": ["T.*7"] if is_odd else []},
        "tenant_defaults": {"labels": {"team": "noc"}},
        "queries": {
            "balance": {"tenant_interval": "4m" if is_odd else "5m"},
            "registrations": {"tenant_interval": "off"},
            "tenants": {"interval": "10m"},
        },
    }
    return json.dumps({"switches": [switch]})


async def _measure() -> Usage:
    """Return the usage; the least of several counts leaves out requests and scrapes in progress."""
    descriptors, tasks = [], []
    for _ in range(_COUNT_SECONDS):
        await asyncio.sleep(1)
        descriptors.append(len(list(Path("/proc/self/fd").iterdir())))  # noqa: ASYNC240 -- not on a disk
        tasks.append(len(asyncio.all_tasks()))
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")  # noqa: ASYNC240 -- likewise
    return Usage(resident, _objects(), min(descriptors), min(tasks))


def _objects() -> int:
    """Return the number of objects, with equal targets counted once.

    Each mapping by target keeps the instance that it saw first, so their number goes up and down by 10,000
    with 5,000 tenants (seen 2026-12).
    """
    objects = gc.get_objects()
    targets = [each for each in objects if isinstance(each, Target)]
    return len(objects) - len(targets) + len(set(targets))


async def _change_faults(switch: FakeSwitch, report: Report, chance: random.Random) -> None:
    """Apply different faults each minute, and none in every third."""
    light = [name for name in FAULTS if not any(word in name for word in _HEAVY)]
    for minute in count(1):
        report.applied += sum(map(len, switch.applied.values()))
        switch.applied.clear()
        switch.received.clear()
        switch.faults.clear()
        if minute % FAULT_FREE_EVERY:
            requests = [(chance.choice(_SWITCH_OPERATIONS), "")]
            requests += [
                (chance.choice(_TENANT_OPERATIONS), chance.choice(switch.tenants))
                for _ in range(len(switch.tenants) // 2)
            ]
            switch.faults |= {request: FAULTS[chance.choice(light)][0] for request in requests}
        await asyncio.sleep(MINUTE)


async def _scrape(url: str, every: int, report: Report, on_page: Callable[[bytes], None]) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(url) as response:
                page = await response.read()
            assert response.status == 200
            # Not parsed: with 1,000 tenants that takes 16 MB, which Python does not return.
            assert b"\nsoftswitch_" in page
            on_page(page)
            report.scrapes += 1
            await asyncio.sleep(every)


async def _reload(fast: FastFleet, file: Path, url: str, tenants: int, report: Report) -> None:
    for number in count(1):
        await asyncio.sleep(RELOAD_EVERY * MINUTE)
        file.write_text(_configuration(url, tenants, number))  # noqa: ASYNC240 -- a small file
        await fast.reload()
        report.reloads += 1


async def _run(plan: _Plan, report: Report) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: report.problems.append(str(context)))
    chance = random.Random(1)  # noqa: S311 -- the same faults in each run
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        async with fake_switch(*(f"T{number}" for number in range(plan.tenants))) as switch:
            file.write_text(_configuration(switch.url, plan.tenants, 0))
            async with fast_fleet(lambda: load(file, {})) as fast:
                sources = Sources(fast.exposition, lambda: fast.fleet.pollers, lambda: True, fast.clock)
                server = await serve(sources, [("127.0.0.1", 0)], "/metrics")
                host, port = server.addresses[0]
                tasks = [
                    asyncio.create_task(work)
                    for work in (
                        _change_faults(switch, report, chance),
                        _scrape(f"http://{host}:{port}/metrics", plan.scrape_every, report, plan.on_page),
                        _reload(fast, file, switch.url, plan.tenants, report),
                    )
                ]
                for _ in range(plan.minutes // PERIOD):
                    await asyncio.sleep(PERIOD * MINUTE - _COUNT_SECONDS)
                    report.usage.append(await _measure())
                    report.problems += [repr(task.exception()) for task in tasks if task.done()]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await server.close()


def soak(
    tenants: int, minutes: int, *, scrape_every: int = 1, on_page: Callable[[bytes], None] = lambda _: None
) -> Report:
    """Run for so many minutes on the fast clock. ``on_page`` gets each scraped page."""
    report = Report()
    with _ProblemLog(report).installed(), asyncio.Runner(loop_factory=FastLoop) as runner:
        runner.run(_run(_Plan(tenants, minutes, scrape_every, on_page), report))
    return report


def main() -> int:
    """Run a soak test and print the results; return 1 if it failed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tenants", type=int, default=5000)
    arguments.add_argument("--minutes", type=int, default=60)
    given: Any = arguments.parse_args()
    if given.minutes < SHORTEST:
        arguments.error(f"--minutes: expected at least {SHORTEST}")
    started = time.monotonic()
    report = soak(given.tenants, given.minutes)
    failures = report.failures()
    for line in (*report.lines(), f"took {time.monotonic() - started:.0f} s"):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write("".join(f"FAILED: {failure}\n" for failure in failures) or "passed\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
