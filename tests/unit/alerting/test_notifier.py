import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
from prometheus_client import CollectorRegistry

from exporter.alerting import rules
from exporter.alerting.alertmanager import Alertmanager, Answer, Verdict
from exporter.alerting.engine import RESOLVED_FOR, Alert, Now, State
from exporter.alerting.notification_queue import Kind
from exporter.alerting.notifier import BATCH, LARGE_BATCH, Notifier
from exporter.alerting.rule import Identity
from exporter.alerting.status import AlertingMetrics
from exporter.config import AlertmanagerConfiguration
from exporter.config.fields import ValidationContext
from exporter.masking import Mask
from tests.unit.alerting.conftest import FakeAlertmanager

_WALL = 1_700_000_000.0
_SPEED = 1000.0
"""Pauses of seconds are milliseconds."""


def _firing(count: int, first: int = 0) -> dict[Identity, Alert]:
    identities = [
        (rules.NODE_MISSING, (("switch", "pbx"), ("node", f"n{number}")))
        for number in range(first, first + count)
    ]
    return {identity: Alert(identity, State.FIRING, 0, 0, 0, 0) for identity in identities}


def _date(ahead: float) -> str:
    return format_datetime(datetime.fromtimestamp(_WALL + ahead, UTC))


def _configuration(url: str, **more: object) -> AlertmanagerConfiguration:
    context = ValidationContext(Path("/"), {})
    return AlertmanagerConfiguration.model_validate({"url": url, **more}, context=context)


class _Setup:
    """A notifier with the clock of the test."""

    def __init__(
        self, fake: FakeAlertmanager, kind: type[Alertmanager] = Alertmanager, **more: object
    ) -> None:
        self.registry = CollectorRegistry()
        self.mask = Mask()
        self.moment = self.timer = 0.0
        self.fake = fake
        fake.date = fake.date or _date(0)
        self.configuration = _configuration(fake.url, **more)
        self.alertmanager = kind(self.configuration, self.mask, lambda: _WALL)
        self.notifier = Notifier(
            self.alertmanager,
            {},
            AlertingMetrics(self.registry),
            lambda: Now(self.moment, _WALL, _SPEED),
            lambda: self.timer,
        )

    def count(self, what: str) -> float | None:
        """Return a counter of the notifier."""
        name = f"softswitch_alerting_notifications{what}_total"
        return self.registry.get_sample_value(name, {"alertmanager": self.fake.url})

    def waiting(self, kind: Kind) -> float | None:
        """Return how many alerts of a kind wait."""
        labels = {"alertmanager": self.fake.url, "kind": kind.value}
        return self.registry.get_sample_value("softswitch_alerting_notifications_waiting", labels)

    async def send(self, alerts: dict[Identity, Alert]) -> None:
        """Offer alerts, and wait until nothing waits any more."""
        self.notifier.offer(list(alerts.values()))
        await _until(lambda: not any(map(self.waiting, Kind)))

    def skew(self) -> float | None:
        """Return the clock skew."""
        labels = {"alertmanager": self.fake.url}
        return self.registry.get_sample_value("softswitch_alerting_clock_skew_seconds", labels)


@pytest.fixture
async def setup(fake: FakeAlertmanager) -> AsyncIterator[_Setup]:
    """Return a notifier that sends to the fake."""
    made = _Setup(fake)
    yield made
    await made.notifier.stop()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- a metric has no event
            await asyncio.sleep(0.001)


async def test_alerts_are_sent_in_batches(setup: _Setup, fake: FakeAlertmanager) -> None:
    """150 alerts are three messages, and each is counted."""
    setup.notifier.offer(list(_firing(150).values()))
    await _until(lambda: len(fake.taken) == 150)

    assert [len(message) for message in fake.messages] == [BATCH, BATCH, 150 - 2 * BATCH]
    await _until(lambda: setup.count("") == 150)
    assert (setup.count("_errors"), setup.count("_dropped")) == (0, 0)


async def test_one_invalid_alert_does_not_block_the_others(setup: _Setup, fake: FakeAlertmanager) -> None:
    """It is found, and then sent alone, in case it is accepted later; the others are sent as before."""
    fake.refuses = lambda alert: alert["labels"]["node"] == "n7"
    setup.notifier.offer(list(_firing(10).values()))
    await _until(lambda: setup.count("_dropped") == 1)
    assert {f"n{number}" for number in range(10)} - set(fake.names()) == {"n7"}

    fake.messages.clear()
    setup.notifier.offer(list(_firing(10).values()))
    await _until(lambda: len(fake.messages) == 2)
    assert [len(message) for message in fake.messages] == [9, 1]

    fake.refuses = lambda _: False
    setup.notifier.offer(list(_firing(10).values()))
    await _until(lambda: "n7" in fake.names())
    assert setup.count("_dropped") == 1


async def test_if_all_alerts_are_refused_none_is_dropped(setup: _Setup, fake: FakeAlertmanager) -> None:
    """All are sent as soon as they are accepted."""
    fake.refuses = lambda _: True
    setup.notifier.offer(list(_firing(3).values()))
    await _until(lambda: len(fake.messages) > 8)
    assert setup.count("_dropped") == 0

    fake.refuses = lambda _: False
    setup.notifier.offer(list(_firing(3).values()))
    await _until(lambda: {"n0", "n1", "n2"} <= set(fake.names()))


async def test_a_failed_message_is_sent_again(setup: _Setup, fake: FakeAlertmanager) -> None:
    """The failures are counted, and its alerts arrive once."""
    fake.status = 503
    setup.notifier.offer(list(_firing(2).values()))
    await _until(lambda: len(fake.authorizations) == 4)
    fake.status = 200
    await _until(lambda: setup.count("") == 2)

    assert (setup.count("_errors") or 0) >= 8
    assert len(fake.taken) == 2


async def test_a_newer_list_replaces_the_queue(setup: _Setup, fake: FakeAlertmanager) -> None:
    """However long Alertmanager is down, one list waits; an end that is too old is dropped."""
    fake.status = 500
    (ended,) = _firing(1, first=99).values()
    ended.state = State.RESOLVED
    setup.notifier.offer(list({**_firing(2), ended.identity: ended}.values()))
    await _until(lambda: bool(fake.authorizations))
    setup.moment = RESOLVED_FOR + 1
    setup.notifier.offer(list(_firing(3).values()))
    assert setup.count("_dropped") == 1

    fake.status = 200
    await _until(lambda: len(fake.taken) == 3)
    assert set(fake.names()) == {"n0", "n1", "n2"}


@pytest.mark.parametrize(
    ("date", "ahead", "lasts"),
    [
        (_date(-600), -600, 240),
        (_date(20), 20, 240),
        (_date(3600), 3600, 240 + 3600),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 251_702_300_799, 240 + 7 * 86_400),
        (_date(-600).replace("+0000", "-0000"), -600, 240),
    ],
)
async def test_times_are_by_our_clock(date: str, ahead: int, lasts: int, fake: FakeAlertmanager) -> None:
    """A ``Date`` that is ahead of ours only lets firing alerts expire later."""
    fake.date = date
    setup = _Setup(fake)
    setup.moment = 60.0
    firing = _firing(2)
    firing[next(iter(firing))].state = State.RESOLVED
    with structlog.testing.capture_logs() as log:
        for _ in range(3):
            await setup.send(firing)
        await setup.notifier.stop()

    assert len(fake.messages) == 3

    for ended, fires in fake.messages:
        assert ended["endsAt"] == ended["startsAt"] == fires["startsAt"] == _stamp(_WALL - 60 / _SPEED)
        assert fires["endsAt"] == _stamp(_WALL + lasts)
    assert setup.skew() == ahead
    logged = [line["seconds_ahead_of_ours"] for line in log if line["log_level"] == "warning"]
    assert logged == ([ahead] if abs(ahead) > 30 else [])


async def test_a_token_is_read_again_when_it_changes(tmp_path: Path, fake: FakeAlertmanager) -> None:
    """A rotated token needs no reload."""
    token = tmp_path / "token"
    token.write_text("one")
    setup = _Setup(fake, bearer_token_file=str(token))
    setup.notifier.offer(list(_firing(1).values()))
    await _until(lambda: len(fake.taken) == 1)
    token.with_suffix(".new").write_text("two")
    token.with_suffix(".new").replace(token)
    assert setup.configuration.bearer_token is not None
    setup.configuration.bearer_token.reload()
    setup.notifier.offer(list(_firing(1).values()))
    await _until(lambda: len(fake.taken) == 2)
    await setup.notifier.stop()

    assert [*dict.fromkeys(fake.authorizations)] == ["Bearer one", "Bearer two"]


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


async def test_an_invalid_date(setup: _Setup, fake: FakeAlertmanager) -> None:
    """Alerts are sent by our clock."""
    for number, date in enumerate([f"Mon, 20 Nov {'9' * 20} 19:12:08 GMT", "x", ""]):
        fake.date = date
        setup.notifier.offer(list(_firing(1, first=number).values()))
        await _until(lambda: len(fake.taken) > number)  # noqa: B023 -- called in this iteration

    assert setup.count("_errors") == 0


class _Defective(Alertmanager):
    """Has a bug that shows once."""

    bugs = 1

    async def post(self, alerts: Sequence[dict[str, Any]]) -> Answer:
        if self.bugs:
            self.bugs -= 1
            raise RuntimeError("a bug")
        return await super().post(alerts)


async def test_a_bug_does_not_stop_the_notifier(fake: FakeAlertmanager) -> None:
    """It is logged with its traceback, and the alerts are sent."""
    with structlog.testing.capture_logs() as log:
        setup = _Setup(fake, kind=_Defective)
        setup.notifier.offer(list(_firing(2).values()))
        await _until(lambda: len(fake.taken) == 2)
        await setup.notifier.stop()

    assert [(line["event"], line["job"], line["exc_info"]) for line in log] == [
        ("job failed", "alerts", True)
    ]


class _Slow(Alertmanager):
    """Takes ``seconds`` for a message, by the timer of the test; each minute the same list arrives."""

    setup: _Setup
    seconds: float
    firing: dict[Identity, Alert]
    ends: float

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sent: dict[str, list[tuple[float, float]]] = {}

    async def post(self, alerts: Sequence[dict[str, Any]]) -> Answer:
        before = self.setup.timer
        self.setup.timer += self.seconds
        for alert in alerts:
            lasts = (datetime.fromisoformat(alert["endsAt"]).timestamp() - _WALL) + before
            self.sent.setdefault(alert["labels"]["node"], []).append((self.setup.timer, lasts))
        if self.setup.timer // 60 > before // 60:
            self.setup.notifier.offer(list(self.firing.values()))
        await asyncio.sleep(0 if self.setup.timer < self.ends else 3600)
        return Answer(Verdict.ACCEPTED)


@pytest.mark.parametrize(("count", "seconds"), [(6000, 1.0), (3000, 9.0)])
async def test_a_slow_alertmanager_gets_all(count: int, seconds: float, fake: FakeAlertmanager) -> None:
    """Each alert is sent within one pass over all, critical ones first, and again before it expires."""
    setup = _Setup(fake, kind=_Slow)
    slow = cast("_Slow", setup.alertmanager)
    slow.setup, slow.seconds = setup, seconds
    warnings = {
        (identity := (rules.NODE_CHANNELS_NEAR_LIMIT, labels)): Alert(identity, State.FIRING, 0, 0, 0, 0)
        for _, labels in _firing(count - 100)
    }
    slow.firing = {**warnings, **_firing(100, first=count)}
    once = count / LARGE_BATCH * seconds
    slow.ends = 3 * once + 60
    with structlog.testing.capture_logs() as log:
        setup.notifier.offer(list(slow.firing.values()))
        while setup.timer < slow.ends:
            if not any(map(setup.waiting, Kind)):
                setup.timer += 60 - setup.timer % 60
                setup.notifier.offer(list(slow.firing.values()))
            await asyncio.sleep(0)
        await setup.notifier.stop()

    first = {node: times[0][0] for node, times in slow.sent.items()}
    assert len(first) == count
    assert max(first.values()) <= 2 * once
    critical = [first[f"n{number}"] for number in range(count, count + 100)]
    assert max(critical) <= 3 * seconds
    for times in slow.sent.values():
        assert all(at <= lasts for (_, lasts), (at, _) in pairwise(times))
        assert times[-1][0] >= slow.ends - 60 - 2.5 * once
    assert setup.waiting(Kind.NEW) == 0
    assert (setup.waiting(Kind.REPEAT) or 0) > 0
    assert [line["event"] for line in log] == (["Alertmanager is slow: alerts wait"] if once > 60 else [])


async def test_waiting_alerts_are_counted(fake: FakeAlertmanager) -> None:
    """As new until they are accepted, then as repeats."""
    fake.status = 503
    setup, firing = _Setup(fake), _firing(70)
    setup.notifier.offer(list(firing.values()))
    await _until(lambda: bool(fake.authorizations))
    assert (setup.waiting(Kind.NEW), setup.waiting(Kind.REPEAT)) == (70, 0)
    fake.status = 200
    await setup.send(firing)
    assert len(fake.taken) == 70
    fake.status = 503
    setup.notifier.offer(list(firing.values()))
    assert (setup.waiting(Kind.NEW), setup.waiting(Kind.REPEAT)) == (0, 70)
    await setup.notifier.stop()


async def test_a_broken_alert_is_dropped_alone(setup: _Setup, fake: FakeAlertmanager) -> None:
    """It is logged and counted once; the others are sent each time."""
    broken = (rules.NODE_MISSING, (("switch", "pbx"),))  # without the node that its text names
    alerts = {broken: Alert(broken, State.FIRING, 0, 0, 0, 0), **_firing(3)}
    with structlog.testing.capture_logs() as log:
        for _ in range(3):
            await setup.send(alerts)

    assert fake.names() == ["n0", "n1", "n2"] * 3
    assert [(line["event"], line["alert"]) for line in log] == [("job failed", "SoftswitchNodeMissing")]
    assert setup.count("_dropped") == 1


async def test_an_age_before_the_calendar(setup: _Setup, fake: FakeAlertmanager) -> None:
    """The alert gets the earliest valid time, and the others are sent."""
    alerts = _firing(2)
    next(iter(alerts.values())).fired_at = -1e300
    setup.notifier.offer(list(alerts.values()))
    await _until(lambda: len(fake.taken) == 2)

    assert fake.taken[0]["startsAt"] == "0001-01-02T00:00:00.000+00:00"
