"""The call records of a switch: whether the query works, and whether the configured time zone is right."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from exporter.cli.probe.findings import Advice, Finding, QueryRequest, leaves, setting
from exporter.cli.probe.render import advice_lines
from exporter.cli.probe.runner import Runner
from exporter.config import SwitchConfiguration
from exporter.fields import duration_text, parse_duration
from exporter.model import Answer, Failure, Query, Reason
from exporter.queries import call_records
from exporter.queries.call_records import CallRecords, CallRecordsQuery, local_time
from exporter.request import Operation, Request

_EXAMPLE_INTERVAL = "5m"
_SOON, _FAR = timedelta(minutes=1), timedelta(hours=26)
"""The window in the future. It starts after a minute, because clocks differ, and ends after the largest
difference between two time zones."""

_STEP = timedelta(minutes=30)
"""Nearly all time zones differ by a multiple of this."""

_JITTER = timedelta(minutes=2)
"""Calls may begin while the request is on its way, and clocks differ."""

_SKEW = timedelta(minutes=10)
"""A smaller difference may be a wrong clock."""

_FIRST_ZONE = "Etc/GMT+12"
"""The time zone with the earliest local time. In it, recent calls are in the future, whatever
the time zone of the switch."""

_IGNORES_WINDOW = (
    "the switch ignores `start` and `end`, because it lists earlier calls: do not enable the query"
)
_COMPARE = "Compare `sc_start` of a call in the switch's list with the time at which you made it"


async def probe_call_records(runner: Runner, now: float) -> bool:
    """Request the last window and one in the future, print what they show, and return whether this failed.

    The window in the future must be empty. It has calls if the switch is ahead of the configured time zone.
    """
    switch = runner.switch
    section = switch.queries.options(call_records.SPEC)
    latest, future = [await runner.send(wanted) for wanted in window_requests(section, now)]
    if latest is None or future is None:
        return True
    if _is_empty(future.verdict):
        runner.findings.remove(future)  # as expected, so not a failure
    for given in zone_advice(latest, future, switch, now):
        runner.write([*advice_lines(given), ""])
        runner.given.append((latest, given))
    return not (_calls(latest.verdict) and _is_empty(future.verdict))


def _zone(section: CallRecordsQuery) -> ZoneInfo:
    return section.timezone or ZoneInfo("UTC")


def window_requests(section: CallRecordsQuery, now: float) -> Iterator[QueryRequest]:
    """Yield the requests of the last window and of one in the future."""
    length, zone = section.interval or parse_duration(_EXAMPLE_INTERVAL), _zone(section)
    end = now - section.delay
    for first, last in (
        (end - length, end),
        (now + _SOON.total_seconds(), now + _FAR.total_seconds()),
    ):
        window = local_time(first, zone), local_time(last, zone)
        request = Request(Operation.CALL_RECORDS, start=window[0], end=window[1])
        yield QueryRequest(Query.CALL_RECORDS, request)


def _calls(verdict: Answer | Failure) -> int:
    return len(verdict.rows) if isinstance(verdict, CallRecords) else 0


def _is_empty(verdict: Answer | Failure) -> bool:
    """Return whether there are no calls: an empty response, or an empty list."""
    if isinstance(verdict, Failure):
        return verdict.reason is Reason.EMPTY
    return not _calls(verdict)


def zone_advice(
    latest: Finding, future: Finding, switch: SwitchConfiguration, now: float
) -> Iterator[Advice]:
    """Yield what the last window and the one in the future say about the time zone."""
    section = switch.queries.options(call_records.SPEC)
    zone = _zone(section)
    match future.verdict:
        case CallRecords(rows=rows, newest=newest) if rows:
            yield _behind(newest, datetime.fromtimestamp(now, zone))
        case Failure(reason=Reason.TOO_LARGE):
            yield Advice(f"the switch is ahead of {zone}: it lists calls in the future. {_COMPARE}")
        case verdict if _is_empty(verdict) and _calls(latest.verdict):
            yield from _right(latest, switch, zone)
        case verdict if _is_empty(verdict) and _is_empty(latest.verdict):
            yield Advice(
                f"there were no calls, or the switch is behind {zone}, or the key lacks the right. Make a "
                f"short call and probe again {duration_text(section.delay)} later. Or probe with the "
                "earliest time zone: recent calls are then in the future, and the newest one shows the zone",
                setting("queries", "call_records", "timezone", value=_FIRST_ZONE),
            )


def found_zone(given: Advice) -> str:
    """Return the time zone that advice shows; "" if it only suggests how to find it."""
    zone = dict(leaves(given.settings)).get(("queries", "call_records", "timezone"), "")
    return "" if zone == _FIRST_ZONE else str(zone)


def ignores_window(given: Advice) -> bool:
    """Return whether advice says that the switch ignores the times in a request."""
    return given.text == _IGNORES_WINDOW


def _behind(newest: datetime | None, now: datetime) -> Advice:
    """Return the advice if calls are listed in the future. ``newest``: the latest start."""
    ahead = newest - now.replace(tzinfo=None) if newest else None
    if ahead is None:
        return Advice(f"the switch lists calls in the future, with times that cannot be read. {_COMPARE}")
    if ahead < timedelta(0):
        return Advice(
            _IGNORES_WINDOW,
            setting("queries", "call_records", "interval", value="off"),
        )
    offset = (now.utcoffset() or timedelta(0)) + math.ceil((ahead - _JITTER) / _STEP) * _STEP
    by = duration_text(60 * round(ahead / timedelta(minutes=1)))
    found = f"the newest call began {by} after the current time in {now.tzinfo}"
    names = _zones_at(offset, now.astimezone(UTC))
    if ahead < _SKEW or not names:
        return Advice(f"{found}: check the clock of the switch, make a short call and probe again")
    return Advice(
        f"{found}, so the switch is ahead by that or a little more: its time zone is probably at "
        f"{_offset(offset)} now. Choose the zone of its region, so that summer time is right, for example",
        setting("queries", "call_records", "timezone", value=names[0]),
    )


def _offset(offset: timedelta) -> str:
    minutes = round(offset / timedelta(minutes=1))
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _zones_at(offset: timedelta, now: datetime) -> list[str]:
    """Return the zones of regions that have this offset now, those of Europe first."""
    regions = ("Europe/", "America/", "Asia/", "Australia/", "Africa/", "Pacific/", "Atlantic/", "Indian/")
    named = [
        (regions.index(region), name)
        for name in available_timezones()
        for region in regions
        if name.startswith(region)
    ]
    return [name for _, name in sorted(named) if now.astimezone(ZoneInfo(name)).utcoffset() == offset]


def _right(latest: Finding, switch: SwitchConfiguration, zone: ZoneInfo) -> Iterator[Advice]:
    text = f"the time zone {zone} fits: there were calls in the last window, and none in the future"
    if switch.queries.options(call_records.SPEC).interval is not None:
        yield Advice(text)
    else:
        values = {"interval": _EXAMPLE_INTERVAL, "timezone": str(zone)}
        yield Advice(f"{text}. To count the calls", setting("queries", "call_records", value=values))
    codes = {tenant.code for tenant in switch.tenants}
    calls = latest.verdict.rows if isinstance(latest.verdict, CallRecords) else ()
    if codes and not switch.discover_tenants.enabled and not any(call.tenant in codes for call in calls):
        yield Advice("none of the calls belongs to a configured tenant, so none of them would be counted")
