from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporter.cli.probe.call_records import zone_advice
from exporter.cli.probe.findings import Finding
from exporter.model import Answer, Failure, Query, Reason
from exporter.queries.call_records import CallRecord, CallRecords
from exporter.request import Operation, Request
from tests.conftest import Configured

_NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)  # 14:00 in Rome
_EMPTY = Failure(Reason.EMPTY, "the response is empty")
_REQUEST = Request(Operation.CALL_RECORDS, start="2026-07-01 13:45:00", end="2026-07-01 13:50:00")


def _finding(verdict: Answer | Failure) -> Finding:
    return Finding(Query.CALL_RECORDS, _REQUEST, 0.1, verdict)


def _calls(newest: datetime | None = None, tenant: str = "ACME") -> CallRecords:
    return CallRecords((CallRecord(tenant, "in", "answered", 61, None),), newest)


def _at(ahead: timedelta) -> datetime:
    """Return a time of the switch that is so far ahead of now in Rome."""
    return datetime(2026, 7, 1, 14) + ahead  # noqa: DTZ001 -- as in a record


@pytest.fixture
def advised(configured: Configured) -> Callable[..., list[tuple[str, object]]]:
    """Return a function that gives the advice on two verdicts, and the settings of the query in it."""

    def advise(
        latest: Answer | Failure, future: Answer | Failure, **query: object
    ) -> list[tuple[str, object]]:
        section = {"timezone": "Europe/Rome", **query}
        switch = configured(tenants=[{"code": "ACME"}], queries={"call_records": section})
        given = zone_advice(_finding(latest), _finding(future), switch, _NOW.timestamp())
        found: list[Any] = [(each.text, each.settings.get("queries")) for each in given]
        return [(text, queries and queries["call_records"]) for text, queries in found]

    return advise


Advised = Callable[..., list[tuple[str, object]]]


@pytest.mark.parametrize("future", [_EMPTY, CallRecords(())])
def test_time_zone_that_fits(future: Answer | Failure, advised: Advised) -> None:
    """There are calls now and none in the future: the query can be enabled."""
    [(text, settings)] = advised(_calls(), future)

    assert "Europe/Rome fits" in text
    assert settings == {"interval": "5m", "timezone": "Europe/Rome"}


def test_a_query_that_is_on(advised: Advised) -> None:
    """There is nothing to configure, but calls of other tenants would not be counted."""
    [(text, settings)] = advised(_calls(), _EMPTY, interval="5m")
    assert ("Europe/Rome fits" in text, settings) == (True, None)
    [_, (text, _)] = advised(_calls(tenant="BOREAL"), _EMPTY)
    assert text.startswith("none of the calls belongs to a configured tenant")


@pytest.mark.parametrize(
    ("ahead", "difference", "offset", "zone"),
    [
        (timedelta(minutes=57), "57m", "UTC+03:00", "Europe/"),
        (timedelta(hours=1, minutes=1), "1h1m", "UTC+03:00", "Europe/"),
        (timedelta(hours=3, minutes=29), "3h29m", "UTC+05:30", "Asia/"),
        (timedelta(hours=9, minutes=58), "9h58m", "UTC+12:00", "Asia/"),
    ],
)
def test_switch_that_is_ahead(
    ahead: timedelta, difference: str, offset: str, zone: str, advised: Advised
) -> None:
    """The newest call, which began before now, tells the time zone; the advice names one with this offset."""
    [(text, settings)] = advised(_calls(), _calls(_at(ahead)))

    assert f"the newest call began {difference} after the current time in Europe/Rome" in text
    assert f"at {offset} now" in text
    assert isinstance(settings, dict)
    assert str(settings["timezone"]).startswith(zone)


@pytest.mark.parametrize(
    ("future", "expected"),
    [
        (_calls(_at(timedelta(minutes=3))), "check the clock of the switch"),
        (_calls(_at(timedelta(hours=25))), "check the clock of the switch"),
        (_calls(), "times that cannot be read"),
        (Failure(Reason.TOO_LARGE, ""), "the switch is ahead of Europe/Rome"),
    ],
)
def test_unclear_future(future: Answer | Failure, expected: str, advised: Advised) -> None:
    """No time zone is suggested."""
    [(text, settings)] = advised(_EMPTY, future)

    assert expected in text
    assert settings is None


def test_switch_that_ignores_the_window(advised: Advised) -> None:
    """The same calls would be counted again and again."""
    [(text, settings)] = advised(_calls(), _calls(_at(timedelta(days=-3))))

    assert "ignores `start` and `end`" in text
    assert settings == {"interval": "off"}


def test_no_calls_at_all(advised: Advised) -> None:
    """It is unknown why; a probe with the earliest time zone tells that of the switch."""
    [(text, settings)] = advised(_EMPTY, _EMPTY, delay="30m")

    assert "the switch is behind Europe/Rome" in text
    assert "30m later" in text
    assert settings == {"timezone": "Etc/GMT+12"}


@pytest.mark.parametrize("reason", [Reason.AUTH, Reason.TIMEOUT])
def test_failures_say_nothing_about_the_time_zone(reason: Reason, advised: Advised) -> None:
    """They have their own advice."""
    assert advised(Failure(reason, ""), Failure(reason, "")) == []
