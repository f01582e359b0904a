"""A long life in a short time: a fleet, its web server, and a switch with faults that come and go.

    .venv/bin/python -m tests.e2e.soak --tenants=5000 --minutes=60

The clock is fast, requests and scrapes are real. Every second somebody scrapes, every three minutes the
configuration is loaded anew, by a call and not by SIGHUP, and every minute some other faults are in force,
but none in every third. Each minute memory, objects, file descriptors and tasks are counted, and in the end
it is judged by how much they grew.

The switch and who scrapes live in the same process, for only one event loop can put its own clock forward.
They keep nothing from one minute to the next, so what grows is of the exporter or the libraries that it uses.
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
from exporter.masking import Mask
from exporter.web import Sources, serve
from tests.e2e.fake_switch import FakeSwitch, fake_switch
from tests.e2e.fast_clock import FastLoop
from tests.e2e.fast_fleet import FastFleet, fast_fleet
from tests.e2e.response_faults import FAULTS

MINUTE = 60
RELOAD_EVERY = 3
QUIET_EVERY = 3
PERIOD = 2 * RELOAD_EVERY
"""Minutes after which all is as it was: the same configuration, and no faults. Only what was counted at such
moments is compared, since in between objects come and go by the ten thousand."""

WARM_UP = 4 * PERIOD
"""Minutes until every value has come, and the tables that values come to and leave have their size."""

LEAST = WARM_UP + 2 * PERIOD
"""Minutes that it takes to tell a rise from chance."""

_COUNTED_FOR = 10
"""Seconds at the end of each minute."""

_HEAVY = ("endless", "bomb", "headers")
"""Faults that send megabytes cost time and prove nothing here."""

_OF_THE_WHOLE = ("COUNTPEERS", "COUNTCHANNELS", "COUNTCALLS", "LICENSEDAYS", "MANAGEDB")
_OF_TENANTS = ("COUNTCHANNELS", "COUNTCALLS", "INFO balance")


class Count(NamedTuple):
    """What there was at the end of a minute. ``resident``: bytes."""

    resident: int
    objects: int
    descriptors: int
    tasks: int


LIMITS = Count(resident=6_000_000, objects=3600, descriptors=10, tasks=10)
"""By how much each may rise in an hour.

An object that is kept of each scrape is 3,600, and 2 KiB of each 7 MB; of requests there are a hundred times
as many. A file descriptor or a task that is kept of each reload is 20.
"""

CHANCE = Count(resident=8_000_000, objects=700, descriptors=5, tasks=5)
"""By how much moments that are alike may differ in all, however short the time between them.

Resident memory was seen to rise by 3 MB in one step while objects became fewer: Python gives back only what
nothing else lies beside.
"""


@dataclass
class Report:
    """What was seen. ``complaints``: warnings and exceptions that nobody expected."""

    counts: list[Count] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    scrapes: int = 0
    reloads: int = 0
    applied: int = 0

    @property
    def alike(self) -> Sequence[Count]:
        """What was counted after the warm-up at moments that are alike."""
        return self.counts[WARM_UP - 1 :: PERIOD]

    def rises(self) -> Count:
        """Return by how much each rises in an hour: the least squares' slope, rounded."""
        return Count(*(round(_slope(values) * 60 / PERIOD) for values in zip(*self.alike, strict=True)))

    def allowed(self) -> Count:
        """Return by how much each may rise in an hour: the limit, or what may be chance in a shorter time."""
        hours = (len(self.alike) - 1) * PERIOD / 60
        pairs = zip(LIMITS, CHANCE, strict=True)
        return Count(*(max(limit, round(chance / hours)) for limit, chance in pairs))

    def faults(self) -> list[str]:
        """Return what speaks against the exporter, if anything. Raises ValueError if life was too short."""
        if len(self.counts) < LEAST:
            raise ValueError(f"{len(self.counts)} minutes are too few to judge by: at least {LEAST}")
        rises = zip(Count._fields, self.rises(), self.allowed(), strict=True)
        return self.complaints + [
            f"{name}: {rise:+,} an hour, of which {limit:,} may be"
            for name, rise, limit in rises
            if rise > limit
        ]

    def lines(self) -> Iterable[str]:
        """Return the figures."""
        yield f"{len(self.counts)} minutes, {self.scrapes} scrapes, {self.reloads} reloads"
        yield f"{self.applied} requests met with a fault"
        for number, counted in enumerate(self.alike):
            told = (f"{name} {value:,}" for name, value in counted._asdict().items())
            yield f"minute {WARM_UP + number * PERIOD}: {', '.join(told)}"
        for name, rise, limit in zip(Count._fields, self.rises(), self.allowed(), strict=True):
            yield f"{name}: {rise:+,} an hour, of which {limit:,} may be"
        yield f"complaints: {self.complaints or 'none'}"


def _slope(values: Sequence[int]) -> float:
    middle, mean = (len(values) - 1) / 2, sum(values) / len(values)
    spread = sum((position - middle) ** 2 for position in range(len(values)))
    return sum((position - middle) * (value - mean) for position, value in enumerate(values)) / spread


class _Complaints(logging.Handler):
    """Notes the warnings of the libraries, and the exceptions of the exporter."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report.complaints.append(record.getMessage())

    def note(self, _: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event.get("exc_info"):
            self._report.complaints.append(str(event))
        raise structlog.DropEvent

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        loggers = [logging.getLogger(name) for name in ("asyncio", "aiohttp")]
        before = structlog.get_config()
        structlog.configure(
            processors=[self.note], wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
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


async def _count() -> Count:
    """Count what is there over some seconds: what a request or a scrape holds meanwhile is not kept."""
    descriptors, tasks = [], []
    for _ in range(_COUNTED_FOR):
        await asyncio.sleep(1)
        descriptors.append(len(list(Path("/proc/self/fd").iterdir())))  # noqa: ASYNC240 -- no disk is asked
        tasks.append(len(asyncio.all_tasks()))
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")  # noqa: ASYNC240 -- likewise
    return Count(resident, len(gc.get_objects()), min(descriptors), min(tasks))


async def _break_things(switch: FakeSwitch, report: Report, chance: random.Random) -> None:
    """Let other faults be in force each minute, and none in every third."""
    light = [name for name in FAULTS if not any(word in name for word in _HEAVY)]
    for minute in count(1):
        report.applied += sum(map(len, switch.applied.values()))
        switch.applied.clear()
        switch.received.clear()  # or the switch, which lives in the same process, would grow
        switch.faults.clear()
        if minute % QUIET_EVERY:
            victims = [(chance.choice(_OF_THE_WHOLE), "")]
            victims += [
                (chance.choice(_OF_TENANTS), chance.choice(switch.tenants))
                for _ in range(len(switch.tenants) // 2)
            ]
            switch.faults |= {victim: FAULTS[chance.choice(light)][0] for victim in victims}
        await asyncio.sleep(MINUTE)


async def _scrape(url: str, report: Report, look: Callable[[bytes], None]) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(url) as response:
                page = await response.read()
            assert response.status == 200
            # Nobody parses it: with 1,000 tenants that takes 16 MB, which Python does not give back.
            assert b"\nsoftswitch_" in page
            look(page)
            report.scrapes += 1
            await asyncio.sleep(1)


async def _reload(fast: FastFleet, file: Path, url: str, tenants: int, report: Report) -> None:
    for number in count(1):
        await asyncio.sleep(RELOAD_EVERY * MINUTE)
        file.write_text(_configuration(url, tenants, number))  # noqa: ASYNC240 -- as an operator does
        await fast.reload()
        report.reloads += 1


async def _live(tenants: int, minutes: int, report: Report, look: Callable[[bytes], None]) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: report.complaints.append(str(context)))
    chance = random.Random(1)  # noqa: S311 -- the same life each time
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        async with fake_switch(*(f"T{number}" for number in range(tenants))) as switch:
            file.write_text(_configuration(switch.url, tenants, 0))
            async with fast_fleet(lambda: load(file, {}), Mask()) as fast:
                sources = Sources(fast.exposition, lambda: fast.fleet.pollers, lambda: True, fast.clock)
                server = await serve(sources, [("127.0.0.1", 0)], "/metrics")
                host, port = server.addresses[0]
                work = [
                    asyncio.create_task(life)
                    for life in (
                        _break_things(switch, report, chance),
                        _scrape(f"http://{host}:{port}/metrics", report, look),
                        _reload(fast, file, switch.url, tenants, report),
                    )
                ]
                for _ in range(minutes):
                    await asyncio.sleep(MINUTE - _COUNTED_FOR)
                    report.counts.append(await _count())
                    report.complaints += [repr(task.exception()) for task in work if task.done()]
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
                await server.close()


def soak(tenants: int, minutes: int, look: Callable[[bytes], None] = lambda _: None) -> Report:
    """Live so many minutes, and return what was seen. ``look`` is given each page."""
    report = Report()
    with _Complaints(report).heard(), asyncio.Runner(loop_factory=FastLoop) as runner:
        runner.run(_live(tenants, minutes, report, look))
    return report


def main() -> int:
    """Soak, tell the figures, and fail where anything grew or complained."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tenants", type=int, default=5000)
    arguments.add_argument("--minutes", type=int, default=60)
    given: Any = arguments.parse_args()
    if given.minutes < LEAST:
        arguments.error(f"--minutes: at least {LEAST}, or nothing can be told")
    started = time.monotonic()
    report = soak(given.tenants, given.minutes)
    faults = report.faults()
    for line in (*report.lines(), f"it took {time.monotonic() - started:.0f} s"):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write("".join(f"FAILED: {fault}\n" for fault in faults) or "sound\n")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
