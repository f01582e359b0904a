"""What one evaluation of the alerts costs the daemon, and how long it holds up the event loop at a time.

A store as it is with so many tenants: six targets, one watched extension and four thresholds each. A share of
the tenants is in trouble: no credit, no phone, no channel left, every query refused. Garbage is not collected
while it is measured: what that takes is the same for all that the exporter does.

    python -m benchmarks.alerting [--tenants=5000] [--evaluations=30]
"""

import argparse
import gc
import statistics
import time
from collections.abc import Iterator

from exporter import catalogue
from exporter.alerting import state
from exporter.alerting.engine import INTERVAL, Engine
from exporter.alerting.look import Look
from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.store import Families, Store

_QUERIES = (Query.CHANNELS, Query.CALLS, Query.BALANCE, Query.REGISTRATIONS, Query.LIMITS, Query.EXTENSIONS)
_SHARES = (0.0, 0.1, 1.0)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tenants", type=int, default=5000)
    parser.add_argument("--evaluations", type=int, default=30)
    arguments = parser.parse_args()
    print(f"{arguments.tenants} tenants, {arguments.evaluations} evaluations; milliseconds of CPU time")
    heads = ("in trouble", "alerts", "evaluation", "longest", "slice", "longest", "file")
    print("".join(f"{head:>12}" for head in heads))
    for share in _SHARES:
        _report(arguments.tenants, arguments.evaluations, share)


def _report(tenants: int, evaluations: int, share: float) -> None:
    store, engine = filled_store(tenants), Engine()
    whole, slices = [], []
    gc.collect()
    gc.disable()
    for number in range(evaluations):
        now = number * INTERVAL
        let_a_minute_pass(store, tenants, share, now)
        taken = [*_slices(engine.evaluate({"pbx": Look(store, up=True, breaker_open=False, offset=0)}, now))]
        whole.append(sum(taken))
        slices += taken
    gc.enable()
    lines = list(state.dump(engine))
    row = [f"{share:.0%}", f"{len(engine.alerts.by_identity)}"]
    row += [f"{statistics.median(whole):.1f}", f"{max(whole):.1f}"]
    row += [f"{statistics.median(slices):.2f}", f"{max(slices):.2f}", f"{sum(map(len, lines)) / 1e6:.1f} MB"]
    print("".join(f"{cell:>12}" for cell in row))


def _slices(steps: Iterator[None]) -> Iterator[float]:
    """Return the milliseconds of CPU time of each step: a busy machine does not count."""
    began = time.thread_time()
    for _ in steps:
        yield (time.thread_time() - began) * 1000
        began = time.thread_time()
    yield (time.thread_time() - began) * 1000


def filled_store(tenants: int) -> Store:
    """Return a store with what is configured."""
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


def let_a_minute_pass(store: Store, tenants: int, share: float, now: float) -> None:
    """Take in new answers of every tenant; the first ones are in trouble."""
    states = (
        {"registered": 20.0, "unregistered": 0.0, "unknown": 0.0},
        {"registered": 0.0, "unregistered": 20.0, "unknown": 0.0},
    )
    for position, code in enumerate(_codes(tenants)):
        bad = position < share * tenants
        said: dict[Query, Families] = {
            Query.CHANNELS: {catalogue.TENANT_CHANNELS: 30.0 if bad else 3.0},
            Query.BALANCE: {catalogue.TENANT_BALANCE: -1.0 if bad else 500.0},
            Query.REGISTRATIONS: {
                catalogue.TENANT_EXTENSIONS: states[bad],
                catalogue.TENANT_EXTENSIONS: {
                    "registered": 0.0 if bad else 20.0,
                    "unregistered": 20.0 if bad else 0.0,
                    "unknown": 0.0,
                },
                catalogue.EXTENSION_REGISTERED: {str(100 + n): float(not bad) for n in range(20)},
            },
        }
        for query in _QUERIES:
            target = Target(query, Scope.TENANT, code)
            if query in said:
                store.put(target, said[query], interval=300, now=now)
            store.record(target, Failure(Reason.AUTH, "") if bad else None, now=now, wall=now)


def _codes(tenants: int) -> Iterator[str]:
    return (f"T{number:05}" for number in range(tenants))


if __name__ == "__main__":
    main()
