"""What the shipped rules cost a real Prometheus: seconds that an evaluation of each group takes.

A simulated switch of 2,000 tenants with 20 extensions each is polled by the exporter, everything on. What the
rules look back on for longer than the run is made up beforehand: a week of the records that they keep.

    python -m benchmarks.rules [--tenants=2000] [--extensions=20] [--minutes=20]
"""

import argparse
import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.e2e.programs import Simulator, get_json, running_programs, start_exporter, start_simulator
from tests.e2e.prometheus import Prometheus, start_prometheus
from tests.rule_files import ALERTS_FILE, RECORDS_FILE

_SWITCH = "pbx"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_HISTORY = (
    # record, of each tenant, how far back, how often
    ("switch_tenant:softswitch_tenant_spending:rate1h", True, 7 * _DAY, 5 * _MINUTE),
    ("switch_tenant:softswitch_tenant_spending:rate5m", True, _DAY, 5 * _MINUTE),
    ("switch_tenant:softswitch_tenant_calls:last", True, 7 * _DAY, _MINUTE),
    ("switch:softswitch_calls:last", False, 7 * _DAY, _MINUTE),
)
_LONG = 0.02
"""Seconds."""
_WEEK_AGO = 2 * _HOUR
"""Calls are compared with an hour a week ago: no more of them is made up than that and its neighbours."""


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
            run, f"--tenants={arguments.tenants}", f"--extensions={arguments.extensions}"
        )
        tenants = list(simulator.truth()["tenants"])
        _write_history(directory, tenants)
        exporter = start_exporter(run, directory / "config.yaml", _configuration(simulator, tenants))
        prometheus = start_prometheus(
            run,
            _program("prometheus"),
            directory,
            exporter,
            interval="30s",
            rules=[RECORDS_FILE, ALERTS_FILE],
        )
        _report(prometheus, _measure(prometheus, arguments.minutes))


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        sys.exit(f"{name} is not installed: apt-get install prometheus")
    return path


def _configuration(simulator: Simulator, tenants: Iterable[str]) -> str:
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
        "tenants": [{"code": code} for code in tenants],
    }
    return json.dumps({"switches": [switch]})


def _write_history(directory: Path, tenants: list[str]) -> None:
    """Make blocks of the week before, a day at a time: promtool reads its input once for each 2 hours."""
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
            # Busy by day: the values differ from sample to sample, as real ones do.
            yield from (
                f"{record}{{{labels}}} {1 + math.sin(2 * math.pi * at / _DAY):.6f} {at}\n" for at in times
            )


def _measure(prometheus: Prometheus, minutes: int) -> list[dict[str, float]]:
    """Return, for each minute, the seconds that the newest evaluation of each group and rule took."""
    taken = []
    for _ in range(minutes):
        time.sleep(_MINUTE)
        groups = get_json(f"{prometheus.base_url}/api/v1/rules")["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        sick = [rule["name"] for rule in rules if rule["health"] == "err"]
        if sick:
            sys.exit(f"rules that fail: {sick}")
        taken.append(
            {f"all {len(rules)} rules": sum(group["evaluationTime"] for group in groups)}
            | {group["name"]: group["evaluationTime"] for group in groups}
            | {f"  {rule['name']}": rule["evaluationTime"] for rule in rules}
        )
    return taken


def _report(prometheus: Prometheus, taken: list[dict[str, float]]) -> None:
    (samples,) = prometheus.series("scrape_samples_scraped").values()
    print(f"{samples:.0f} samples a scrape; seconds that an evaluation takes:")
    print(f"{'group, or rule that takes long':64} {'median':>8} {'longest':>8}")
    for name in taken[-1]:
        seconds = [minute[name] for minute in taken if name in minute]
        if not name.startswith(" ") or max(seconds) > _LONG:
            print(f"{name:64} {statistics.median(seconds):8.3f} {max(seconds):8.3f}")


if __name__ == "__main__":
    main()
