"""The cost of an evaluation of the alerts, and its longest step of the event loop.

Each tenant has six targets, 20 extensions, one of them watched, and four thresholds. All targets get a
response each minute, which is more often than the default intervals. Some tenants change: channels, credit,
one phone. Others are in trouble: no credit, no phone, no free channel, every query refused. The garbage
collector is off.

    python -m benchmarks.alerting [--tenants=5000] [--evaluations=30]
"""

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry

from benchmarks.measures import Watch
from exporter.alerting.engine import INTERVAL, Engine
from exporter.alerting.inputs import SwitchSnapshot
from exporter.alerting.service import AlertingService
from exporter.clock import Clock
from exporter.config import AlertingConfiguration
from exporter.config.fields import ValidationContext
from exporter.logs import configure
from exporter.masking import Mask
from exporter.metrics import catalogue
from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.store import Families, Store

_QUERIES = (Query.CHANNELS, Query.CALLS, Query.BALANCE, Query.REGISTRATIONS, Query.LIMITS, Query.EXTENSIONS)
_SHARES = ((0.0, 0.0), (0.2, 0.0), (1.0, 0.0), (0.2, 0.1), (0.2, 1.0))
"""Shares of tenants: changed since the last minute, and in trouble."""

_HEADS = ("changed", "in trouble", "alerts", "engine", "step", "total", "step", "status", "file")
_NOBODY = "http://127.0.0.1:9"


@dataclass
class _Costs:
    """Milliseconds of CPU time per evaluation and per step."""

    judging: list[float] = field(default_factory=list)
    judging_steps: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    whole_steps: list[float] = field(default_factory=list)
    status: list[float] = field(default_factory=list)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tenants", type=int, default=5000)
    parser.add_argument("--evaluations", type=int, default=30)
    arguments = parser.parse_args()
    configure("error", "logfmt", Mask())
    print(f"{arguments.tenants} tenants, {arguments.evaluations} evaluations; milliseconds of CPU time")
    print("engine: the rules only; total: with notifications and the state file; step: the longest step")
    print("".join(f"{head:>11}" for head in _HEADS))
    for changing, bad in _SHARES:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_report(arguments.tenants, arguments.evaluations, changing, bad, Path(folder)))


async def _report(tenants: int, evaluations: int, changing: float, bad: float, folder: Path) -> None:
    store, engine, costs, times = filled_store(tenants), Engine(), _Costs(), SimpleNamespace(now=0.0)
    alerting = await _daemon(store, times, folder)
    gc.collect()
    gc.disable()
    for minute in range(evaluations):
        times.now = minute * INTERVAL
        next_minute(store, tenants, minute, bad=bad, changing=changing)
        look = SwitchSnapshot(store, up=True, breaker_open=False, offset=0)
        steps = [*_steps(engine.evaluate({"pbx": look}, times.now))]
        costs.judging.append(sum(steps))
        costs.judging_steps += steps
        await _evaluate(alerting, costs)
    gc.enable()
    await alerting.stop()
    row = [f"{changing:.0%}", f"{bad:.0%}", f"{len(engine.alerts.by_identity)}"]
    row += [f"{statistics.median(costs.judging):.1f}", f"{max(costs.judging_steps):.2f}"]
    row += [f"{statistics.median(costs.whole):.1f}", f"{max(costs.whole_steps):.2f}"]
    row += [f"{max(costs.status):.2f}", f"{(folder / 'alerts.json').stat().st_size / 1e6:.1f} MB"]
    print("".join(f"{cell:>11}" for cell in row))


async def _evaluate(alerting: AlertingService, costs: _Costs) -> None:
    """Evaluate with a state file and an Alertmanager that is not reachable."""
    watch = Watch()
    watch.start()
    began = time.thread_time()
    await alerting.evaluate()
    costs.whole.append((time.thread_time() - began) * 1000)
    costs.whole_steps.append(watch.stop() * 1000)
    began = time.thread_time()
    alerting.status()
    costs.status.append((time.thread_time() - began) * 1000)


async def _daemon(store: Store, times: SimpleNamespace, folder: Path) -> AlertingService:
    breaker = SimpleNamespace(breaker=SimpleNamespace(is_open=False))
    poller: Any = SimpleNamespace(store=store, policy=breaker, is_up=lambda: True, drop_stale=lambda: None)
    clock = Clock(lambda: times.now, lambda: times.now)
    alerting = AlertingService(lambda: [poller], CollectorRegistry(), Mask(), clock)
    configuration = AlertingConfiguration.model_validate(
        {"alertmanagers": [{"url": _NOBODY}], "state_file": "alerts.json"},
        context=ValidationContext(folder, {}),
    )
    await alerting.adopt(configuration, await alerting.open(configuration))
    return alerting


def _steps(steps: Iterator[None]) -> Iterator[float]:
    """Yield the CPU time of each step in milliseconds."""
    began = time.thread_time()
    for _ in steps:
        yield (time.thread_time() - began) * 1000
        began = time.thread_time()
    yield (time.thread_time() - began) * 1000


def filled_store(tenants: int) -> Store:
    """Return a store with the metrics of the configuration."""
    store = Store("pbx", stale_after=3, max_series=1_000_000)
    for query in _QUERIES:
        store.set_interval(query, Scope.TENANT, 300)
    for code in _codes(tenants):
        store.set_info(code, "", {"team": "voice"})
        store.set(catalogue.TENANT_BALANCE_THRESHOLD, code, {"warning": 50.0, "critical": 10.0})
        store.set(catalogue.TENANT_REGISTERED_RATIO_THRESHOLD, code, {"warning": 0.9, "critical": 0.5})
        store.set(catalogue.EXTENSION_WATCHED, code, {"100": 1.0})
        store.set(catalogue.TENANT_CHANNELS_LIMIT, code, 30.0, part="configured")
    return store


def next_minute(store: Store, tenants: int, minute: int, *, bad: float, changing: float) -> None:
    """Store responses of every tenant. The share ``bad`` is in trouble; the share ``changing`` changes."""
    now = minute * INTERVAL
    for position, code in enumerate(_codes(tenants)):
        is_bad = position < bad * tenants
        # Rotating: with a fifth, every tenant changes in every fifth minute.
        version = int((minute + position % round(1 / changing)) * changing) if changing else 0
        values = _in_trouble(version) if is_bad else _well(version)
        for query in _QUERIES:
            target = Target(query, Scope.TENANT, code)
            if query in values:
                store.put(target, values[query], interval=300, now=now)
            store.record(target, Failure(Reason.AUTH, "") if is_bad else None, now=now, wall=now)


def _well(version: int) -> dict[Query, Families]:
    """Return the values of a healthy tenant; in every second version a phone is off."""
    off = str(101 + version % 19) if version % 2 else ""
    phones = {str(100 + number): 1.0 for number in range(20)}
    return _families(3.0 + version % 7, 500.0 - 0.37 * version, {**phones, off: 0.0} if off else phones)


def _in_trouble(version: int) -> dict[Query, Families]:
    return _families(30.0, -1.0 - 0.37 * version, {str(100 + number): 0.0 for number in range(20)})


def _families(channels: float, balance: float, phones: dict[str, float]) -> dict[Query, Families]:
    registered = sum(phones.values())
    states = {"registered": registered, "unregistered": len(phones) - registered, "unknown": 0.0}
    return {
        Query.CHANNELS: {catalogue.TENANT_CHANNELS: channels},
        Query.BALANCE: {catalogue.TENANT_BALANCE: balance},
        Query.REGISTRATIONS: {
            catalogue.TENANT_EXTENSIONS: states,
            catalogue.EXTENSION_REGISTERED: phones,
        },
    }


def _codes(tenants: int) -> Iterator[str]:
    return (f"T{number:05}" for number in range(tenants))


if __name__ == "__main__":
    main()
