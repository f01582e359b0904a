"""The time from the start of the program to a complete scrape, and the cost of its imports."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.poll import stub
from benchmarks.table import Row, compared
from tests.e2e.programs import Start, start_exporter, wait_until

_TENANTS = 1000
_FAMILIES = ("softswitch_tenant_channels", "softswitch_tenant_calls", "softswitch_tenant_balance")
_PACING = 30.0
"""Seconds of the first sweep, if the rate limit allows it."""

_IMPORT = 0.5
"""Seconds."""

_WITHOUT_RICH = "import sys; sys.modules['rich'] = None; "
"""structlog loads rich if it is installed, as it is with the development tools."""

_DAEMON = "from exporter.cli.arguments import load; load('daemon')"

_LIBRARIES = (
    "import aiohttp.web, apscheduler.schedulers.asyncio, prometheus_client, pydantic, structlog;"
    "import yaml; "
    "pydantic.BaseModel"
)


def rows(run: Start, directory: Path, rounds: int) -> Iterator[Row]:
    """Measure the imports and one start."""
    costs: dict[str, list[float]] = {
        code: [] for code in ("pass", _WITHOUT_RICH + _DAEMON, _WITHOUT_RICH + _LIBRARIES)
    }
    for _ in range(rounds):
        for code, taken in costs.items():
            taken.append(_cpu(code))
    bare, ours, libraries = (statistics.median(taken) for taken in costs.values())
    yield compared("start: import, CPU", ours - bare, "0.5 s", _IMPORT, "s", at_most=1)
    yield compared("start: import, CPU", ours - bare, "its libraries only", libraries - bare, "s")
    with stub() as url:
        yield _first_scrape(run, directory, url)


def _cpu(code: str) -> float:
    """Return the CPU seconds of a program. Its modules are compiled, as after an installation."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _first_scrape(run: Start, directory: Path, url: str) -> Row:
    switch = {
        "name": "pbx",
        "url": url,
        "key": "key",
        "max_concurrency": 16,
        "max_requests_per_second": 150,
        "queries": {"registrations": {"tenant_interval": "off"}},
        "tenants": [{"code": f"T{number:05}"} for number in range(_TENANTS)],
    }
    began = time.monotonic()
    exporter = start_exporter(run, directory / "start.yaml", json.dumps({"switches": [switch]}))
    wait_until(lambda: _is_complete(exporter.metrics()), 120, "the values of every tenant")
    taken = time.monotonic() - began
    exporter.program.stop()
    what = f"start: {_TENANTS:,} tenants, to the first complete scrape"
    return compared(what, taken, "pacing of the first sweep", _PACING, "s", at_most=1.2)


def _is_complete(page: str) -> bool:
    return all(page.count(f"\n{family}{{") == _TENANTS for family in _FAMILIES)
