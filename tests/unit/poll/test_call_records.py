from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics import catalogue
from exporter.model import Answer, Failure, Query, Reason, Scope, Target
from exporter.poll import SwitchContext
from exporter.poll.backoff import KeyHealth
from exporter.poll.call_records import CallWindows, Window
from exporter.poll.requests import Item
from exporter.queries.call_records import CallRecord, CallRecords
from tests.unit.poll.ingesting import Ingesting

_TARGET = Target(Query.CALL_RECORDS, Scope.SWITCH)
_ROME = ZoneInfo("Europe/Rome")
_TIMEOUT = Failure(Reason.TIMEOUT, "no complete response within 60 s")
_NOW = datetime(2026, 11, 2, 9, 0, 0, tzinfo=UTC).timestamp()
_QUERY = {"interval": "5m", "timezone": "Europe/Rome"}
_STARTED = {"answered": 0, "no_answer": 0, "failed": 0, "congestion": 0, "busy": 0}


class _Counting(Ingesting):
    """An ingester of call records, whose clocks are the same."""

    def __init__(self, context: Callable[..., SwitchContext], **settings: object) -> None:
        super().__init__(context, **settings)
        self.now = _NOW
        self.ahead = 0.0

    async def take(self, outcome: Answer | Failure, after: float = 300) -> tuple[str, str]:
        """Request a window, store its outcome, and return the window; the next one is requested later."""
        request = self.ingester.next_window(_TARGET)
        await self.ingester.ingest(Item(_TARGET, request), outcome, KeyHealth("secret"))
        self.now += after
        return request.start[11:], request.end[11:]

    def calls(self, tenant: str, direction: str) -> object:
        return self.values(catalogue.TENANT_CALL_RECORDS, tenant, direction)

    def seconds(self, tenant: str) -> object:
        return self.values(catalogue.TENANT_CALL_RECORDS_SECONDS, tenant)


Counting = Callable[..., _Counting]


@pytest.fixture
def counting(context: Callable[..., SwitchContext]) -> Counting:
    """Return a function that makes an ingester for a configuration."""

    def make(tenants: tuple[str, ...] = ("ACME", "BOREAL"), **query: object) -> _Counting:
        settings = {"tenants": [{"code": code} for code in tenants], "queries": {"call_records": query}}
        return _Counting(context, **settings)

    return make


def _records(*calls: tuple[str, str, str, float, int | None]) -> CallRecords:
    return CallRecords(tuple(CallRecord(*call) for call in calls))


_ANSWERED = ("ACME", "in", "answered", 61.0, 1)


async def test_counters_start_at_zero(counting: Counting) -> None:
    """The first window is not counted: the previous process may have counted it."""
    made = counting(**_QUERY)
    await made.take(_records(_ANSWERED))

    for tenant in ("ACME", "BOREAL"):
        for direction in ("in", "out", "local"):
            assert made.calls(tenant, direction) == _STARTED
        assert made.calls(tenant, "other") is None
        assert made.seconds(tenant) == {"in": 0, "out": 0, "local": 0}


async def test_calls_are_counted(counting: Counting) -> None:
    """Each by its tenant, direction and disposition; those of other tenants are ignored."""
    made = counting(**_QUERY)
    await made.take(_records())
    await made.take(
        _records(
            _ANSWERED,
            ("ACME", "in", "answered", 9.5, 2),
            ("ACME", "out", "no_answer", 0, 3),
            ("BOREAL", "other", "other", 0, 4),
            ("BOREAL", "out", "other", 0, 5),
            ("CINDER", "in", "answered", 5, 6),
        )
    )
    await made.take(_records(("ACME", "out", "no_answer", 0, 7)))

    assert made.calls("ACME", "in") == {**_STARTED, "answered": 2}
    assert made.calls("ACME", "out") == {**_STARTED, "no_answer": 2}
    assert made.calls("BOREAL", "other") == {"other": 1}
    assert made.calls("BOREAL", "out") == {**_STARTED, "other": 1}
    assert made.seconds("ACME") == {"in": 70.5, "out": 0, "local": 0}
    assert made.calls("CINDER", "in") is None
    lines = b"".join(
        line for block in made.store.sample_lines(catalogue.TENANT_CALL_RECORDS) for line in block
    )
    sample = b'{switch="pbx",tenant="ACME",direction="in",disposition="answered"} 2\n'
    assert catalogue.TENANT_CALL_RECORDS.name.encode() + sample in lines


async def test_windows_follow_each_other(counting: Counting) -> None:
    """Each starts where the previous one ended, in the time zone of the switch, and ends `delay` ago."""
    made = counting(**_QUERY, delay="15m")

    assert await made.take(_records()) == ("09:40:00", "09:45:00")
    assert await made.take(_records(), after=302.7) == ("09:45:00", "09:50:00")
    assert await made.take(_records()) == ("09:50:00", "09:55:02")
    assert await made.take(_records()) == ("09:55:02", "10:00:02")


async def test_failed_window_is_requested_again(counting: Counting) -> None:
    """Its calls are counted with those of the next one."""
    made = counting(**_QUERY)
    await made.take(_records())
    refused = Failure(Reason.CONNECT, "connection refused")

    assert await made.take(refused) == ("09:50:00", "09:55:00")
    assert await made.take(refused) == ("09:50:00", "10:00:00")
    assert await made.take(_records(_ANSWERED)) == ("09:50:00", "10:05:00")

    assert made.calls("ACME", "in") == {**_STARTED, "answered": 1}
    assert made.failure(Query.CALL_RECORDS) is None


async def test_calls_are_lost_after_three_intervals(counting: Counting) -> None:
    """A window of hours might never succeed; what was lost is logged when counting continues."""
    made = counting(**_QUERY)
    await made.take(_records())
    with structlog.testing.capture_logs() as logs:
        await made.take(Failure(Reason.CONNECT, "connection refused"), after=3600)
        assert await made.take(_records(_ANSWERED)) == ("10:40:00", "10:55:00")

    assert [log["seconds"] for log in logs if log["event"] == "call records missed after failures"] == [3000]
    assert made.calls("ACME", "in") == {**_STARTED, "answered": 1}


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.TOO_LARGE])
async def test_long_window_that_fails_is_not_repeated(reason: Reason, counting: Counting) -> None:
    """Otherwise a switch that needs too long for 15 minutes would never succeed again."""
    made = counting(**_QUERY)
    await made.take(_records())
    await made.take(Failure(reason, ""))

    assert await made.take(Failure(reason, "")) == ("09:50:00", "10:00:00")
    assert await made.take(_records()) == ("10:00:00", "10:05:00")
    await made.take(Failure(Reason.CONNECT, ""))
    assert await made.take(_records()) == ("10:05:00", "10:15:00")


async def test_record_in_two_windows_is_counted_once(counting: Counting) -> None:
    """It is unknown whether a window includes its last second. Records without an id are all counted."""
    made = counting(**_QUERY)
    await made.take(_records(("ACME", "in", "answered", 10, 8)))
    await made.take(_records(("ACME", "in", "answered", 10, 8), _ANSWERED, ("ACME", "in", "busy", 0, None)))
    await made.take(_records(_ANSWERED, ("ACME", "in", "busy", 0, None)))

    assert made.calls("ACME", "in") == {**_STARTED, "answered": 1, "busy": 2}


async def test_new_tenant_starts_at_zero(counting: Counting) -> None:
    """Its first window is not counted, and that of others is; a tenant that returns starts again."""
    made = counting(**_QUERY)
    boreal = made.targets.tenants.pop("BOREAL")
    await made.take(_records())
    made.targets.tenants["BOREAL"] = boreal
    await made.take(_records(_ANSWERED, ("BOREAL", "in", "failed", 0, 2)))

    assert made.calls("ACME", "in") == {**_STARTED, "answered": 1}
    assert made.calls("BOREAL", "in") == _STARTED
    await made.take(_records(("BOREAL", "in", "failed", 0, 3)))
    assert made.calls("BOREAL", "in") == {**_STARTED, "failed": 1}

    made.ingester.drop_tenants({"BOREAL"})
    await made.take(_records(("BOREAL", "in", "failed", 0, 4)))
    assert made.calls("BOREAL", "in") == _STARTED


async def test_disabled_query_has_no_counters(
    counting: Counting, context: Callable[..., SwitchContext]
) -> None:
    """A reload that disables it drops them; when it is enabled again, they start at zero."""
    made = counting(**_QUERY)
    await made.take(_records())
    await made.take(_records(_ANSWERED, ("ACME", "other", "other", 0, 2)))
    configuration = made.context.configuration
    made.targets.configure(context(tenants=[{"code": "ACME"}]).configuration, ())
    made.ingester.drop_unpolled()

    assert [made.calls("ACME", direction) for direction in ("in", "out", "other")] == [None] * 3
    assert made.seconds("ACME") is None

    made.targets.configure(configuration, ())
    made.ingester.drop_unpolled()
    await made.take(_records(("ACME", "in", "failed", 0, 3)))
    assert made.calls("ACME", "in") == _STARTED


async def test_repeated_hour_is_counted_once(counting: Counting) -> None:
    """When summer time ends, the switch would list the calls of both hours for the same local time."""
    made = counting(**_QUERY)
    made.now = datetime(2026, 10, 25, 0, 55, tzinfo=UTC).timestamp()  # 02:55, the first time
    await made.take(_records())
    for number in range(16):
        await made.take(_records(("ACME", "in", "busy", 0, number)))

    # Of the windows from 02:45 (first time) to 03:05 (after the second), these are counted: 02:45 to 03:00,
    # and those after 03:00. Twelve start or end in the repeated hour, one ends at its start.
    assert made.calls("ACME", "in") == {**_STARTED, "busy": 3}


def _next(windows: CallWindows, now: float, interval: float = 300, delay: float = 600) -> Window:
    return windows.next(now, interval=interval, delay=delay, zone=_ROME)


def test_clock_that_is_set_back_counts_nothing_twice() -> None:
    """Windows that were counted are requested again, but not counted. After a day back, it starts over."""
    windows = CallWindows()
    windows.accept(_next(windows, _NOW))
    windows.accept(_next(windows, _NOW + 300))

    again = _next(windows, _NOW)
    assert again == Window(int(_NOW) - 900, int(_NOW) - 600, counts=False)
    windows.accept(again)
    assert _next(windows, _NOW + 301) == Window(int(_NOW) - 300, int(_NOW) - 299, counts=True)

    days_ago = _NOW - 2 * 86_400
    windows.accept(_next(windows, days_ago))
    assert _next(windows, days_ago + 300).start == int(days_ago) - 600


@given(
    st.lists(
        st.tuples(
            st.floats(-2000, 10_000),
            st.none() | st.sampled_from([Reason.TIMEOUT, Reason.CONNECT, Reason.EMPTY]),
            st.sampled_from([1.0, 300.0, 600.0, 3600.0]),
        ),
        max_size=30,
    )
)
def test_no_second_is_counted_twice(steps: list[tuple[float, Reason | None, float]]) -> None:
    """Whatever the clock, failures and a reload do: counted windows never overlap and are not too long."""
    windows, now, interval, counted = CallWindows(), _NOW, 300.0, _NOW - 1e9
    for seconds, failure, delay in steps:
        now += seconds
        window = _next(windows, now, interval, delay)
        assert window.start < window.end <= now - delay
        assert window.end - window.start <= 3 * interval
        if failure:
            windows.fail(window, failure, interval)
            continue
        windows.accept(window)
        if window.counts:
            assert window.start >= counted
            counted = window.end
