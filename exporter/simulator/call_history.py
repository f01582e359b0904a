"""The call history: every call that began in a period, and INFO simplecdrs. Source: wire notes 2026-10.

Unlike the rest of the world, it uses real time, because clients request the latest minutes by their own
clock. In each minute, as many calls begin as the simulated traffic requires. Only added calls are stored.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from exporter.simulator.overrides import AddedCalls
from exporter.simulator.tenants import FIRST_EXTENSION, HISTORY, Tenant, calls_wanted, draw, fraction
from exporter.simulator.wire import Context, as_json, with_positions
from exporter.simulator.world import World

CALLER = "CALLER-MUST-NOT-SHOW"
"""Prefix of every caller's name: tests search logs, pages and metrics for it."""

CALLER_NUMBER = "+999007"
"""Prefix of every external number. No country has it."""

_MINUTE, _HOUR = 60, 3600
_MINUTES_PER_CALL = 3
_DIRECTIONS = ("IN",) * 5 + ("OUT",) * 4 + ("LOCAL",)
_DISPOSITIONS = ("ANSWERED",) * 15 + ("NO ANSWER",) * 3 + ("FAILED", "CONGESTION")
_FORMAT = "%Y-%m-%d %H:%M:%S"


class Call(NamedTuple):
    """One call. ``start`` is in seconds since 1970; ``chance`` determines the phone numbers."""

    tenant: Tenant
    start: int
    number: int
    direction: str
    disposition: str
    duration: int
    chance: int


class Total(NamedTuple):
    """Calls of one direction and disposition, and their duration."""

    calls: int = 0
    seconds: int = 0


def calls(world: World, tenant: Tenant, start: float, end: float) -> Iterator[Call]:
    """Yield a tenant's calls that begin at ``start`` or later, and before ``end``, in seconds since 1970."""
    if world.disabled(tenant) or not tenant.extensions:
        return
    for minute in range(int(start // _MINUTE), int(-(-end // _MINUTE))):
        yield from (call for call in _of_minute(world, tenant, minute) if start <= call.start < end)
    for added in world.overrides.added_calls:
        if added.code == tenant.code:
            yield from (call for call in _added(world, tenant, added) if start <= call.start < end)


def totals(world: World, start: float, end: float) -> dict[str, dict[tuple[str, str], Total]]:
    """Return the calls that begin in a period, by tenant, direction and disposition."""
    of_tenants: dict[str, dict[tuple[str, str], Total]] = {}
    for tenant in world.tenants():
        sums = of_tenants[tenant.code] = {}
        for call in calls(world, tenant, start, end):
            kind = (call.direction, call.disposition)
            before = sums.get(kind, Total())
            sums[kind] = Total(before.calls + 1, before.seconds + call.duration)
    return of_tenants


def _of_minute(world: World, tenant: Tenant, minute: int) -> Iterator[Call]:
    wanted = calls_wanted(world.seed, tenant, world.time.moment_at(minute * _MINUTE)) / _MINUTES_PER_CALL
    count = int(wanted + fraction(world.seed, HISTORY, tenant.index, minute))
    for number in range(count):
        chance = draw(world.seed, HISTORY, tenant.index, minute, number)
        direction = _DIRECTIONS[chance % len(_DIRECTIONS)]
        disposition = _DISPOSITIONS[(chance >> 8) % len(_DISPOSITIONS)]
        duration = {"ANSWERED": 20 + (chance >> 16) % 400, "NO ANSWER": 15 + (chance >> 16) % 30}
        begun = minute * _MINUTE + (chance >> 32) % _MINUTE
        yield Call(tenant, begun, number, direction, disposition, duration.get(disposition, 0), chance)


def _added(world: World, tenant: Tenant, added: AddedCalls) -> Iterator[Call]:
    for number in range(added.number):
        begun = int(added.start + added.seconds * number / added.number)
        chance = draw(world.seed, HISTORY, tenant.index, begun, number)
        kind = (added.direction, added.disposition, added.duration)
        yield Call(tenant, begun, 1000 + number, *kind, chance)


def simple_cdrs(context: Context) -> str:
    """Return INFO simplecdrs, of one tenant or of all; without calls it is empty in either format.

    Inferred: ``start`` and ``end`` are local times, both inclusive, and are compared with ``sc_start``.
    Without them, the response covers the last hour. For an invalid date, it is empty.
    """
    zone, now = ZoneInfo(context.options.time_zone), context.world.time.wall_time()
    parameters = context.request.parameters
    default = {"start": now - _HOUR, "end": now}
    try:
        first, last = (
            datetime.fromisoformat(parameters[name]).replace(tzinfo=None)
            if name in parameters
            else datetime.fromtimestamp(default[name], zone).replace(tzinfo=None)
            for name in default
        )
    except ValueError:
        return ""
    # When summer time ends, an hour repeats, and each of its local times is two moments.
    moments = [time.replace(tzinfo=zone, fold=fold).timestamp() for time in (first, last) for fold in (0, 1)]
    tenants = context.world.tenants() if context.tenant is None else [context.tenant]
    records = sorted(
        (time, call.tenant.index, call)
        for tenant in tenants
        for call in calls(context.world, tenant, min(moments), max(moments) + 1)
        if call.start + (call.duration if context.options.call_recorded == "end" else 0) <= now
        if first <= (time := datetime.fromtimestamp(call.start, zone).replace(tzinfo=None)) <= last
    )
    return _listing(context, [_record(time.strftime(_FORMAT), call) for time, _, call in records])


def _record(begun: str, call: Call) -> dict[str, object]:
    tenant, chance = call.tenant, call.chance
    phones = [str(FIRST_EXTENSION + (chance >> shift) % tenant.extensions) for shift in (40, 48)]
    outside = f"{CALLER_NUMBER}{chance % 1_000_000:06}"
    caller, dialed = {"IN": (outside, f"{CALLER_NUMBER}55501"), "OUT": (phones[0], outside)}.get(
        call.direction, (phones[0], phones[1])
    )
    answered_by = dialed if call.direction == "OUT" else f"{phones[1]}-{tenant.code}"
    return {
        "sc_te_id": str(tenant.index + 1),
        "tenantcode": tenant.code,
        "sc_start": begun,
        "sc_direction": call.direction,
        "sc_calleridnum": caller,
        "sc_calleridname": f"{CALLER}, Zoë {chance % 100}",
        "sc_dialednum": dialed,
        "sc_disposition": call.disposition,
        "sc_duration": str(call.duration),
        "sc_uniqueid": f"{call.start}.{tenant.index * 100_000 + call.number}",
        "sc_whoanswered": answered_by if call.disposition == "ANSWERED" else "",
    }


def _listing(context: Context, records: list[dict[str, object]]) -> str:
    if not records:
        return ""
    if context.request.json:
        return as_json([with_positions(record) for record in records])
    # In plain text the header and the first row run together (seen, wire notes 2026-10).
    return "|".join(records[0]) + "".join("|".join(map(str, record.values())) + "\n" for record in records)
