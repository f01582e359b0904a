"""Outages of a switch that last hours, on the fast clock: requests, values, metrics and recovery.

Expected values are derived here from section 5 of the design, not from the code.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from exporter.config import SwitchConfiguration
from exporter.simulator.api import Entry
from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.options import Options
from exporter.simulator.request import KeyKind
from tests.e2e.fast_clock import run
from tests.e2e.fast_fleet import SCRAPE_EVERY, FastExporter, Scrape, fast_exporter
from tests.e2e.programs import Series, print_result

Configured = Callable[..., SwitchConfiguration]

MINUTE = 60.0
HOUR = 3600.0
LONGEST_PAUSE = 15 * MINUTE
TIMEOUT = 60.0
STALE_AFTER = 3
MAX_CONCURRENCY = 4
CODES = ("ACME", "BOREAL", "CINDER", "DELTA9", "EIDER", "FJORD", "GLADE", "HAVEN", "INDIGO")

# The defaults, in seconds.
INTERVALS = {
    ("peers", "switch"): 60.0,
    ("channels", "switch"): 30.0,
    ("calls", "switch"): 30.0,
    ("license", "switch"): HOUR,
    ("channels", "tenant"): 120.0,
    ("calls", "tenant"): 120.0,
    ("balance", "tenant"): 300.0,
}
SHORTEST = min(INTERVALS.values())
VALUES = {
    ("peers", "switch"): "softswitch_peers",
    ("channels", "switch"): "softswitch_channels",
    ("calls", "switch"): "softswitch_calls",
    ("license", "switch"): "softswitch_license_remaining_seconds",
    ("channels", "tenant"): "softswitch_tenant_channels",
    ("calls", "tenant"): "softswitch_tenant_calls",
    ("balance", "tenant"): "softswitch_tenant_balance",
}
_REQUESTED = {
    "COUNTPEERS": "peers",
    "COUNTCHANNELS": "channels",
    "COUNTCALLS": "calls",
    "LICENSEDAYS": "license",
    "INFO": "balance",
}

Target = tuple[str, str, str]
"""Query, scope, tenant."""

TARGETS: tuple[Target, ...] = tuple(
    (query, scope, code) for query, scope in INTERVALS for code in (("",) if scope == "switch" else CODES)
)


def _interval(target: Target) -> float:
    return INTERVALS[target[0], target[1]]


def _target(entry: Entry) -> Target:
    tenant = entry.parameters.get("tenant", "")
    return _REQUESTED[entry.parameters["reqtype"]], "tenant" if tenant else "switch", tenant


def _of(target: Target) -> dict[str, str]:
    return dict(zip(("query", "scope", "tenant"), target, strict=True))


def _series(target: Target) -> Series:
    tenant = {"tenant": target[2]} if target[2] else {}
    return VALUES[target[:2]], frozenset({"switch": "pbx", **tenant}.items())


def attempts_with_backoff(interval: float, duration: float) -> int:
    """Count the attempts at a failing target in ``duration`` seconds; the first one is at the start.

    The first failure causes no pause. Then the pause doubles, to at most 15 minutes in whole intervals.
    """
    at, attempts, pause = 0.0, 0, interval
    while at < duration:
        attempts += 1
        at += min(pause, LONGEST_PAUSE // interval * interval)
        pause *= 2
    return attempts


def key_attempts(duration: float) -> int:
    """Count the attempts with a refused key in ``duration`` seconds: after 5, 10, 20 … s."""
    pauses = (min(5.0 * 2**doublings, LONGEST_PAUSE) for doublings in itertools.count())
    return sum(1 for _ in itertools.takewhile(lambda at: at < duration, itertools.accumulate(pauses)))


def _configuration(configured: Configured, url: str, **settings: object) -> SwitchConfiguration:
    settings = {"key": "demo-admin", "tenants": [{"code": code} for code in CODES], **settings}
    return configured(url=url, **settings)


@dataclass(frozen=True)
class Outage:
    """Faults that are active for ``duration`` seconds. Affected targets fail with ``reason``.

    ``up`` and ``breaker``: softswitch_up and softswitch_breaker_open at the end.
    """

    name: str
    faults: tuple[Fault, ...]
    affects: Callable[[Target], bool]
    reason: str
    duration: float = 40 * MINUTE
    up: float = 1.0
    breaker: float = 0.0


@dataclass
class Report:
    """Observations of an outage. ``recovered``: seconds after the end until the first response."""

    outage: Outage
    start: float
    end: float
    requests: list[Entry]
    before: Scrape
    last: Scrape
    scrapes: list[Scrape]
    recovered: dict[Target, float] = field(default_factory=dict)

    def during(self) -> Counter[Target]:
        """Count the requests of each target during the outage."""
        return Counter(_target(entry) for entry in self.requests if self.start <= entry.time < self.end)

    def metric(self, name: str, target: Target, scrape: Scrape | None = None, **labels: str) -> float | None:
        """Return a metric of a target, by default at the end of the outage."""
        key = name, frozenset({"switch": "pbx", **_of(target), **labels}.items())
        return (scrape or self.last).series.get(key)

    def skipped(self, reason: str) -> dict[tuple[str, str], float]:
        """Return how many targets of each query were skipped for this reason during the outage."""
        return {
            (query, scope): self.last.series[key] - self.before.series[key]
            for query, scope in INTERVALS
            for key in [
                (
                    "softswitch_targets_skipped_total",
                    frozenset({"switch": "pbx", "query": query, "scope": scope, "reason": reason}.items()),
                )
            ]
        }

    def absent(self, target: Target) -> tuple[float, float] | None:
        """Return the times of the first and last scrape without the value of a target, or None."""
        missing = [scrape.at for scrape in self.scrapes if _series(target) not in scrape.series]
        return (missing[0], missing[-1]) if missing else None

    def print(self) -> None:
        """Print the request rates and recovery times."""
        per_minute = MINUTE / (self.end - self.start)
        sent = self.during()
        affected = {target: count for target, count in sent.items() if self.outage.affects(target)}
        usual = sum(MINUTE / _interval(target) for target in TARGETS)
        usual_affected = sum(MINUTE / _interval(target) for target in TARGETS if self.outage.affects(target))
        print_result(
            f"{self.outage.name}: {sent.total() * per_minute:.2f} requests a minute (normally {usual:.2f}), "
            f"{sum(affected.values()) * per_minute:.3f} of them to affected targets ({usual_affected:.2f})"
        )
        for target, seconds in sorted(self.recovered.items()):
            if self.outage.affects(target):
                print_result(
                    f"  {' '.join(target)}: {sent[target]} requests, recovered after {seconds:.0f} s"
                )


async def _run_outage(exporter: FastExporter, outage: Outage, recovery: float) -> Report:
    """Run 10 minutes without faults, then the outage, then ``recovery`` seconds."""
    await exporter.advance(10 * MINUTE)
    before, start, first = exporter.scrape(), exporter.now, len(exporter.scrapes)
    with exporter.fault(*outage.faults):
        await exporter.advance(outage.duration)
        last, end = exporter.scrape(), exporter.now
    await exporter.advance(recovery)
    exporter.scrape()
    report = Report(outage, start, end, exporter.requests(), before, last, exporter.scrapes[first:])
    for entry in report.requests:
        target = _target(entry)
        if entry.time >= end and entry.outcome == "answered" and target not in report.recovered:
            report.recovered[target] = entry.time - end
    return report


_REFUSED = ("BOREAL", "EIDER", "HAVEN")

TARGET_OUTAGES = (
    Outage(
        "a third of the tenants refused",
        tuple(Fault(FaultKind.REFUSE_KEY, tenant=code) for code in _REFUSED),
        lambda target: target[2] in _REFUSED,
        "auth",
    ),
    Outage(
        "only COUNTPEERS times out",
        (Fault(FaultKind.HANG, reqtype="COUNTPEERS"),),
        lambda target: target[0] == "peers",
        "timeout",
    ),
    Outage(
        "one tenant hangs",
        (Fault(FaultKind.HANG, tenant="FJORD"),),
        lambda target: target[2] == "FJORD",
        "timeout",
    ),
)


@pytest.mark.parametrize("outage", TARGET_OUTAGES, ids=lambda outage: outage.name)
def test_backoff_slows_down_only_failing_targets(outage: Outage, configured: Configured) -> None:
    """A target that times out or is refused is requested less and less, becomes stale, and recovers."""

    async def scenario() -> Report:
        async with fast_exporter(lambda url: _configuration(configured, url), tenants=len(CODES)) as exporter:
            report = await _run_outage(exporter, outage, LONGEST_PAUSE + 2 * MINUTE + HOUR / 10)
            assert not exporter.poller.policy.backoff_count
            assert not exporter.poller.policy.refused_keys
            return report

    report = run(scenario())

    report.print()
    _assert_requests(report)
    _assert_metrics(report)
    _assert_values(report)


def _assert_requests(report: Report) -> None:
    sent, duration = report.during(), report.outage.duration
    for target in TARGETS:
        interval = _interval(target)
        if not report.outage.affects(target):
            assert abs(sent[target] - duration / interval) <= 1, target
            continue
        # The first attempt may come up to an interval after the start. A hanging target may be requested
        # less often: it is skipped while a request is in flight, and failing targets share a slot.
        hangs = report.outage.reason == "timeout"
        least = attempts_with_backoff(interval, duration - interval) - (2 if hangs else 0)
        assert least <= sent[target] <= attempts_with_backoff(interval, duration), target
        # It is retried within the longest pause; another tenant may occupy the slot first.
        assert report.recovered[target] <= LONGEST_PAUSE + (2 * interval if hangs else 0), target


def _assert_metrics(report: Report) -> None:
    for target in TARGETS:
        affected = report.outage.affects(target)
        assert report.metric("softswitch_query_success", target) == float(not affected), target
        failing = report.metric("softswitch_query_failure", target, reason=report.outage.reason)
        assert failing == (1 if affected else None), target
        assert report.metric("softswitch_query_success", target, report.scrapes[-1]) == 1, target
    assert all(
        scrape.series["softswitch_up", frozenset({("switch", "pbx")})] == report.outage.up
        and scrape.series["softswitch_breaker_open", frozenset({("switch", "pbx")})] == report.outage.breaker
        for scrape in report.scrapes
    )
    sent, duration = report.during(), report.outage.duration
    skipped, in_flight = report.skipped("backoff"), report.skipped("in_flight")
    for query, scope in INTERVALS:
        affected_targets = [t for t in TARGETS if t[:2] == (query, scope) and report.outage.affects(t)]
        not_sent = sum(duration / _interval(target) - sent[target] for target in affected_targets)
        counted = skipped[query, scope] + in_flight[query, scope]
        assert abs(counted - not_sent) <= len(affected_targets), (query, scope)
    assert not any(report.skipped("breaker").values())
    assert not any(report.skipped("budget").values())


def _assert_values(report: Report) -> None:
    for target in TARGETS:
        absent = report.absent(target)
        if not report.outage.affects(target):
            assert absent is None, target
            continue
        assert absent is not None, target
        kept = STALE_AFTER * _interval(target)
        # The last success was up to an interval before the start.
        assert kept - _interval(target) - SCRAPE_EVERY <= absent[0] - report.start <= kept + SCRAPE_EVERY
        back = report.end + report.recovered[target]
        assert absent[1] <= back + SCRAPE_EVERY, target


def test_an_unresponsive_switch_receives_only_probes(configured: Configured) -> None:
    """If all requests time out, the breaker opens, and one probe is sent per shortest interval."""
    outage = Outage(
        "all requests time out", (Fault(FaultKind.HANG),), lambda _: True, "timeout", HOUR / 2, 0.0, 1.0
    )
    recovery = HOUR / 4

    async def scenario() -> Report:
        async with fast_exporter(lambda url: _configuration(configured, url), tenants=len(CODES)) as exporter:
            report = await _run_outage(exporter, outage, recovery)
            assert not exporter.poller.policy.breaker.is_open
            return report

    report = run(scenario())

    report.print()
    switch = frozenset({("switch", "pbx")})
    opened = next(s.at for s in report.scrapes if s.series["softswitch_breaker_open", switch])
    closed = next(
        s.at for s in report.scrapes if s.at > opened and not s.series["softswitch_breaker_open", switch]
    )
    down = next(s.at for s in report.scrapes if not s.series["softswitch_up", switch])
    up = next(s.at for s in report.scrapes if s.at > down and s.series["softswitch_up", switch])
    before_it_opened = [e for e in report.requests if report.start <= e.time < opened]
    probes = [e for e in report.requests if opened <= e.time < report.end]
    print_result(
        f"  open after {opened - report.start:.0f} s and {len(before_it_opened)} requests; "
        f"{len(probes)} probes in {report.end - opened:.0f} s; "
        f"closed {closed - report.end:.0f} s after the end; "
        f"down after {down - report.start:.0f} s, up {up - report.end:.0f} s after the end"
    )
    # Four requests at a time hang for a minute: the fifth failure comes with the second four.
    assert opened - report.start <= SHORTEST + 2 * TIMEOUT + SCRAPE_EVERY
    assert len(before_it_opened) <= 3 * MAX_CONCURRENCY
    assert len({_target(entry) for entry in probes}) == 1
    assert len(probes) <= (report.end - opened) / SHORTEST + 1
    assert len(probes) >= (report.end - opened) / (SHORTEST + TIMEOUT) - 1
    gaps = [later.time - earlier.time for earlier, later in itertools.pairwise(probes)]
    assert min(gaps) >= SHORTEST
    # A hanging probe has to time out before the next one.
    assert closed - report.end <= TIMEOUT + SHORTEST + SCRAPE_EVERY
    window = max(3 * SHORTEST, 2 * TIMEOUT)
    assert window - SHORTEST <= down - report.start <= window + SHORTEST + SCRAPE_EVERY
    assert up - report.end <= TIMEOUT + SHORTEST + SCRAPE_EVERY
    for target in TARGETS:
        if target[0] == "license":
            continue  # kept for three hours
        interval = _interval(target)
        absent = report.absent(target)
        assert absent is not None, target
        assert absent[0] - report.start <= STALE_AFTER * interval + SCRAPE_EVERY, target
        # Targets failed at most twice before the breaker opened, so backoff skips at most two intervals.
        assert report.recovered[target] <= closed - report.end + 3 * interval, target
        assert absent[1] <= report.end + report.recovered[target] + SCRAPE_EVERY, target
    assert report.absent(("license", "switch", "")) is None
    assert sum(report.skipped("breaker").values()) > 0


@dataclass(frozen=True)
class WrongKey:
    """Settings with a wrong key. ``owner``: the tenant with that key, or "" for the switch."""

    name: str
    settings: Mapping[str, object]
    latency: float = 0.0
    owner: str = ""


@pytest.mark.parametrize(
    "wrong",
    [
        WrongKey("admin key", {"key": "wrong"}),
        WrongKey("admin key, responses take 2 s", {"key": "wrong"}, latency=2.0),
        WrongKey(
            "a tenant's own key",
            {"tenants": [{"code": code} for code in CODES[1:]] + [{"code": CODES[0], "key": "wrong"}]},
            owner=CODES[0],
        ),
    ],
    ids=lambda wrong: wrong.name,
)
def test_a_wrong_key_is_rarely_sent(wrong: WrongKey, configured: Configured) -> None:
    """In an hour: three refusals, requests in flight by then, and attempts after 5, 10 … s, up to 15 min."""

    async def scenario() -> list[Entry]:
        async with fast_exporter(
            lambda url: _configuration(configured, url, **wrong.settings),
            tenants=len(CODES),
            options=Options(latency=wrong.latency),
        ) as exporter:
            await exporter.advance(HOUR)
            return exporter.requests()

    requests = run(scenario())

    sent = [entry for entry in requests if entry.key == KeyKind.WRONG]
    in_flight = MAX_CONCURRENCY - 1 if wrong.latency else 0
    refused_at = sent[2].time + wrong.latency
    allowed = 3 + in_flight + key_attempts(requests[0].time + HOUR - refused_at)
    print_result(f"a wrong key ({wrong.name}): {len(sent)} requests in an hour; the design allows {allowed}")
    assert 3 < len(sent) <= allowed
    assert {entry.parameters.get("tenant", "") for entry in sent} >= {wrong.owner}
    if wrong.owner:
        assert all(entry.parameters.get("tenant") == wrong.owner for entry in sent)
        assert len(requests) - len(sent) > HOUR / SHORTEST  # others are polled as usual
    else:
        assert len(sent) == len(requests)
