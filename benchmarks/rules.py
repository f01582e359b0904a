"""The cost of the shipped rules in a real Prometheus: seconds per evaluation of each group.

The exporter polls a simulated switch with 2,000 tenants and 20 extensions each, with all queries. The week of
recorded series that the rules need is generated first.

    python -m benchmarks.rules [--tenants=2000] [--extensions=20] [--minutes=20]

On a busy machine use the CPU time: that of Prometheus with the rules minus that without them.
"""

import argparse
import json
import math
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.e2e.programs import (
    Simulator,
    get,
    get_json,
    running_programs,
    samples,
    start_exporter,
    start_simulator,
)
from tests.e2e.prometheus import Prometheus, start_prometheus
from tests.rule_files import ALERTS_FILE, RECORDS_FILE

_SWITCH = "pbx"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_HISTORY = (
    # record, per tenant, range, step
    ("switch_tenant:softswitch_tenant_spending:rate1h", True, 7 * _DAY, 5 * _MINUTE),
    ("switch_tenant:softswitch_tenant_spending:rate5m", True, _DAY, 5 * _MINUTE),
    ("switch_tenant:softswitch_tenant_calls:last", True, 7 * _DAY, _MINUTE),
    ("switch:softswitch_calls:last", False, 7 * _DAY, _MINUTE),
)
_ONE_IN = 50
"""One tenant of so many has little credit."""
_PER_SECOND = 4 / _DAY
_MINUTES_WITHOUT = 3
_CPU = "CPU time of the rules per minute"
_LONG = 0.02
"""Seconds."""
_ACTIVE = "count by (alertstate) (ALERTS)"
_WEEK_AGO = 2 * _HOUR
"""Rules compare calls with one hour a week ago, so only these hours are generated."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tenants", type=int, default=2000)
    parser.add_argument("--extensions", type=int, default=20)
    parser.add_argument("--minutes", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, running_programs(Path(name)) as run:
        directory = Path(name)
        simulator = start_simulator(
            run, f"--tenants={arguments.tenants}", f"--extensions={arguments.extensions}", "--speed=1"
        )
        balances = {code: tenant["balance"] for code, tenant in simulator.truth()["tenants"].items()}
        _write_history(directory, list(balances))
        exporter = start_exporter(run, directory / "config.yaml", _configuration(simulator, balances))
        rules = directory / "rules"
        rules.mkdir()
        prometheus = start_prometheus(
            run, _program("prometheus"), directory, exporter, interval="30s", rules=[rules / "*.yaml"]
        )
        time.sleep(_MINUTE)  # to load the history
        without = _measure(prometheus, _MINUTES_WITHOUT)
        for file in (RECORDS_FILE, ALERTS_FILE):
            shutil.copy(file, rules)
        prometheus.program.process.send_signal(signal.SIGHUP)
        _report(prometheus, without, _measure(prometheus, arguments.minutes))


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        sys.exit(f"{name} is not installed; install it with: apt-get install prometheus")
    return path


def _configuration(simulator: Simulator, balances: Mapping[str, float]) -> str:
    low = sorted(balances.values())[len(balances) // _ONE_IN]
    switch: dict[str, Any] = {
        "name": _SWITCH,
        "url": simulator.url,
        "key": "demo-admin",
        "max_requests_per_second": 200,
        "queries": {
            "registrations": {"tenant_interval": "5m", "source": "peers"},
            "limits": {"tenant_interval": "6h"},
        },
        "tenant_defaults": {"extensions": "all", "watch": ["100"], "labels": {"team": "noc"}},
        "thresholds": {"balance": {"warning": low, "critical": "off"}},
        "tenants": [{"code": code} for code in balances],
    }
    return json.dumps({"switches": [switch]})


def _write_history(directory: Path, tenants: list[str]) -> None:
    """Write blocks of the last week, one day at a time: promtool reads its input once per 2 hours."""
    now = time.time()
    for day in range(7, -1, -1):
        begin, end = now - (day + 1) * _DAY, min(now - day * _DAY, now)
        file = directory / "history.om"
        with file.open("w") as out:
            out.writelines(_lines(tenants, begin, end, now))
            out.write("# EOF\n")
        command = [
            _program("promtool"), "tsdb", "create-blocks-from", "openmetrics",
            str(file), str(directory / "prometheus-data"),
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        file.unlink()


def _lines(tenants: list[str], begin: float, end: float, now: float) -> Iterator[str]:
    for record, of_tenants, back, step in _HISTORY:
        oldest = now - back - _HOUR
        newest = now - back + _WEEK_AGO if "calls" in record else now
        times = range(math.ceil(max(begin, oldest) / step) * step, int(min(end, newest)), step)
        if not times:
            continue
        yield f"# TYPE {record} gauge\n"
        for tenant in tenants if of_tenants else [""]:
            labels = f'switch="{_SWITCH}"' + (f',tenant="{tenant}"' if tenant else "")
            # The values differ from sample to sample, as real ones do; the spending is 4 per day.
            scale = _PER_SECOND if "spending" in record else 1
            yield from (
                f"{record}{{{labels}}} {scale * (1 + math.sin(2 * math.pi * at / _DAY)):.9f} {at}\n"
                for at in times
            )


def _measure(prometheus: Prometheus, minutes: int) -> list[dict[str, float]]:
    """Return the duration of the newest evaluation of each group and rule, for each minute."""
    taken = []
    for _ in range(minutes):
        before = _cpu_seconds(prometheus)
        time.sleep(_MINUTE)
        groups = get_json(f"{prometheus.base_url}/api/v1/rules")["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        failing = [rule["name"] for rule in rules if rule["health"] == "err"]
        if failing:
            sys.exit(f"failing rules: {failing}")
        taken.append(
            {_CPU: _cpu_seconds(prometheus) - before}
            | {f"all {len(rules)} rules": sum(group["evaluationTime"] for group in groups)}
            | {group["name"]: group["evaluationTime"] for group in groups}
            | {f"  {rule['name']}": rule["evaluationTime"] for rule in rules}
        )
    return taken


def _cpu_seconds(prometheus: Prometheus) -> float:
    return samples(get(f"{prometheus.base_url}/metrics").decode())["process_cpu_seconds_total", frozenset()]


def _report(prometheus: Prometheus, without: list[dict[str, float]], taken: list[dict[str, float]]) -> None:
    idle = statistics.median(minute[_CPU] for minute in without)
    for minute in taken:
        minute[_CPU] -= idle
    (scraped,) = prometheus.series("scrape_samples_scraped").values()
    active = {
        dict(labels)["alertstate"]: number for (_, labels), number in prometheus.series(_ACTIVE).items()
    }
    print(f"{scraped:.0f} samples per scrape; alerts: {active}; seconds per evaluation:")
    print(f"{'group, or slow rule':64} {'median':>8} {'longest':>8}")
    for name in taken[-1]:
        seconds = [minute[name] for minute in taken if name in minute]
        if not name.startswith(" ") or max(seconds) > _LONG:
            print(f"{name:64} {statistics.median(seconds):8.3f} {max(seconds):8.3f}")


if __name__ == "__main__":
    main()
