import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from exporter.alerting import rules
from exporter.alerting.alertmanager import Alertmanager, Answer
from exporter.alerting.alerts import RESOLVED_FOR, Alert, State
from exporter.alerting.conditions import Identity
from exporter.alerting.instruments import AlertingInstruments
from exporter.alerting.messages import Now
from exporter.alerting.sender import BATCH, Sender
from exporter.config import AlertmanagerConfiguration
from exporter.config.sections import Surroundings
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


class _Desk:
    """A sender with the clock of the test."""

    def __init__(
        self, fake: FakeAlertmanager, kind: type[Alertmanager] = Alertmanager, **more: object
    ) -> None:
        self.registry = CollectorRegistry()
        self.mask = Mask()
        self.moment = 0.0
        self.fake = fake
        fake.date = fake.date or format_datetime(datetime.fromtimestamp(_WALL, UTC))
        configuration = AlertmanagerConfiguration.model_validate(
            {"url": fake.url, **more}, context=Surroundings(Path("/"), {})
        )
        self.sender = Sender(
            kind(configuration, self.mask, lambda: _WALL),
            {},
            AlertingInstruments(self.registry),
            lambda: Now(self.moment, _WALL, _SPEED),
        )

    def count(self, what: str) -> float | None:
        """Return a counter of the sender."""
        name = f"softswitch_alerting_notifications{what}_total"
        return self.registry.get_sample_value(name, {"alertmanager": self.fake.url})


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
    desk.sender.offer(_firing(150))
    await _until(lambda: len(fake.taken) == 150)

    assert [len(message) for message in fake.messages] == [BATCH, BATCH, 150 - 2 * BATCH]
    await _until(lambda: desk.count("") == 150)
    assert (desk.count("_errors"), desk.count("_dropped")) == (0, 0)


async def test_one_bad_alert_does_not_keep_the_others(desk: _Desk, fake: FakeAlertmanager) -> None:
    """It is found, and then told alone, in case it is taken one day; the others are told as always."""
    fake.refuses = lambda alert: alert["labels"]["node"] == "n7"
    desk.sender.offer(_firing(10))
    await _until(lambda: desk.count("_dropped") == 1)
    assert {f"n{number}" for number in range(10)} - set(fake.names()) == {"n7"}

    fake.messages.clear()
    desk.sender.offer(_firing(10))
    await _until(lambda: len(fake.messages) == 2)
    assert [len(message) for message in fake.messages] == [9, 1]

    fake.refuses = lambda _: False
    desk.sender.offer(_firing(10))
    await _until(lambda: "n7" in fake.names())
    assert desk.count("_dropped") == 1


async def test_where_all_are_refused_it_is_not_the_alerts(desk: _Desk, fake: FakeAlertmanager) -> None:
    """Nothing is given up: all of it is told as soon as it is taken."""
    fake.refuses = lambda _: True
    desk.sender.offer(_firing(3))
    await _until(lambda: len(fake.messages) > 8)
    assert desk.count("_dropped") == 0

    fake.refuses = lambda _: False
    desk.sender.offer(_firing(3))
    await _until(lambda: {"n0", "n1", "n2"} <= set(fake.names()))


async def test_what_is_not_taken_is_tried_again(desk: _Desk, fake: FakeAlertmanager) -> None:
    """A message that fails is counted and sent again; what it held is told in the end, and once."""
    fake.status = 503
    desk.sender.offer(_firing(2))
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
    desk.sender.offer({**_firing(2), ended.identity: ended})
    await _until(lambda: bool(fake.authorizations))
    desk.moment = RESOLVED_FOR + 1
    desk.sender.offer(_firing(3))
    assert desk.count("_dropped") == 1

    fake.status = 200
    await _until(lambda: len(fake.taken) == 3)
    assert set(fake.names()) == {"n0", "n1", "n2"}


async def test_the_end_of_what_is_being_told_is_told(desk: _Desk, fake: FakeAlertmanager) -> None:
    """An alert that ends while its message is on the way is told again, with its end."""
    alerts = _firing(1)
    (alert,) = alerts.values()
    desk.sender.offer(alerts)
    await asyncio.sleep(0)
    alert.state = State.RESOLVED
    desk.sender.offer(alerts)

    await _until(lambda: bool(fake.taken) and fake.taken[-1]["endsAt"] <= _stamp(_WALL))


@pytest.mark.parametrize("off", [-86_400, 86_400, 3600])
async def test_times_are_told_by_the_clock_of_who_is_told(off: int, fake: FakeAlertmanager) -> None:
    """Where the clocks differ: the very first message would say by ours that it has ended, or not begun."""
    fake.date = format_datetime(datetime.fromtimestamp(_WALL + off, UTC))
    desk = _Desk(fake)
    desk.moment = 60.0
    desk.sender.offer(_firing(1))
    await _until(lambda: len(fake.messages) == 1)
    await desk.sender.stop()

    told = fake.messages[0][0]
    assert told["startsAt"] <= _stamp(_WALL + off) < told["endsAt"]


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
    desk.sender.offer(_firing(1))
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
    desk.sender.offer(_firing(1))
    await _until(lambda: len(fake.taken) == 1)
    token.with_suffix(".new").write_text("two")
    token.with_suffix(".new").replace(token)
    desk.sender.offer(_firing(1))
    await _until(lambda: len(fake.taken) == 2)
    await desk.sender.stop()

    assert [*dict.fromkeys(fake.authorizations)] == ["Bearer one", "Bearer two"]


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


async def test_a_date_that_is_none(desk: _Desk, fake: FakeAlertmanager) -> None:
    """Whatever stands where the time over there should, alerts are told, by our clock."""
    for number, date in enumerate([f"Mon, 20 Nov {'9' * 20} 19:12:08 GMT", "x", ""]):
        fake.date = date
        desk.sender.offer(_firing(1, first=number))
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
        desk.sender.offer(_firing(2))
        await _until(lambda: len(fake.taken) == 2)
        await desk.sender.stop()

    assert [(line["event"], line["job"], line["exc_info"]) for line in log] == [
        ("job failed", "alerts", True)
    ]
