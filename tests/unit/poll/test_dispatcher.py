import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from exporter.clock import Clock
from exporter.model import Query, Scope, SkipReason, Target
from exporter.poll.dispatcher import Dispatcher
from exporter.poll.limiter import Lane, Limiter
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

    Tenants that are ``hanging`` use the slots of suspects; those that are ``pausing`` are skipped.
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
    hanging: set[str] = field(default_factory=set)
    pausing: set[str] = field(default_factory=set)
    patience: float = 0.05
    limiter: Limiter = field(init=False)

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
        if target.scope is Scope.SWITCH:
            return Lane.SWITCH
        return Lane.SUSPECT if target.tenant in self.hanging else Lane.TENANT

    def skip_reason(self, target: Target, now: float) -> SkipReason | None:
        waits = self.lane(target) is Lane.SUSPECT and self.limiter.suspects_are_full
        return SkipReason.BACKOFF if waits or target.tenant in self.pausing else None

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


def _sweeping(switch: _Switch, *, most: int = 20, patience: float = 0.05, rate: float = 1e6) -> _Sweeping:
    monotonic = asyncio.get_running_loop().time
    switch.limiter = Limiter(most, rate, monotonic, shared=True)
    switch.patience = patience
    dispatcher = Dispatcher(switch, switch.limiter, Clock(monotonic=monotonic))
    return _Sweeping(switch, switch.limiter, dispatcher)


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


async def test_sweep_without_requests() -> None:
    """It ends at once."""
    made = _sweeping(_Switch())

    async with asyncio.timeout(0.5):
        await made.run([], 100)

    assert made.switch.asked == []


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


async def test_extensions_of_a_tenant_are_serialized() -> None:
    """All of them are requested, one after the other."""
    made = _sweeping(_Switch(usual=0.02))

    await made.run([_item("ACME", part=str(number)) for number in range(6)], 0.01)

    assert made.switch.names == ["ACME"] * 6
    assert made.switch.most["ACME"] == 1


async def test_slow_target_is_skipped_and_counted() -> None:
    """All other targets are requested."""
    made = _sweeping(_Switch(seconds={"T1": 100}), patience=0.05)
    await made.run([_item("T1")])
    await asyncio.sleep(0.06)

    started = asyncio.get_running_loop().time()
    await made.run([_item(f"T{number}") for number in range(4)], 0.04)

    assert made.switch.names == ["T1", "T0", "T2", "T3"]
    assert made.switch.skipped == [("T1", SkipReason.IN_FLIGHT)]
    assert asyncio.get_running_loop().time() - started < 0.1
    await made.dispatcher.stop()


async def test_sweep_waits_for_a_slow_target() -> None:
    """But not longer than its patience."""
    made = _sweeping(_Switch(seconds={"T1": 100}), patience=0.1)
    await made.run([_item("T1")])

    started = asyncio.get_running_loop().time()
    await made.run([_item("T1"), _item("T2")])

    assert 0.08 < asyncio.get_running_loop().time() - started < 0.2
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


async def test_suspects_do_not_take_all_slots() -> None:
    """They share a quarter of the slots, and are skipped beyond that."""
    made = _sweeping(_Switch(usual=0.01, seconds=dict.fromkeys(["H0", "H1", "H2", "H3"], 100.0)), most=4)
    made.switch.hanging = {"H0", "H1", "H2", "H3"}

    async with asyncio.timeout(2):
        await made.run([_item(t) for t in ("H0", "H1", "H2", "H3", "T0", "T1", "T2", "T3", "T4")])

    assert [name for name in made.switch.names if name.startswith("H")] == ["H0"]
    assert [name for name in made.switch.names if name.startswith("T")] == ["T0", "T1", "T2", "T3", "T4"]
    assert made.switch.skipped == [(name, SkipReason.BACKOFF) for name in ("H1", "H2", "H3")]
    await made.dispatcher.stop()


async def test_target_in_backoff_is_skipped_and_counted() -> None:
    """No request is sent to it."""
    made = _sweeping(_Switch())
    made.switch.pausing = {"T1"}

    await made.run([_item("T0"), _item("T1")])

    assert made.switch.names == ["T0"]
    assert made.switch.skipped == [("T1", SkipReason.BACKOFF)]


async def test_switch_queries_have_a_slot() -> None:
    """Even if tenants that hang have taken all others."""
    made = _sweeping(_Switch(usual=100), most=3)
    tenants = asyncio.create_task(made.run([_item(f"T{number}") for number in range(5)]))
    await asyncio.sleep(0.01)

    async with asyncio.timeout(0.5):
        await made.run([_of_switch()])
    await asyncio.sleep(0.01)

    assert made.switch.names == ["T0", "T1", "switch"]
    tenants.cancel()
    await asyncio.gather(tenants, return_exceptions=True)
    await made.dispatcher.stop()


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


async def test_rate_limit_of_a_burst() -> None:
    """A sweep that is late does not exceed the rate."""
    made = _sweeping(_Switch(), rate=100)

    await made.run([_item(f"T{number}") for number in range(30)])

    starts = [at for _, at in made.switch.asked]
    assert starts[-1] - starts[0] >= 29 / 100 - 0.03


async def test_probe_is_sent_in_backoff() -> None:
    """Unless its target has a request in flight."""
    made = _sweeping(_Switch(usual=0.05))
    made.switch.pausing = {"T0"}

    for _ in range(2):
        await made.dispatcher.probe(_item("T0"))
        await asyncio.sleep(0)

    assert made.switch.names == ["T0"]
    await made.dispatcher.stop()
