"""Three electors under random faults: one of them always polls soon, and not two for long."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.activity import State
from exporter.clock import Clock
from exporter.election import Decision, Elector, Lease, LeaseError, LeaseProblem
from tests.e2e.fast_clock import run

_DURATION = 15.0
_PERIOD, _TIMEOUT = 3.0, 6.0
_LONGEST = 40.0
"""The longest duration that another program writes into the Lease."""

_TRIP = 0.01
"""Seconds of a request. With 0, rounding could leave a wait too short for the clock to advance."""

_STEP = 0.5
_BLIND = _LONGEST + _DURATION + 2 * (_PERIOD + _TIMEOUT)
"""Seconds after the last event in which somebody has to poll: also without an API server."""


@dataclass
class _Store:
    """The API server. Each write gets a new version."""

    lease: Lease | None = None
    writes: int = 0

    def put(self, lease: Lease) -> Lease:
        self.writes += 1
        self.lease = replace(lease, version=f"{self.writes}")
        return self.lease


@dataclass
class _Api:
    """The way of one exporter to the API server."""

    store: _Store
    name: str = "telephony/softswitch-exporter"
    problem: Exception | None = None
    delay: float = _TRIP
    loses_responses: bool = False
    conflicts: bool = False

    async def read(self) -> Lease | None:
        await self._travel()
        return self.store.lease

    async def write(self, lease: Lease) -> Lease | None:
        await self._travel()
        if self.conflicts or lease.version != (self.store.lease.version if self.store.lease else ""):
            return None
        written = self.store.put(lease)
        if self.loses_responses:
            raise LeaseError(LeaseProblem.CONNECT, "no connection")
        return written

    async def close(self) -> None:
        """Nothing is open."""

    async def _travel(self) -> None:
        await asyncio.sleep(self.delay)
        if self.problem:
            raise self.problem

    def heal(self) -> None:
        self.problem, self.delay, self.loses_responses, self.conflicts = None, _TRIP, False, False


@dataclass
class _Exporter:
    """One exporter, which a restart replaces by one with another identity."""

    place: str
    api: _Api
    skew: float = 0.0
    slept: float = 0.0
    starts: int = 0
    decision: Decision | None = None
    task: asyncio.Task[None] | None = None
    elector: Elector = field(init=False)

    def start(self) -> None:
        self.kill()
        loop = asyncio.get_running_loop()
        clock = Clock(
            monotonic=loop.time,
            wall=lambda: 1_700_000_000.0 + self.skew + self.slept + loop.time(),
            boot=lambda: loop.time() + self.slept,
        )
        self.starts += 1
        self.elector = Elector(self.api, f"{self.place}_{self.starts}", _DURATION, clock, self._decided)
        self.task = asyncio.create_task(self.elector.run())

    def kill(self) -> None:
        if self.task:
            self.task.cancel()
        self.task = self.decision = None

    async def stop(self) -> None:
        if self.task:
            self.kill()
            await self.elector.release()

    def _decided(self, decision: Decision) -> None:
        self.decision = decision

    @property
    def polls(self) -> bool:
        """Whether it would send a request now."""
        if self.decision is None or self.decision.state is State.STANDBY:
            return False
        waiting = self.elector.hold()
        if asyncio.iscoroutine(waiting):
            waiting.close()
        return waiting is None

    @property
    def holds(self) -> bool:
        """Whether it polls because it holds the Lease."""
        return self.polls and self.decision is not None and self.decision.problem is None


_FAULTS = [
    *(LeaseError(reason, "a fault") for reason in LeaseProblem),
    RuntimeError("a defect"),
]
_EVENTS = st.one_of(
    st.tuples(st.just("problem"), st.sampled_from(_FAULTS)),
    st.tuples(st.just("delay"), st.sampled_from([0.5, 2.0, 2.9, 5.0, 7.0, 3600.0])),
    st.tuples(st.just("loses_responses"), st.booleans()),
    st.tuples(st.just("conflicts"), st.booleans()),
    st.tuples(st.just("heal"), st.none()),
    st.tuples(st.just("slept"), st.sampled_from([1.0, 14.0, 16.0, 3600.0])),
    st.tuples(st.just("skew"), st.sampled_from([-1e6, -20.0, 20.0, 1e6])),
    st.tuples(st.sampled_from(["kill", "stop", "start", "abstain", "delete"]), st.none()),
    st.tuples(
        st.just("edit"),
        st.fixed_dictionaries(
            {},
            optional={
                "holder": st.sampled_from(["", "somebody else", "a_1", "b_1", "c_1", "a_2"]),
                "duration": st.sampled_from([1.0, 5.0, _LONGEST]),
                "renewed": st.sampled_from([0.0, 4e9]),
                "transitions": st.sampled_from([0, 7]),
            },
        ),
    ),
)
_SCHEDULE = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 3.0, 7.0, 16.0, 33.0]), st.integers(0, 2), _EVENTS), max_size=25
)


async def _apply(exporter: _Exporter, kind: str, value: Any) -> None:
    store = exporter.api.store
    if kind in ("problem", "delay", "loses_responses", "conflicts"):
        setattr(exporter.api, kind, value)
    elif kind in ("slept", "skew"):
        setattr(exporter, kind, value)
    elif kind == "delete":
        store.lease = None
    elif kind == "edit" and store.lease is not None:
        store.put(replace(store.lease, **value))
    elif kind == "stop":
        await exporter.stop()
    elif kind != "edit":
        {
            "heal": exporter.api.heal,
            "abstain": exporter.elector.abstain,
            "kill": exporter.kill,
            "start": exporter.start,
        }[kind]()


class _Watch:
    """What has to be true in each moment."""

    def __init__(self, exporters: list[_Exporter]) -> None:
        self._exporters = exporters
        self._both_since: float | None = None

    async def wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            await asyncio.sleep(_STEP)
            for exporter in self._exporters:
                assert exporter.task is None or not exporter.task.done()
            if sum(exporter.holds for exporter in self._exporters) < 2:
                self._both_since = None
            elif self._both_since is None:
                self._both_since = loop.time()
            else:
                assert loop.time() - self._both_since <= _DURATION


@settings(deadline=None, max_examples=20)
@given(_SCHEDULE)
def test_random_faults(schedule: list[tuple[float, int, tuple[str, object]]]) -> None:
    """Nobody's attempts end, and two never hold the Lease for longer than it lasts.

    When nothing happens any more, somebody polls soon, whatever is still broken; and when all is well, one.
    """

    async def scenario() -> None:
        store = _Store()
        exporters = [_Exporter(place, _Api(store)) for place in "abc"]
        for exporter in exporters:
            exporter.start()
        watch = _Watch(exporters)
        for pause, index, event in schedule:
            await watch.wait(pause)
            await _apply(exporters[index], *event)
        for exporter in exporters:
            if exporter.task is None:
                exporter.start()
        await watch.wait(_BLIND)
        for _ in range(60):
            assert any(exporter.polls for exporter in exporters)
            await watch.wait(1.0)
        for exporter in exporters:
            exporter.api.heal()
        await watch.wait(_DURATION + _PERIOD + _TIMEOUT)
        for _ in range(60):
            assert sum(exporter.polls for exporter in exporters) == 1
            await watch.wait(1.0)
        for exporter in exporters:
            exporter.kill()

    run(scenario())
