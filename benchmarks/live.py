"""The daemon at its default intervals: 5 switches with 2,000 tenants each, scraped every 5 s."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measures import Reader, cpu_seconds, resident_bytes
from benchmarks.poll import stub
from benchmarks.table import Row, compared
from tests.e2e.programs import Start, get_json, start_exporter, wait_until

_SWITCHES = 5
_TENANTS = 2000
_SCRAPED_EVERY = 5.0
_ROUND_TRIP = 0.1
"""Seconds until the stub responds."""

_WARM = 40.0
"""Seconds; the first sweep takes 30."""

_CPU, _LATENESS, _MEMORY = 0.2, 1.0, 150e6


@dataclass
class _Usage:
    """The usage of a daemon: share of a core, seconds, requests, bytes, seconds."""

    cpu: float
    lateness: float
    in_flight: int
    memory: int
    scrape: float


def rows(run: Start, directory: Path, minutes: float) -> Iterator[Row]:
    """Run it with half of the tenants, then with all."""
    half = _run(run, directory, _TENANTS // 2, minutes)
    whole = _run(run, directory, _TENANTS, minutes)
    what = f"live, {_SWITCHES * _TENANTS:,} tenants"
    yield compared(f"{what}: CPU of a core", whole.cpu, "target", _CPU, "%", at_most=1)
    yield compared(f"{what}: lateness p99", whole.lateness, "target", _LATENESS, "s", at_most=1)
    yield compared(f"{what}: memory", whole.memory, "target", _MEMORY, "MB", at_most=1)
    yield compared(f"{what}: CPU", whole.cpu, "half as many", half.cpu, "%", at_most=2.2)
    yield compared(f"{what}: memory", whole.memory, "half as many", half.memory, "MB", at_most=2)
    yield compared(f"{what}: slowest scrape", whole.scrape, "half as many", half.scrape, "ms")
    yield compared(
        f"{what}: most requests in flight", whole.in_flight, "half as many", half.in_flight, "requests"
    )


def _run(run: Start, directory: Path, tenants: int, minutes: float) -> _Usage:
    with stub(f"--round-trip={_ROUND_TRIP}") as url:
        exporter = start_exporter(run, directory / f"live-{tenants}.yaml", _configuration(url, tenants))
        pid = exporter.program.process.pid
        time.sleep(_WARM)
        reader = Reader(f"{exporter.base_url}/metrics", gzip=True)
        cpu, started, scrapes, flights = cpu_seconds(pid), time.monotonic(), [], []
        while (elapsed := time.monotonic() - started) < minutes * 60:
            scrapes.append(reader.fetch()[0])
            flights.append(get_json(f"{url}in-flight")["most"])
            time.sleep(max(0.0, _SCRAPED_EVERY - (time.monotonic() - started - elapsed)))
        cpu = (cpu_seconds(pid) - cpu) / (time.monotonic() - started)
        lateness = wait_until(lambda: get_json(f"{url}lateness"), 10, "the lateness of the requests")
        memory = resident_bytes(pid)
        exporter.program.stop()
        return _Usage(cpu, lateness["p99"], max(flights), memory, max(scrapes))


def _configuration(url: str, tenants: int) -> str:
    switches = [
        {
            "name": f"pbx-{switch}",
            "url": f"{url}{switch}",
            "key": "key",
            "max_concurrency": 50,
            "max_requests_per_second": 250,
            # No phones: the requests for them would outweigh all others.
            "tenants": [{"code": f"T{number:05}", "extensions": "none"} for number in range(tenants)],
        }
        for switch in range(_SWITCHES)
    ]
    return json.dumps({"switches": switches})
