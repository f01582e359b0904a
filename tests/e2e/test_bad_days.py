"""What a switch has to bear on its bad days, in hours of a fast clock: requests, values, metrics, recovery.

What is expected is worked out here from the design, section 5, and not from the code.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from exporter.config import SwitchConfiguration
from exporter.simulator.api import Entry
from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.options import Options
from exporter.simulator.request import KeyKind, Keys
from tests.e2e.fast_clock import SCRAPE_EVERY, FastExporter, Scrape, exporting, run
from tests.e2e.programs import Series, print_result

Configured = Callable[..., SwitchConfiguration]

MINUTE = 60.0
HOUR = 3600.0
LONGEST_PAUSE = 15 * MINUTE
TIMEOUT = 60.0
STALE_AFTER = 3
MAX_CONCURRENCY = 4
CODES = ("ACME", "BOREAL", "CINDER", "DELTA9", "EIDER", "FJORD", "GLADE", "HAVEN", "INDIGO")

# Seconds, as they are by default: of the whole installation, and of each tenant.
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


def slowed(interval: float, lasts: float) -> int:
    """Count the attempts in so many seconds at a target that is slowed down, the first one at their start.

    The first failure costs nothing, then the pause doubles, up to as many turns as there are in 15 minutes.
    """
    at, attempts, pause = 0.0, 0, interval
    while at < lasts:
        attempts += 1
        at += min(pause, LONGEST_PAUSE // interval * interval)
        pause *= 2
    return attempts


def trials(lasts: float) -> int:
    """Count the trials of a key in so many seconds after it came to be refused: after 5, 10, 20 … s."""
    pauses = (min(5.0 * 2**doublings, LONGEST_PAUSE) for doublings in itertools.count())
    return sum(1 for _ in itertools.takewhile(lambda at: at < lasts, itertools.accumulate(pauses)))


def _tenants(configured: Configured, url: str, **settings: object) -> SwitchConfiguration:
    settings = {"key": "demo-admin", "tenants": [{"code": code} for code in CODES], **settings}
    return configured(url=url, **settings)


@dataclass(frozen=True)
class BadDay:
    """One scenario. A fault ``lasts`` so many seconds, in which the targets of ``hurt`` fail with ``reason``.

    ``up`` and ``breaker``: what softswitch_up and softswitch_breaker_open are at its end.
    """

    name: str
    faults: tuple[Fault, ...]
    hurt: Callable[[Target], bool]
    reason: str
    lasts: float = HOUR
    up: float = 1.0
    breaker: float = 0.0


@dataclass
class Report:
    """What was seen of a scenario that began and ended at these moments."""

    day: BadDay
    began: float
    ended: float
    requests: list[Entry]
    before: Scrape
    last: Scrape
    scrapes: list[Scrape]
    recovered: dict[Target, float] = field(default_factory=dict)

    def during(self) -> Counter[Target]:
        """Count the requests of each target while the fault lasted."""
        return Counter(_target(entry) for entry in self.requests if self.began <= entry.time < self.ended)

    def metric(self, name: str, target: Target, scrape: Scrape | None = None, **labels: str) -> float | None:
        """Return what a metric said of a target, at the end of the fault unless another scrape is given."""
        key = name, frozenset({"switch": "pbx", **_of(target), **labels}.items())
        return (scrape or self.last).series.get(key)

    def skipped(self, reason: str) -> dict[tuple[str, str], float]:
        """Return how many targets of each query were skipped for this reason while the fault lasted."""
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
        """Return from when to when the value of a target was not served; None where it always was."""
        missing = [scrape.at for scrape in self.scrapes if _series(target) not in scrape.series]
        return (missing[0], missing[-1]) if missing else None

    def tell(self) -> None:
        """Print the figures."""
        per_minute = MINUTE / (self.ended - self.began)
        sent = self.during()
        hurt = {target: count for target, count in sent.items() if self.day.hurt(target)}
        usual = sum(MINUTE / _interval(target) for target in TARGETS)
        usual_hurt = sum(MINUTE / _interval(target) for target in TARGETS if self.day.hurt(target))
        print_result(
            f"{self.day.name}: {sent.total() * per_minute:.2f} requests a minute (well: {usual:.2f}), "
            f"of them {sum(hurt.values()) * per_minute:.3f} to what is hurt (well: {usual_hurt:.2f})"
        )
        for target, seconds in sorted(self.recovered.items()):
            if self.day.hurt(target):
                print_result(
                    f"  {' '.join(target)}: {sent[target]} requests, recovered after {seconds:.0f} s"
                )


async def _live_through(exporter: FastExporter, day: BadDay, healing: float) -> Report:
    """Let half an hour of health pass, then the fault, then so many seconds of recovery."""
    await exporter.passes(HOUR / 2)
    before, began, first = exporter.scrape(), exporter.now, len(exporter.scrapes)
    with exporter.fault(*day.faults):
        await exporter.passes(day.lasts)
        last, ended = exporter.scrape(), exporter.now
    await exporter.passes(healing)
    exporter.scrape()
    report = Report(day, began, ended, exporter.requests(), before, last, exporter.scrapes[first:])
    for entry in report.requests:
        target = _target(entry)
        if entry.time >= ended and entry.outcome == "answered" and target not in report.recovered:
            report.recovered[target] = entry.time - ended
    return report


def _is_fjord(target: Target) -> bool:
    return target[2] == "FJORD"


_THIRD = ("BOREAL", "EIDER", "HAVEN")

SLOWED_DAYS = (
    BadDay("one tenant refused", (Fault(FaultKind.REFUSE_KEY, tenant="FJORD"),), _is_fjord, "auth"),
    BadDay(
        "a third of the tenants refused",
        tuple(Fault(FaultKind.REFUSE_KEY, tenant=code) for code in _THIRD),
        lambda target: target[2] in _THIRD,
        "auth",
    ),
    BadDay(
        "only COUNTPEERS times out",
        (Fault(FaultKind.HANG, reqtype="COUNTPEERS"),),
        lambda target: target[0] == "peers",
        "timeout",
    ),
    BadDay("one tenant hangs for ever", (Fault(FaultKind.HANG, tenant="FJORD"),), _is_fjord, "timeout"),
)


@pytest.mark.parametrize("day", SLOWED_DAYS, ids=lambda day: day.name)
def test_who_fails_is_slowed_down_alone(day: BadDay, configured: Configured) -> None:
    """A target that times out or is refused is asked ever more slowly, goes stale, and comes back."""

    async def story() -> Report:
        async with exporting(lambda url: _tenants(configured, url), tenants=len(CODES)) as exporter:
            report = await _live_through(exporter, day, LONGEST_PAUSE + 2 * MINUTE + HOUR / 10)
            assert not exporter.poller.policy.backoff_count
            assert not exporter.poller.policy.refused_keys
            return report

    report = run(story())

    report.tell()
    _assert_requests(report)
    _assert_metrics(report)
    _assert_values(report)


def _assert_requests(report: Report) -> None:
    sent, lasts = report.during(), report.day.lasts
    for target in TARGETS:
        interval = _interval(target)
        if not report.day.hurt(target):
            assert abs(sent[target] - lasts / interval) <= 1, target
            continue
        # The first attempt may come as late as an interval after the fault did. And a target that hangs may
        # be asked a little less often: what is still in flight is skipped, and suspects share a slot.
        hangs = report.day.reason == "timeout"
        least = slowed(interval, lasts - interval) - (2 if hangs else 0)
        assert least <= sent[target] <= slowed(interval, lasts), target
        # It is tried within the longest pause, and the turn after that may be another tenant's.
        assert report.recovered[target] <= LONGEST_PAUSE + (2 * interval if hangs else 0), target


def _assert_metrics(report: Report) -> None:
    for target in TARGETS:
        hurt = report.day.hurt(target)
        assert report.metric("softswitch_query_success", target) == float(not hurt), target
        failing = report.metric("softswitch_query_failure", target, reason=report.day.reason)
        assert failing == (1 if hurt else None), target
        assert report.metric("softswitch_query_success", target, report.scrapes[-1]) == 1, target
    assert all(
        scrape.series["softswitch_up", frozenset({("switch", "pbx")})] == report.day.up
        and scrape.series["softswitch_breaker_open", frozenset({("switch", "pbx")})] == report.day.breaker
        for scrape in report.scrapes
    )
    sent, lasts = report.during(), report.day.lasts
    skipped, in_flight = report.skipped("backoff"), report.skipped("in_flight")
    for query, scope in INTERVALS:
        hurt_here = [t for t in TARGETS if t[:2] == (query, scope) and report.day.hurt(t)]
        not_sent = sum(lasts / _interval(target) - sent[target] for target in hurt_here)
        counted = skipped[query, scope] + in_flight[query, scope]
        assert abs(counted - not_sent) <= len(hurt_here), (query, scope)
    assert not any(report.skipped("breaker").values())
    assert not any(report.skipped("budget").values())


def _assert_values(report: Report) -> None:
    for target in TARGETS:
        absent = report.absent(target)
        if not report.day.hurt(target):
            assert absent is None, target
            continue
        assert absent is not None, target
        kept = STALE_AFTER * _interval(target)
        # The last success was up to an interval before the fault.
        assert kept - _interval(target) - SCRAPE_EVERY <= absent[0] - report.began <= kept + SCRAPE_EVERY
        back = report.ended + report.recovered[target]
        assert absent[1] <= back + SCRAPE_EVERY, target


def test_a_switch_that_does_not_answer_is_only_probed(configured: Configured) -> None:
    """All requests time out: the breaker opens, one probe per shortest interval, and then all comes back."""
    day = BadDay(
        "all requests time out", (Fault(FaultKind.HANG),), lambda _: True, "timeout", HOUR / 2, 0.0, 1.0
    )
    healing = HOUR / 4

    async def story() -> Report:
        async with exporting(lambda url: _tenants(configured, url), tenants=len(CODES)) as exporter:
            report = await _live_through(exporter, day, healing)
            assert not exporter.poller.policy.breaker.is_open
            return report

    report = run(story())

    report.tell()
    switch = frozenset({("switch", "pbx")})
    opened = next(s.at for s in report.scrapes if s.series["softswitch_breaker_open", switch])
    closed = next(
        s.at for s in report.scrapes if s.at > opened and not s.series["softswitch_breaker_open", switch]
    )
    down = next(s.at for s in report.scrapes if not s.series["softswitch_up", switch])
    up = next(s.at for s in report.scrapes if s.at > down and s.series["softswitch_up", switch])
    before_it_opened = [e for e in report.requests if report.began <= e.time < opened]
    probes = [e for e in report.requests if opened <= e.time < report.ended]
    print_result(
        f"  open after {opened - report.began:.0f} s and {len(before_it_opened)} requests; "
        f"{len(probes)} probes in {report.ended - opened:.0f} s; "
        f"closed {closed - report.ended:.0f} s after the end; "
        f"down after {down - report.began:.0f} s, up {up - report.ended:.0f} s after the end"
    )
    # Four at a time hang for a minute: the fifth failure in a row comes with the second lot.
    assert opened - report.began <= SHORTEST + 2 * TIMEOUT + SCRAPE_EVERY
    assert len(before_it_opened) <= 3 * MAX_CONCURRENCY
    assert len({_target(entry) for entry in probes}) == 1
    assert len(probes) <= (report.ended - opened) / SHORTEST + 1
    assert len(probes) >= (report.ended - opened) / (SHORTEST + TIMEOUT) - 1
    gaps = [later.time - earlier.time for earlier, later in itertools.pairwise(probes)]
    assert min(gaps) >= SHORTEST
    # The probe that hangs has to time out before the next one goes.
    assert closed - report.ended <= TIMEOUT + SHORTEST + SCRAPE_EVERY
    window = max(3 * SHORTEST, 2 * TIMEOUT)
    assert window - SHORTEST <= down - report.began <= window + SHORTEST + SCRAPE_EVERY
    assert up - report.ended <= TIMEOUT + SHORTEST + SCRAPE_EVERY
    for target in TARGETS:
        if target[0] == "license":
            continue  # it is kept for three hours
        interval = _interval(target)
        absent = report.absent(target)
        assert absent is not None, target
        assert absent[0] - report.began <= STALE_AFTER * interval + SCRAPE_EVERY, target
        # Few failed more than once or twice before the breaker opened: they sit out two turns at most.
        assert report.recovered[target] <= closed - report.ended + 3 * interval, target
        assert absent[1] <= report.ended + report.recovered[target] + SCRAPE_EVERY, target
    assert report.absent(("license", "switch", "")) is None
    assert sum(report.skipped("breaker").values()) > 0


def test_a_rare_query_is_retried_soon(configured: Configured) -> None:
    """LICENSEDAYS, asked once an hour, fails twice: it is asked again after 1 and 2 minutes."""
    fault = Fault(FaultKind.STATUS, reqtype="LICENSEDAYS", limit=2)
    license_days = ("license", "switch", "")

    async def story() -> tuple[list[float], list[float | None], FastExporter]:
        async with exporting(lambda url: _tenants(configured, url), tenants=len(CODES)) as exporter:
            with exporter.fault(fault):
                await exporter.passes(HOUR + 5 * MINUTE)
                exporter.scrape()
            asked = [entry.time for entry in exporter.requests() if _target(entry) == license_days]
            values = [
                scrape.series.get(("softswitch_query_success", _labels(license_days)))
                for scrape in exporter.scrapes
            ]
            return asked, values, exporter

    asked, values, exporter = run(story())

    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    print_result(f"license fails twice: asked again after {', '.join(f'{gap:.0f} s' for gap in gaps)}")
    late = 11  # what is due is looked for every 10 s, and waits its turn
    assert len(asked) == 4
    assert MINUTE <= gaps[0] <= MINUTE + late
    assert 2 * MINUTE <= gaps[1] <= 2 * MINUTE + late
    assert math.isclose(asked[3] - asked[0], HOUR, abs_tol=1)
    failing = values.count(0.0) * SCRAPE_EVERY
    assert gaps[0] + gaps[1] - SCRAPE_EVERY <= failing <= gaps[0] + gaps[1] + SCRAPE_EVERY
    assert values[-1] == 1.0
    assert _series(license_days) in exporter.scrapes[-1].series


def _labels(target: Target) -> frozenset[tuple[str, str]]:
    return frozenset({"switch": "pbx", **_of(target)}.items())


@dataclass(frozen=True)
class ChangingKeys(Keys):
    """Keys of a switch whose admin key is exchanged while it runs: ``valid`` holds the one of the moment."""

    valid: set[str] = field(default_factory=set)

    def kind(self, key: str) -> KeyKind:
        """Return what kind of key this is now."""
        return KeyKind.ADMIN if key in self.valid else KeyKind.WRONG


def test_a_key_that_is_exchanged(configured: Configured, tmp_path: Path) -> None:
    """Refused for all, then only tried; once the file has the new key, everything is asked as before."""
    file = tmp_path / "key"
    file.write_text("the-first-key\n")
    keys = ChangingKeys(valid={"the-first-key"})
    day = BadDay("the key is refused", (), lambda _: True, "auth")

    async def story() -> tuple[Report, list[str]]:
        def configure(url: str) -> SwitchConfiguration:
            return _tenants(configured, url, key=None, key_file=str(file))

        async with exporting(configure, tenants=len(CODES), keys=keys) as exporter:
            await exporter.passes(HOUR / 4)
            keys.valid.clear()
            keys.valid.add("the-second-key")
            before, began, first = exporter.scrape(), exporter.now, len(exporter.scrapes)
            await exporter.passes(day.lasts)
            refused = list(exporter.poller.policy.refused_keys)
            last, ended = exporter.scrape(), exporter.now
            file.write_text("the-second-key\n")
            await exporter.read_keys()  # else within a second
            await exporter.passes(HOUR / 4)
            exporter.scrape()
            report = Report(day, began, ended, exporter.requests(), before, last, exporter.scrapes[first:])
            for entry in report.requests:
                if entry.time >= ended and entry.outcome == "answered":
                    report.recovered.setdefault(_target(entry), entry.time - ended)
            assert not exporter.poller.policy.refused_keys
            return report, refused

    report, refused = run(story())

    report.tell()
    allowed = 3 + trials(day.lasts)
    print_result(f"  {report.during().total()} requests with the old key; the design allows {allowed}")
    assert refused == [""]
    assert report.during().total() <= allowed
    assert report.during().total() >= allowed - 2
    for target in TARGETS:
        if target[0] == "license":
            continue  # it was not its turn while the key was refused
        # Its pauses are over: it comes with its next turn. Turns are spread over the interval.
        assert report.recovered[target] <= _interval(target) + 1, target
        absent = report.absent(target)
        assert absent is not None, target
        assert absent[0] - report.began <= STALE_AFTER * _interval(target) + SCRAPE_EVERY, target
        assert absent[1] <= report.ended + report.recovered[target] + SCRAPE_EVERY, target
    switch = frozenset({("switch", "pbx")})
    assert report.last.series["softswitch_up", switch] == 0
    assert report.last.series["softswitch_breaker_open", switch] == 0
    assert report.scrapes[-1].series["softswitch_up", switch] == 1
    assert sum(report.skipped("backoff").values()) > 0
    assert not any(report.skipped("breaker").values())


@dataclass(frozen=True)
class WrongKey:
    """A configuration with a key that is wrong, and the switch's requests that are sent with it."""

    name: str
    settings: Mapping[str, object]
    latency: float = 0.0
    owner: str = ""


@pytest.mark.parametrize(
    "wrong",
    [
        WrongKey("admin key", {"key": "wrong"}),
        WrongKey("admin key, answers take 2 s", {"key": "wrong"}, latency=2.0),
        WrongKey(
            "a tenant's own key",
            {"tenants": [{"code": code} for code in CODES[1:]] + [{"code": CODES[0], "key": "wrong"}]},
            owner=CODES[0],
        ),
    ],
    ids=lambda wrong: wrong.name,
)
def test_a_wrong_key_is_hardly_sent(wrong: WrongKey, configured: Configured) -> None:
    """In an hour: three refusals, what was in flight by then, and trials after 5, 10 … s, up to 15 min."""

    async def story() -> list[Entry]:
        async with exporting(
            lambda url: _tenants(configured, url, **wrong.settings),
            tenants=len(CODES),
            options=Options(latency=wrong.latency),
        ) as exporter:
            await exporter.passes(HOUR)
            return exporter.requests()

    requests = run(story())

    sent = [entry for entry in requests if entry.key == KeyKind.WRONG]
    in_flight = MAX_CONCURRENCY - 1 if wrong.latency else 0
    refused_at = sent[2].time + wrong.latency
    allowed = 3 + in_flight + trials(requests[0].time + HOUR - refused_at)
    print_result(f"a wrong key ({wrong.name}): {len(sent)} requests in an hour; the design allows {allowed}")
    assert 3 < len(sent) <= allowed
    assert {entry.parameters.get("tenant", "") for entry in sent} >= {wrong.owner}
    if wrong.owner:
        assert all(entry.parameters.get("tenant") == wrong.owner for entry in sent)
        assert len(requests) - len(sent) > HOUR / SHORTEST  # the others are asked as always
    else:
        assert len(sent) == len(requests)
