import asyncio
import socket
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
from exporter.alerting.metrics import AlertingMetrics
from exporter.alerting.notification_queue import Kind
from exporter.alerting.notifier import BATCH, LARGE_BATCH, Notifier
from exporter.alerting.rule import Identity
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


class _Desk:
    """A sender with the clock of the test."""

    def __init__(
        self, fake: FakeAlertmanager, kind: type[Alertmanager] = Alertmanager, **more: object
    ) -> None:
        self.registry = CollectorRegistry()
        self.mask = Mask()
        self.moment = self.timer = 0.0
        self.fake = fake
        fake.date = fake.date or _date(0)
        self.configuration = AlertmanagerConfiguration.model_validate(
            {"url": fake.url, **more}, context=ValidationContext(Path("/"), {})
        )
        self.alertmanager = kind(self.configuration, self.mask, lambda: _WALL)
        self.sender = Notifier(
            self.alertmanager,
            {},
            AlertingMetrics(self.registry),
            lambda: Now(self.moment, _WALL, _SPEED),
            lambda: self.timer,
        )

    def count(self, what: str) -> float | None:
        """Return a counter of the sender."""
        name = f"softswitch_alerting_notifications{what}_total"
        return self.registry.get_sample_value(name, {"alertmanager": self.fake.url})

    def waiting(self, kind: Kind) -> float | None:
        """Return how many alerts of a kind wait."""
        labels = {"alertmanager": self.fake.url, "kind": kind.value}
        return self.registry.get_sample_value("softswitch_alerting_notifications_waiting", labels)

    async def send(self, alerts: dict[Identity, Alert]) -> None:
        """Offer alerts, and wait until nothing waits any more."""
        self.sender.offer(list(alerts.values()))
        await _until(lambda: not any(map(self.waiting, Kind)))

    def skew(self) -> float | None:
        """Return the clock skew."""
        labels = {"alertmanager": self.fake.url}
        return self.registry.get_sample_value("softswitch_alerting_clock_skew_seconds", labels)


@pytest.fixture
async def desk(fake: FakeAlertmanager) -> AsyncIterator[_Desk]:
    """Return a sender that tells the fake."""
    made = _Desk(fake)
    yield made
    await made.sender.stop()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- what is served to a test tells nobody
            await asyncio.sleep(0.001)


async def test_everything_is_told_in_portions(desk: _Desk, fake: FakeAlertmanager) -> None:
    """150 alerts are three messages, and each is counted."""
    desk.sender.offer(list(_firing(150).values()))
    await _until(lambda: len(fake.taken) == 150)

    assert [len(message) for message in fake.messages] == [BATCH, BATCH, 150 - 2 * BATCH]
    await _until(lambda: desk.count("") == 150)
    assert (desk.count("_errors"), desk.count("_dropped")) == (0, 0)


async def test_one_bad_alert_does_not_keep_the_others(desk: _Desk, fake: FakeAlertmanager) -> None:
    """It is found, and then told alone, in case it is taken one day; the others are told as always."""
    fake.refuses = lambda alert: alert["labels"]["node"] == "n7"
    desk.sender.offer(list(_firing(10).values()))
    await _until(lambda: desk.count("_dropped") == 1)
    assert {f"n{number}" for number in range(10)} - set(fake.names()) == {"n7"}

    fake.messages.clear()
    desk.sender.offer(list(_firing(10).values()))
    await _until(lambda: len(fake.messages) == 2)
    assert [len(message) for message in fake.messages] == [9, 1]

    fake.refuses = lambda _: False
    desk.sender.offer(list(_firing(10).values()))
    await _until(lambda: "n7" in fake.names())
    assert desk.count("_dropped") == 1


async def test_where_all_are_refused_it_is_not_the_alerts(desk: _Desk, fake: FakeAlertmanager) -> None:
    """Nothing is given up: all of it is told as soon as it is taken."""
    fake.refuses = lambda _: True
    desk.sender.offer(list(_firing(3).values()))
    await _until(lambda: len(fake.messages) > 8)
    assert desk.count("_dropped") == 0

    fake.refuses = lambda _: False
    desk.sender.offer(list(_firing(3).values()))
    await _until(lambda: {"n0", "n1", "n2"} <= set(fake.names()))


async def test_what_is_not_taken_is_tried_again(desk: _Desk, fake: FakeAlertmanager) -> None:
    """A message that fails is counted and sent again; what it held is told in the end, and once."""
    fake.status = 503
    desk.sender.offer(list(_firing(2).values()))
    await _until(lambda: len(fake.authorizations) == 4)
    fake.status = 200
    await _until(lambda: len(fake.taken) == 2)

    assert (desk.count("_errors") or 0) >= 8
    assert desk.count("") == 2


async def test_a_newer_list_takes_the_place_of_what_waits(desk: _Desk, fake: FakeAlertmanager) -> None:
    """However long an Alertmanager is away, one list waits; an end that is too old is given up."""
    fake.status = 500
    (ended,) = _firing(1, first=99).values()
    ended.state = State.RESOLVED
    desk.sender.offer(list({**_firing(2), ended.identity: ended}.values()))
    await _until(lambda: bool(fake.authorizations))
    desk.moment = RESOLVED_FOR + 1
    desk.sender.offer(list(_firing(3).values()))
    assert desk.count("_dropped") == 1

    fake.status = 200
    await _until(lambda: len(fake.taken) == 3)
    assert set(fake.names()) == {"n0", "n1", "n2"}


async def test_the_end_of_what_is_being_told_is_told(desk: _Desk, fake: FakeAlertmanager) -> None:
    """An alert that ends while its message is on the way is told again, with its end."""
    alerts = _firing(1)
    (alert,) = alerts.values()
    desk.sender.offer(list(alerts.values()))
    await asyncio.sleep(0)
    alert.state = State.RESOLVED
    desk.sender.offer(list(alerts.values()))

    await _until(lambda: bool(fake.taken) and fake.taken[-1]["endsAt"] <= _stamp(_WALL))


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
    """Whatever a proxy writes as ``Date``: where that is ahead of us, what fires expires later, no more."""
    fake.date = date
    desk = _Desk(fake)
    desk.moment = 60.0
    firing = _firing(2)
    firing[next(iter(firing))].state = State.RESOLVED
    with structlog.testing.capture_logs() as log:
        for _ in range(3):
            await desk.send(firing)
        await desk.sender.stop()

    assert len(fake.messages) == 3

    for ended, fires in fake.messages:
        assert ended["endsAt"] == ended["startsAt"] == fires["startsAt"] == _stamp(_WALL - 60 / _SPEED)
        assert fires["endsAt"] == _stamp(_WALL + lasts)
    assert desk.skew() == ahead
    told = [line["seconds_ahead_of_ours"] for line in log if line["log_level"] == "warning"]
    assert told == ([ahead] if abs(ahead) > 30 else [])


@pytest.mark.parametrize(
    ("credential", "header"),
    [
        ({"basic_auth": {"username": "noc", "password": "passw0rd"}}, "Basic bm9jOnBhc3N3MHJk"),
        ({}, ""),
    ],
)
async def test_who_we_are(credential: dict[str, Any], header: str, fake: FakeAlertmanager) -> None:
    """The credential goes with each message, and is masked in every text from then on."""
    desk = _Desk(fake, **credential)
    desk.sender.offer(list(_firing(1).values()))
    await _until(lambda: bool(fake.taken))
    await desk.sender.stop()

    assert set(fake.authorizations) == {header}
    if header:
        assert desk.mask("passw0rd and bm9jOnBhc3N3MHJk") == "*** and ***"


async def test_a_token_is_read_again_when_it_changes(tmp_path: Path, fake: FakeAlertmanager) -> None:
    """A rotated token needs no reload."""
    token = tmp_path / "token"
    token.write_text("one")
    desk = _Desk(fake, bearer_token_file=str(token))
    desk.sender.offer(list(_firing(1).values()))
    await _until(lambda: len(fake.taken) == 1)
    token.with_suffix(".new").write_text("two")
    token.with_suffix(".new").replace(token)
    assert desk.configuration.bearer_token is not None
    desk.configuration.bearer_token.reload()
    desk.sender.offer(list(_firing(1).values()))
    await _until(lambda: len(fake.taken) == 2)
    await desk.sender.stop()

    assert [*dict.fromkeys(fake.authorizations)] == ["Bearer one", "Bearer two"]


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


async def test_a_date_that_is_none(desk: _Desk, fake: FakeAlertmanager) -> None:
    """Whatever stands where the time over there should, alerts are told, by our clock."""
    for number, date in enumerate([f"Mon, 20 Nov {'9' * 20} 19:12:08 GMT", "x", ""]):
        fake.date = date
        desk.sender.offer(list(_firing(1, first=number).values()))
        await _until(lambda: len(fake.taken) > number)  # noqa: B023 -- it is called before the next turn

    assert desk.count("_errors") == 0


class _Defective(Alertmanager):
    """Has a defect of ours that shows once."""

    defects = 1

    async def post(self, alerts: Sequence[dict[str, Any]]) -> Answer:
        if self.defects:
            self.defects -= 1
            raise RuntimeError("a defect")
        return await super().post(alerts)


async def test_a_defect_does_not_end_it(fake: FakeAlertmanager) -> None:
    """It is logged with its traceback, and what waits is told all the same."""
    with structlog.testing.capture_logs() as log:
        desk = _Desk(fake, kind=_Defective)
        desk.sender.offer(list(_firing(2).values()))
        await _until(lambda: len(fake.taken) == 2)
        await desk.sender.stop()

    assert [(line["event"], line["job"], line["exc_info"]) for line in log] == [
        ("job failed", "alerts", True)
    ]


class _Slow(Alertmanager):
    """Takes ``seconds`` for a message, by the timer of the test; each minute there is the same list again."""

    desk: _Desk
    seconds: float
    firing: dict[Identity, Alert]
    ends: float

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.told: dict[str, list[tuple[float, float]]] = {}

    async def post(self, alerts: Sequence[dict[str, Any]]) -> Answer:
        before = self.desk.timer
        self.desk.timer += self.seconds
        for alert in alerts:
            lasts = (datetime.fromisoformat(alert["endsAt"]).timestamp() - _WALL) + before
            self.told.setdefault(alert["labels"]["node"], []).append((self.desk.timer, lasts))
        if self.desk.timer // 60 > before // 60:
            self.desk.sender.offer(list(self.firing.values()))
        await asyncio.sleep(0 if self.desk.timer < self.ends else 3600)
        return Answer(Verdict.ACCEPTED)


@pytest.mark.parametrize(("count", "seconds"), [(6000, 1.0), (3000, 9.0)])
async def test_a_slow_one_is_told_everything(count: int, seconds: float, fake: FakeAlertmanager) -> None:
    """Each alert is sent within one pass over all, critical ones first, and again before it expires.

    How long a pass takes is known from the messages before: an alert expires no sooner than it is sent again.
    """
    desk = _Desk(fake, kind=_Slow)
    slow = cast("_Slow", desk.alertmanager)
    slow.desk, slow.seconds = desk, seconds
    warnings = {
        (identity := (rules.NODE_CHANNELS_NEAR_LIMIT, labels)): Alert(identity, State.FIRING, 0, 0, 0, 0)
        for _, labels in _firing(count - 100)
    }
    slow.firing = {**warnings, **_firing(100, first=count)}
    once = count / LARGE_BATCH * seconds
    slow.ends = 3 * once + 60
    with structlog.testing.capture_logs() as log:
        desk.sender.offer(list(slow.firing.values()))
        while desk.timer < slow.ends:
            if not any(map(desk.waiting, Kind)):
                desk.timer += 60 - desk.timer % 60
                desk.sender.offer(list(slow.firing.values()))
            await asyncio.sleep(0)
        await desk.sender.stop()

    first = {node: times[0][0] for node, times in slow.told.items()}
    assert len(first) == count
    assert max(first.values()) <= 2 * once
    critical = [first[f"n{number}"] for number in range(count, count + 100)]
    assert max(critical) <= 3 * seconds
    for times in slow.told.values():
        assert all(at <= lasts for (_, lasts), (at, _) in pairwise(times))
        assert times[-1][0] >= slow.ends - 60 - 2.5 * once
    assert desk.waiting(Kind.NEW) == 0
    assert (desk.waiting(Kind.REPEAT) or 0) > 0
    assert [line["event"] for line in log] == (["Alertmanager is slow: alerts wait"] if once > 60 else [])


async def test_what_waits_is_counted(fake: FakeAlertmanager) -> None:
    """While nothing is accepted all is new; afterwards nothing waits, and the next list is repeats."""
    fake.status = 503
    desk, firing = _Desk(fake), _firing(70)
    desk.sender.offer(list(firing.values()))
    await _until(lambda: bool(fake.authorizations))
    assert (desk.waiting(Kind.NEW), desk.waiting(Kind.REPEAT)) == (70, 0)
    fake.status = 200
    await desk.send(firing)
    assert len(fake.taken) == 70
    fake.status = 503
    desk.sender.offer(list(firing.values()))
    assert (desk.waiting(Kind.NEW), desk.waiting(Kind.REPEAT)) == (0, 70)
    await desk.sender.stop()


async def test_an_alert_that_cannot_be_rendered_costs_itself(desk: _Desk, fake: FakeAlertmanager) -> None:
    """It is logged and counted once; the others are sent, each time."""
    broken = (rules.NODE_MISSING, (("switch", "pbx"),))  # without the node that its text names
    alerts = {broken: Alert(broken, State.FIRING, 0, 0, 0, 0), **_firing(3)}
    with structlog.testing.capture_logs() as log:
        for _ in range(3):
            await desk.send(alerts)

    assert fake.names() == ["n0", "n1", "n2"] * 3
    assert [(line["event"], line["alert"]) for line in log] == [("job failed", "SoftswitchNodeMissing")]
    assert desk.count("_dropped") == 1


async def test_an_age_that_no_calendar_knows(desk: _Desk, fake: FakeAlertmanager) -> None:
    """It began as early as can be written, and the others are not touched by it."""
    alerts = _firing(2)
    next(iter(alerts.values())).fired_at = -1e300
    desk.sender.offer(list(alerts.values()))
    await _until(lambda: len(fake.taken) == 2)

    assert fake.taken[0]["startsAt"] == "0001-01-02T00:00:00.000+00:00"


async def test_an_address_where_nothing_listens() -> None:
    """The reason is in words, without the address as Python writes it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and nobody listens
        await _assert_refused(bound.getsockname()[1])


async def _assert_refused(port: int) -> None:
    configuration = AlertmanagerConfiguration.model_validate(
        {"url": f"http://127.0.0.1:{port}"}, context=ValidationContext(Path("/"), {})
    )
    alertmanager = Alertmanager(configuration, Mask(), lambda: _WALL)
    answer = await alertmanager.post([])
    await alertmanager.close()

    assert answer == Answer(Verdict.FAILED, "no connection: Connection refused")
