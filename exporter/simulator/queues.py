"""Queues of tenants: INFO queues and INFO queue. Source: wire notes 2026-10.

The meaning of the fields of INFO queue is inferred from their names: waiting times are seconds, SERVICELEVEL
is a percentage, counts are reset at midnight. Without ``id``, the row combines the queues of the tenant.
"""

from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

from exporter.simulator.overrides import QueueSetting
from exporter.simulator.tenants import QUEUES, Tenant, draw, spent
from exporter.simulator.wire import Context, as_json
from exporter.simulator.world import MOST_QUEUES, World

_DAY = 86400
_OPEN_HOURS = (8, 19)
_SLOT = 120
_MOST_WAITING = 5
_MINUTES_PER_CALL = 3
# One with a comma, a duplicate, and an empty one.
_NAMES = ("Reception", "Support, first line", "Vertrieb Süd", "Support, first line", "")

# Of 50 calls, those that no agent answers: hung up, timed out, left with a key.
_CYCLE = 50
_ABANDONED, _TIMED_OUT, _EXITED = frozenset({5, 17, 29, 41}), frozenset({11}), frozenset({31})


class QueueState(NamedTuple):
    """A queue at a moment. ``waits``: how long each call has waited, in seconds, longest first."""

    online: int
    paused: int
    on_call: int
    waits: tuple[int, ...]
    received: int
    service_level: float

    @property
    def free(self) -> int:
        """The agents who could take a call."""
        return self.online - self.paused - self.on_call

    @property
    def abandoned(self) -> int:
        """The calls received since midnight whose callers hung up."""
        return _among(self.received, _ABANDONED)

    @property
    def answered(self) -> int:
        """The calls received since midnight that an agent answered."""
        return self.received - _among(self.received, _ABANDONED | _TIMED_OUT | _EXITED)


def names(world: World, tenant: Tenant) -> dict[str, str]:
    """Return the names of a tenant's queues by id."""
    first = (tenant.index + 1) * MOST_QUEUES
    return {
        str(first + position): _NAMES[position] if position < len(_NAMES) else f"Queue {position}"
        for position in range(world.queues)
    }


def states(world: World, tenant: Tenant, moment: float) -> dict[str, QueueState]:
    """Return the state of a tenant's queues by id."""
    if world.disabled(tenant):
        return dict.fromkeys(names(world, tenant), QueueState(0, 0, 0, (), 0, 0.0))
    calls = world.figures(tenant, moment).calls
    return {queue: _state(world, tenant, queue, calls, moment) for queue in names(world, tenant)}


def _state(world: World, tenant: Tenant, queue: str, calls: int, moment: float) -> QueueState:
    chance = draw(world.seed, QUEUES, int(queue), int(moment // _SLOT))
    setting = world.overrides.queues.get(queue, QueueSetting(moment))
    hour = (moment / 3600 + tenant.shift_hours) % 24
    staff = tenant.extensions // 5 + 1 if _OPEN_HOURS[0] <= hour < _OPEN_HOURS[1] else 0
    online = staff if setting.online is None else setting.online
    paused = min(online, chance % 4 // 3 if setting.paused is None else setting.paused)
    waiting = setting.waiting
    if waiting is None:
        waiting = (chance >> 8) % min(_MOST_WAITING, calls // 2 + 2) if online and calls else 0
    return QueueState(
        online,
        paused,
        min(online - paused, calls // (2 * world.queues)),
        _waits(waiting, setting, moment),
        _received(world, tenant, moment),
        70 + (chance >> 16) % 300 / 10,
    )


def _waits(waiting: int, setting: QueueSetting, moment: float) -> tuple[int, ...]:
    """Return how long each call has waited. The longest grows from the set time, or is at most a minute."""
    longest = int(moment % _SLOT) // 2 + 1
    if setting.longest_wait is not None:
        longest = int(setting.longest_wait + moment - setting.moment)
    return tuple(longest * (waiting - which) // waiting for which in range(waiting))


def _received(world: World, tenant: Tenant, moment: float) -> int:
    """Return the calls since midnight: half of the tenant's calls, divided equally among its queues."""
    midnight = moment // _DAY * _DAY
    minutes = (spent(tenant, moment) - spent(tenant, midnight)) / tenant.price
    return int(minutes / _MINUTES_PER_CALL / 2 / world.queues)


def _among(received: int, which: frozenset[int]) -> int:
    cycles, rest = divmod(received, _CYCLE)
    return cycles * len(which) + sum(number < rest for number in which)


def listed(context: Context) -> str:
    """Return INFO queues. The response without queues is a guess."""
    queues = names(context.world, context.the_tenant)
    if context.request.json:
        return as_json(queues) if queues else "null"
    return "|".join(f"{queue}: {name}" for queue, name in queues.items())


def one_queue(context: Context) -> str:
    """Return INFO queue: one queue, or all combined if ``id`` is missing or ignored."""
    of_tenant = states(context.world, context.the_tenant, context.moment)
    wanted = context.request.queue
    if not wanted or context.options.queue_id == "ignored":
        state = _sum(of_tenant)
    elif wanted in of_tenant:
        state = of_tenant[wanted]
    else:
        return "null" if context.request.json else ""
    fields = _fields(state)
    if context.request.json:
        return as_json(fields)
    return f"{'|'.join(fields)}\n{'|'.join(fields.values())}\n"


def _sum(of_tenant: Mapping[str, QueueState]) -> QueueState:
    each = of_tenant.values()
    return QueueState(
        sum(state.online for state in each),
        sum(state.paused for state in each),
        sum(state.on_call for state in each),
        tuple(sorted(chain.from_iterable(state.waits for state in each), reverse=True)),
        sum(state.received for state in each),
        round(sum(state.service_level for state in each) / max(1, len(each)), 1),
    )


def _fields(state: QueueState) -> dict[str, str]:
    """Return the 23 fields (names seen, wire notes 2026-10). Numbers are strings, as in other responses."""
    first, second, third, *_ = (*state.waits, 0, 0, 0)
    answered, talk, hold = state.answered, 150, 20
    fields = {
        "AGENTSAVAILABLE": state.online - state.paused,
        "AGENTSPAUSED": state.paused,
        "AGENTSFREE": state.free,
        "AGENTSONLINE": state.online,
        "CALLSINQUEUE": len(state.waits),
        "SERVICELEVEL": state.service_level,
        "FIRSTWAITING": first,
        "SECONDWAITING": second,
        "THIRDWAITING": third,
        "CALLSONLINE": state.on_call,
        "TALKTIME": answered * talk,
        "HOLDTIME": answered * hold,
        "ANSWEREDCALLS": answered,
        "CALLSRECEIVED": state.received,
        "REALANSWEREDCALLS": answered,
        "TRANSFEREDCALLS": answered // 10,
        "ABANDONEDCALLS": state.abandoned,
        "TIMEDOUTCALLS": _among(state.received, _TIMED_OUT),
        "QUEUECAR": round(100 * state.abandoned / max(1, state.received), 1),
        "EXITWITHKEYCALLS": _among(state.received, _EXITED),
        "MAXHOLDTIME": hold * 4,
        "AVERAGETALKTIME": talk,
        "AVERAGEHOLDTIME": hold,
    }
    return {name: str(value) for name, value in fields.items()}
