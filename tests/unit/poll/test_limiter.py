import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.poll.limiter import Lane, Limiter

_SLACK = 0.02  # what may be caught up on after a timer that rang late


class _Loop:
    """Takers of slots, and a clock that moves with the event loop's."""

    def __init__(self, most: int, rate: float = 1e6, *, shared: bool = True) -> None:
        self.limiter = Limiter(most, rate, asyncio.get_running_loop().time, shared=shared)
        self.held: Counter[Lane] = Counter()
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


async def test_all_slots_for_one_scope() -> None:
    """If only one scope is polled, it gets all slots."""
    loop = _Loop(3, shared=False)
    for _ in range(5):
        loop.ask(Lane.TENANT)
    await loop.settle()

    assert loop.limiter.in_flight == len(loop.taken) == 3
    assert loop.limiter.is_full(Lane.TENANT)


@pytest.mark.parametrize(("first", "second"), [(Lane.SWITCH, Lane.TENANT), (Lane.TENANT, Lane.SWITCH)])
async def test_each_scope_leaves_a_slot(first: Lane, second: Lane) -> None:
    """However many requests of one scope wait, one of the other scope is granted at once."""
    loop = _Loop(4)
    for _ in range(10):
        loop.ask(first)
    await loop.settle()
    assert len(loop.taken) == 3

    number = loop.ask(second)
    await loop.settle()

    assert number in loop.taken


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


@pytest.mark.parametrize(("most", "suspects"), [(1, 1), (3, 1), (4, 1), (8, 2), (20, 5)])
async def test_suspects_share_a_quarter(most: int, suspects: int) -> None:
    """They get a quarter of the slots at most, but at least one."""
    loop = _Loop(most)
    for _ in range(most + 5):
        loop.ask(Lane.SUSPECT)
    await loop.settle()

    assert len(loop.taken) == suspects
    assert loop.limiter.is_full(Lane.SUSPECT)
    assert loop.limiter.is_full(Lane.TENANT) is (most == 1)


async def test_waiting_suspects_do_not_block_others() -> None:
    """A suspect at the head of the queue is passed."""
    loop = _Loop(4)
    numbers = [
        loop.ask(lane) for lane in (Lane.SUSPECT, Lane.SUSPECT, Lane.SUSPECT, Lane.TENANT, Lane.SWITCH)
    ]
    await loop.settle()

    assert loop.order == [numbers[0], numbers[3], numbers[4]]


async def test_cancelled_requests_return_their_slots() -> None:
    """Whether they were waiting or had just been granted."""
    loop = _Loop(1, shared=False)
    holder, waiter = loop.ask(Lane.TENANT), loop.ask(Lane.TENANT)
    await loop.settle()
    loop.waiting[waiter][1].cancel()
    await loop.settle()
    late = loop.ask(Lane.TENANT)
    await loop.settle()

    loop.free(holder)  # gives the slot to `late`, which is cancelled before it can notice
    loop.waiting[late][1].cancel()
    await loop.settle()
    assert loop.limiter.in_flight == 0

    last = loop.ask(Lane.TENANT)
    await loop.settle()
    assert last in loop.taken


async def test_release_and_cancellation_together() -> None:
    """As at a stop: the slot goes to the next request, and nothing is raised."""
    loop = _Loop(1, shared=False)
    holder, waiter, behind = loop.ask(Lane.TENANT), loop.ask(Lane.TENANT), loop.ask(Lane.TENANT)
    await loop.settle()

    loop.waiting[waiter][1].cancel()
    loop.free(holder)
    await loop.settle()

    assert list(loop.taken) == [behind]
    assert loop.limiter.in_flight == 1


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["ask", "ask and wait"]), st.sampled_from(Lane)),
        st.tuples(st.sampled_from(["free", "cancel", "cancel and free", "wait"]), st.integers(0, 20)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 9), st.booleans(), _STEPS)
def test_any_sequence(most: int, shared: bool, steps: list[tuple[str, Lane | int]]) -> None:  # noqa: FBT001 -- drawn
    """After any requests, releases and cancellations the limits hold, and no slot is lost."""
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
        _assert_bounds(loop, most, shared=shared)
    await loop.settle()
    _assert_bounds(loop, most, shared=shared)
    assert loop.limiter.in_flight == len(loop.taken)
    for lane, _ in loop.waiting.values():  # who still waits has to
        assert loop.limiter.is_full(lane)
    while loop.taken or loop.waiting:
        assert loop.taken, "somebody waits for ever"
        loop.free(min(loop.taken))
        await loop.settle()
    assert loop.limiter.in_flight == 0
    await asyncio.gather(*cancelled, return_exceptions=True)
    assert [task for task in cancelled if not task.cancelled()] == []


def _assert_bounds(loop: _Loop, most: int, *, shared: bool) -> None:
    of_one_kind = max(1, most - 1) if shared else most
    assert len(loop.taken) <= loop.limiter.in_flight <= most
    assert loop.in_lane(Lane.SWITCH) <= of_one_kind
    assert loop.in_lane(Lane.TENANT, Lane.SUSPECT) <= of_one_kind
    assert loop.in_lane(Lane.SUSPECT) <= max(1, most // 4)


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
