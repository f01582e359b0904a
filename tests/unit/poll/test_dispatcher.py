import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.clock import Clock
from exporter.model import Query, Scope, SkipReason, Target
from exporter.poll.dispatcher import Dispatcher, Lane, Limiter
from exporter.poll.requests import Item
from exporter.request import Operation, Request

_OPERATIONS = {Query.CALLS: Operation.COUNT_CALLS, Query.BALANCE: Operation.BALANCE}


def _item(tenant: str, query: Query = Query.CALLS, part: str = "") -> Item:
    return Item(Target(query, Scope.TENANT, tenant), Request(_OPERATIONS[query], tenant=tenant), part)


def _of_switch(part: str = "") -> Item:
    request = Request(Operation.COUNT_CHANNELS, node=part)
    return Item(Target(Query.CHANNELS, Scope.SWITCH), request, part)


@dataclass
class _Switch:
    """Stands for what asks: notes who was asked and when, and answers after so many seconds.

    Tenants that are ``pausing`` are skipped.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    usual: float = 0.0
    asked: list[tuple[str, float]] = field(default_factory=list)
    skipped: list[tuple[str, SkipReason]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    in_flight: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    error: Exception | None = None
    pausing: set[str] = field(default_factory=set)
    patience: float = 0.05

    async def send(self, item: Item) -> None:
        name = item.target.tenant or item.part or "switch"
        self.asked.append((name, asyncio.get_running_loop().time()))
        self.in_flight[name] += 1
        self.most[name] = max(self.most[name], self.in_flight[name])
        try:
            if self.error is not None:
                raise self.error
            await asyncio.sleep(self.seconds.get(name, self.usual))
            self.ended.append(name)
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        finally:
            self.in_flight[name] -= 1

    def count_skip(self, target: Target, reason: SkipReason) -> None:
        self.skipped.append((target.tenant, reason))

    def lane(self, target: Target) -> Lane:
        return Lane.SWITCH if target.scope is Scope.SWITCH else Lane.TENANT

    def skip_reason(self, target: Target, now: float) -> SkipReason | None:
        return SkipReason.BACKOFF if target.tenant in self.pausing else None

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.asked]


@dataclass
class _Sweeping:
    switch: _Switch
    limiter: Limiter
    dispatcher: Dispatcher

    async def run(self, items: Sequence[Item], spread: float = 0) -> None:
        """Sweep, and let the last request begin."""
        await self.dispatcher.run(items, spread)
        await asyncio.sleep(0)


def _sweeping(switch: _Switch, *, most: int = 20, patience: float = 0.05) -> _Sweeping:
    monotonic = asyncio.get_running_loop().time
    switch.patience = patience
    limiter = Limiter(most, 1e6, monotonic, shared=True)
    return _Sweeping(switch, limiter, Dispatcher(switch, limiter, Clock(monotonic=monotonic)))


async def test_requests_are_spread_evenly() -> None:
    """The first is sent at once, the others at equal intervals."""
    made = _sweeping(_Switch())
    started = asyncio.get_running_loop().time()

    await made.run([_item(f"T{number}") for number in range(10)], 0.3)

    offsets = [at - started for _, at in made.switch.asked]
    assert offsets == pytest.approx([0.03 * number for number in range(10)], abs=0.02)
    assert made.switch.names == [f"T{number}" for number in range(10)]


async def test_sweep_does_not_wait_for_responses() -> None:
    """Slow responses delay neither other requests nor the end of the sweep."""
    made = _sweeping(_Switch(usual=10))

    async with asyncio.timeout(1):
        await made.run([_item(f"T{number}") for number in range(10)], 0.1)

    assert len(made.switch.asked) == 10
    assert made.switch.ended == []
    await made.dispatcher.stop()


async def test_one_request_at_a_time_per_tenant() -> None:
    """If two queries meet at a tenant, the second request is sent at the end, and none is left out."""
    made = _sweeping(_Switch(usual=0.03))
    tenants = [f"T{number}" for number in range(8)]

    await asyncio.gather(
        made.run([_item(tenant) for tenant in tenants], 0.1),
        made.run([_item(tenant, Query.BALANCE) for tenant in tenants], 0.1),
    )

    assert Counter(made.switch.names) == Counter(tenants * 2)
    assert set(made.switch.most.values()) == {1}
    assert made.switch.skipped == []
    await made.dispatcher.stop()


async def test_sweep_waits_for_a_slow_target() -> None:
    """But not longer than its patience, and after all others were requested; the skip is counted."""
    made = _sweeping(_Switch(seconds={"T1": 100}), patience=0.1)
    await made.run([_item("T1")])

    started = asyncio.get_running_loop().time()
    await made.run([_item(f"T{number}") for number in range(4)])

    assert 0.08 < asyncio.get_running_loop().time() - started < 0.2
    assert made.switch.names == ["T1", "T0", "T2", "T3"]
    assert made.switch.skipped == [("T1", SkipReason.IN_FLIGHT)]
    await made.dispatcher.stop()


async def test_wait_ends_with_the_response() -> None:
    """Not only when the patience is over."""
    made = _sweeping(_Switch(seconds={"T1": 0.05}), patience=5)
    await made.run([_item("T1")])
    started = asyncio.get_running_loop().time()

    async with asyncio.timeout(1):
        await made.run([_item("T1"), _item("T2")])

    assert made.switch.names == ["T1", "T2", "T1"]
    assert made.switch.asked[-1][1] - started < 0.1
    await made.dispatcher.stop()


async def test_target_in_backoff_is_skipped_and_counted() -> None:
    """No request is sent to it."""
    made = _sweeping(_Switch())
    made.switch.pausing = {"T1"}

    await made.run([_item("T0"), _item("T1")])

    assert made.switch.names == ["T0"]
    assert made.switch.skipped == [("T1", SkipReason.BACKOFF)]


async def test_nodes_are_requested_concurrently() -> None:
    """But one node has one request at a time."""
    made = _sweeping(_Switch(usual=0.1), patience=0.01)

    await made.run([_of_switch(), _of_switch("n1"), _of_switch("n2"), _of_switch("n1")])

    assert made.switch.names == ["switch", "n1", "n2"]
    assert made.switch.skipped == [("", SkipReason.IN_FLIGHT)]
    await made.dispatcher.stop()


async def test_stop_cancels_requests() -> None:
    """Their slots and tenants are free again."""
    made = _sweeping(_Switch(usual=100))
    await made.run([_item(f"T{number}") for number in range(3)])
    await asyncio.sleep(0.01)

    async with asyncio.timeout(1):
        await made.dispatcher.stop()

    assert sorted(made.switch.cancelled) == ["T0", "T1", "T2"]
    assert made.limiter.in_flight == 0
    made.switch.usual = 0
    await made.run([_item("T0")])
    assert made.switch.names[-1] == "T0"


async def test_stop_before_a_request_has_started() -> None:
    """It does not keep its slot."""
    made = _sweeping(_Switch(usual=100))
    await made.dispatcher.run([_item("T0")], 0)

    await made.dispatcher.stop()

    assert made.limiter.in_flight == 0
    made.switch.usual = 0
    await made.run([_item("T0")])
    await asyncio.sleep(0.01)
    assert made.switch.skipped == []
    assert made.switch.ended == ["T0"]


async def test_cancelled_sweep() -> None:
    """If it was waiting for a slot, neither slot nor tenant stays taken."""
    made = _sweeping(_Switch(usual=100), most=1)
    await made.limiter.acquire(Lane.TENANT)
    sweep = asyncio.create_task(made.run([_item("T0")]))
    await asyncio.sleep(0.01)

    sweep.cancel()
    await asyncio.gather(sweep, return_exceptions=True)
    made.limiter.release(Lane.TENANT)

    assert made.limiter.in_flight == 0
    await made.run([_item("T0")])
    assert made.switch.names == ["T0"]
    await made.dispatcher.stop()


async def test_request_ends_while_a_sweep_is_cancelled() -> None:
    """Both happen at a stop, and the slot and the tenant are free again."""
    made = _sweeping(_Switch(usual=100), most=1)
    await made.run([_item("T0")])
    sweep = asyncio.create_task(made.run([_item("T1")]))
    await asyncio.sleep(0.01)

    # The request's task is woken first: it frees its slot before the sweep knows that it is cancelled.
    stopping = asyncio.create_task(made.dispatcher.stop())
    await asyncio.sleep(0)
    sweep.cancel()
    await asyncio.gather(sweep, stopping, return_exceptions=True)
    await asyncio.sleep(0.01)

    assert made.limiter.in_flight == 0
    made.switch.usual = 0
    await made.run([_item("T0")])
    assert made.switch.skipped == []
    assert made.switch.names == ["T0", "T0"]
    await made.dispatcher.stop()


async def test_probe_is_sent_in_backoff() -> None:
    """Unless its target has a request in flight."""
    made = _sweeping(_Switch(usual=0.05))
    made.switch.pausing = {"T0"}

    for _ in range(2):
        await made.dispatcher.probe(_item("T0"))
        await asyncio.sleep(0)

    assert made.switch.names == ["T0"]
    await made.dispatcher.stop()


_SLACK = 0.02  # what may be caught up on after a timer that rang late


class _Loop:
    """Takers of slots, and a clock that moves with the event loop's."""

    def __init__(self, most: int, rate: float = 1e6, *, shared: bool = True) -> None:
        self.limiter = Limiter(most, rate, asyncio.get_running_loop().time, shared=shared)
        self.order: list[int] = []
        self.waiting: dict[int, tuple[Lane, asyncio.Task[None]]] = {}
        self.taken: dict[int, Lane] = {}
        self._numbers = 0

    def ask(self, lane: Lane) -> int:
        number = self._numbers
        self._numbers += 1

        async def take() -> None:
            await self.limiter.acquire(lane)
            del self.waiting[number]
            self.taken[number] = lane
            self.order.append(number)

        self.waiting[number] = lane, asyncio.create_task(take())
        return number

    def free(self, number: int) -> None:
        self.limiter.release(self.taken.pop(number))

    async def settle(self) -> None:
        # Each step of a taker is one round of the loop, and the rate of these tests lets all start at once.
        for _ in range(10):
            await asyncio.sleep(0)

    def in_lane(self, *lanes: Lane) -> int:
        return sum(lane in lanes for lane in self.taken.values())


async def test_one_slot() -> None:
    """It is granted in the order of arrival, whatever the lane."""
    loop = _Loop(1)
    for lane in (Lane.TENANT, Lane.SWITCH, Lane.TENANT, Lane.SUSPECT, Lane.SWITCH):
        loop.ask(lane)
    await loop.settle()
    while loop.taken:
        assert len(loop.taken) == 1
        loop.free(next(iter(loop.taken)))
        await loop.settle()

    assert loop.order == [0, 1, 2, 3, 4]


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["ask", "ask and wait"]), st.sampled_from(Lane)),
        st.tuples(st.sampled_from(["free", "cancel", "cancel and free", "wait"]), st.integers(0, 20)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 9), st.booleans(), _STEPS)
@example(most=3, shared=False, steps=[("ask", Lane.TENANT)] * 4)
@example(most=3, shared=True, steps=[("ask", Lane.TENANT)] * 4)
@example(most=3, shared=True, steps=[("ask", Lane.SWITCH)] * 4)
@example(most=8, shared=True, steps=[("ask", Lane.SUSPECT)] * 4)
def test_any_sequence(most: int, shared: bool, steps: list[tuple[str, Lane | int]]) -> None:  # noqa: FBT001 -- drawn
    """After any requests, releases and cancellations, a request waits only if its lane has no free slot."""
    asyncio.run(_run(most, steps, shared=shared))


async def _run(most: int, steps: list[tuple[str, Lane | int]], *, shared: bool) -> None:
    loop = _Loop(most, shared=shared)
    cancelled: list[asyncio.Task[None]] = []
    for what, which in steps:
        if isinstance(which, Lane):
            loop.ask(which)
        if "wait" in what:
            await loop.settle()
        if "cancel" in what and loop.waiting and isinstance(which, int):
            number = sorted(loop.waiting)[which % len(loop.waiting)]
            cancelled.append(loop.waiting.pop(number)[1])
            cancelled[-1].cancel()
        if "free" in what and loop.taken and isinstance(which, int):
            loop.free(sorted(loop.taken)[which % len(loop.taken)])
        assert len(loop.taken) <= loop.limiter.in_flight <= most
    await loop.settle()
    assert loop.limiter.in_flight == len(loop.taken)
    waiting = {lane for lane, _ in loop.waiting.values()}
    for lane in Lane:
        free = _free_slots(loop, lane, most, shared=shared)
        assert free == 0 if lane in waiting else free >= 0
    while loop.taken or loop.waiting:
        assert loop.taken, "somebody waits for ever"
        loop.free(min(loop.taken))
        await loop.settle()
    assert loop.limiter.in_flight == 0
    await asyncio.gather(*cancelled, return_exceptions=True)
    assert [task for task in cancelled if not task.cancelled()] == []


def _free_slots(loop: _Loop, lane: Lane, most: int, *, shared: bool) -> int:
    """Return how many more requests of a lane may be in flight."""
    of_one_scope = max(1, most - 1) if shared else most
    scope = (Lane.SWITCH,) if lane is Lane.SWITCH else (Lane.TENANT, Lane.SUSPECT)
    free = min(most - len(loop.taken), of_one_scope - loop.in_lane(*scope))
    return min(free, max(1, most // 4) - loop.in_lane(lane)) if lane is Lane.SUSPECT else free


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(Lane), min_size=1, max_size=30))
def test_order_within_a_lane(lanes: list[Lane]) -> None:
    """The request that has waited longest is granted first."""

    async def run() -> list[int]:
        loop = _Loop(4)
        for lane in lanes:
            loop.ask(lane)
        await loop.settle()
        while loop.taken:
            loop.free(min(loop.taken))
            await loop.settle()
        return loop.order

    order = asyncio.run(run())

    assert sorted(order) == list(range(len(lanes)))
    for lane in Lane:
        of_lane = [number for number in order if lanes[number] is lane]
        assert of_lane == sorted(of_lane)


@pytest.mark.parametrize("rate", [50.0, 200.0])
async def test_rate_limit(rate: float) -> None:
    """In no period are there more requests than the rate allows, except to make up for a late timer."""
    limiter = Limiter(100, rate, asyncio.get_running_loop().time, shared=False)
    starts = []
    count = int(rate * 0.4)

    async def take() -> None:
        await limiter.acquire(Lane.TENANT)
        starts.append(asyncio.get_running_loop().time())
        limiter.release(Lane.TENANT)

    await asyncio.gather(*(take() for _ in range(count)))

    for first in range(count):
        for last in range(first + 1, count):
            assert starts[last] - starts[first] >= (last - first) / rate - _SLACK - 0.005
    assert starts[-1] - starts[0] < 0.4 * 1.3


async def test_pause_does_not_allow_a_burst() -> None:
    """After a second without requests, two requests still keep their distance."""
    limiter = Limiter(9, 20.0, asyncio.get_running_loop().time, shared=False)
    await limiter.acquire(Lane.TENANT)
    await asyncio.sleep(0.3)
    await limiter.acquire(Lane.TENANT)
    first = asyncio.get_running_loop().time()
    await limiter.acquire(Lane.TENANT)

    assert asyncio.get_running_loop().time() - first >= 1 / 20 - _SLACK - 0.005
