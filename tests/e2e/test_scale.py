"""200 tenants and slow responses: requests are evenly spread, limited, and as planned."""

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exporter.config import SwitchConfiguration
from exporter.simulator.options import Options
from exporter.simulator.world import Size, World
from tests.e2e.fast_clock import run
from tests.e2e.fast_fleet import fast_exporter
from tests.e2e.programs import print_result, run_command

TENANTS = 200
RATE = 19
CONCURRENCY = 6
QUERIES = ("channels", "calls", "balance")
DURATION = 70.0
"""Seconds. A cycle is 33 s: 600 requests at 95 % of the rate."""

_UNITS = {"m": 60.0, "s": 1.0}


def _planned_cycles(file: Path) -> dict[str, float]:
    """Return the cycle of each tenant query that ``--config.check`` prints, in seconds."""
    checked = run_command(f"--config.file={file}", "--config.check")
    assert checked.returncode == 0, checked.stderr
    rows = re.findall(r"^ +(\w+) +tenant +\d+ +\S+ +(\S+)$", checked.stdout, re.MULTILINE)
    return {
        query: sum(float(count) * _UNITS[unit] for count, unit in re.findall(r"([\d.]+)([ms])", cycle))
        for query, cycle in rows
    }


def _most_within(times: list[float], seconds: float) -> int:
    """Return the largest number of sorted times within a window."""
    return max(bisect_left(times, start + seconds) - first for first, start in enumerate(times))


def test_requests_are_evenly_spread_and_as_planned(
    configured: Callable[..., SwitchConfiguration], tmp_path: Path
) -> None:
    """There are no bursts, rate and concurrency are limited, and the cycle is the planned one."""
    codes = [tenant.code for tenant in World(Size(tenants=TENANTS)).tenants() if not tenant.disabled]

    def configure(url: str) -> SwitchConfiguration:
        return configured(
            url=url,
            key="demo-admin",
            timeout="10s",
            max_requests_per_second=RATE,
            max_concurrency=CONCURRENCY,
            queries={
                "peers": {"interval": "off"},
                "channels": {"interval": "off", "tenant_interval": "30s"},
                "calls": {"interval": "off", "tenant_interval": "30s"},
                "license": {"interval": "off"},
                "balance": {"tenant_interval": "30s"},
            },
            tenants=[{"code": code} for code in codes],
        )

    async def scenario() -> tuple[dict[str, float | None], list[float], Mapping[str, Any]]:
        async with fast_exporter(configure, tenants=TENANTS, options=Options(latency=0.2)) as exporter:
            await exporter.advance(DURATION)
            cycles = {
                query: exporter.value("softswitch_query_cycle_seconds", query=query, scope="tenant")
                for query in QUERIES
            }
            times = [entry.time for entry in exporter.requests()]
            return cycles, times, exporter.switch.parts.journal.counts()

    cycles, times, counts = run(scenario())

    planned = _planned_cycles(tmp_path / "config.yaml")
    busiest_second, busiest_5_seconds = _most_within(times, 1), _most_within(times, 5) / 5
    print_result(f"{len(times)} requests, {counts['most_in_flight']} in flight at most")
    print_result(f"busiest second: {busiest_second}; busiest 5 seconds: {busiest_5_seconds:.1f} per second")
    print_result(f"planned cycles: {planned}; measured: {cycles}")
    assert set(counts["by_outcome"]) == {"answered"}
    assert counts["most_in_flight"] <= CONCURRENCY
    assert counts["most_in_flight_of_a_tenant"] == 1
    assert busiest_second <= RATE + 1
    assert busiest_5_seconds <= RATE + 1
    assert busiest_5_seconds <= 1.2 * len(times) / (times[-1] - times[0])
    assert set(planned) == set(QUERIES)
    for query, cycle in cycles.items():
        assert cycle is not None, f"{query} did not finish a sweep"
        assert abs(cycle - planned[query]) <= 0.05 * planned[query]
