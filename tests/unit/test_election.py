"""Several electors on one clock, with an API that enforces versions: each fault alone, and random ones."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.activity import State
from exporter.clock import Clock
from exporter.election import Decision, Elector, Lease, LeaseError, LeaseProblem
from tests.e2e.fast_clock import run

_DURATION = 15.0
_PERIOD, _TIMEOUT = 3.0, 6.0
_TRIP = 0.01
"""Seconds of a request. With 0, rounding could leave a wait too short for the clock to advance."""


@dataclass
class _Store:
    """The API server. Each write gets a new version."""

    lease: Lease | None = None
    writes: int = 0

    @property
    def holder(self) -> str | None:
        return self.lease.holder if self.lease else None

    def put(self, lease: Lease) -> Lease:
        self.writes += 1
        self.lease = replace(lease, version=f"{self.writes}")
        return self.lease

    def edit(self, **changes: Any) -> None:
        """Change the Lease, as another program does."""
        if self.lease:
            self.put(replace(self.lease, **changes))


@dataclass
class _Api:
    """The way of one exporter to the API server."""

    store: _Store
    name: str = "telephony/softswitch-exporter"
    problem: Exception | None = None
    write_problem: Exception | None = None
    delay: float = _TRIP
    loses_responses: bool = False
    conflicts: bool = False
    overtaken_by: str | None = None
    written: list[Lease] = field(default_factory=list)

    async def read(self) -> Lease | None:
        await self._travel()
        return self.store.lease

    async def write(self, lease: Lease) -> Lease | None:
        await self._travel()
        if self.write_problem:
            raise self.write_problem
        if self.overtaken_by is not None:
            self.store.edit(holder=self.overtaken_by)
            self.overtaken_by = None
        if self.conflicts or lease.version != (self.store.lease.version if self.store.lease else ""):
            return None
        self.written.append(lease)
        stored = self.store.put(lease)
        if self.loses_responses:
            raise LeaseError(LeaseProblem.CONNECT, "no connection")
        return stored

    async def close(self) -> None:
        """Nothing is open."""

    async def _travel(self) -> None:
        await asyncio.sleep(self.delay)
        if self.problem:
            raise self.problem

    def heal(self) -> None:
        self.problem, self.delay, self.loses_responses, self.conflicts = None, _TRIP, False, False


class _Exporter:
    """One exporter, whose wall clock is ``skew`` seconds ahead. Each start has another identity."""

    def __init__(self, place: str, store: _Store, skew: float = 0.0) -> None:
        self.api = _Api(store)
        self.decisions: list[tuple[float, Decision]] = []
        self.has_defect = False
        self.skew = skew
        self.slept = 0.0
        self.task: asyncio.Task[None] | None = None
        self._place = place
        self._starts = 0
        self.start()

    def start(self) -> None:
        self.kill()
        loop = asyncio.get_running_loop()
        clock = Clock(
            monotonic=loop.time,
            wall=lambda: 1_700_000_000.0 + self.skew + self.slept + loop.time(),
            boot=lambda: loop.time() + self.slept,
        )
        self._starts += 1
        identity = f"{self._place}_{self._starts}"
        self.elector = Elector(self.api, identity, _DURATION, clock, self._on_decision)
        self.task = asyncio.create_task(self.elector.run())

    def kill(self) -> None:
        if self.task:
            self.task.cancel()
        self.task = None
        self.decisions = []

    async def stop(self) -> None:
        if self.task:
            self.kill()
            await self.elector.release()

    def _on_decision(self, decision: Decision) -> None:
        if self.has_defect:
            raise RuntimeError("a defect")
        self.decisions.append((asyncio.get_running_loop().time(), decision))

    @property
    def decision(self) -> Decision:
        return self.decisions[-1][1]

    @property
    def polls(self) -> bool:
        """Whether it would send a request now."""
        if not self.decisions or self.decision.state is State.STANDBY:
            return False
        waiting = self.elector.hold()
        if asyncio.iscoroutine(waiting):
            waiting.close()
        return waiting is None

    @property
    def holds(self) -> bool:
        """Whether it polls because it holds the Lease."""
        return self.polls and self.decision.problem is None

    def changes(self) -> list[tuple[float, State]]:
        """Return when the decision changed, in seconds."""
        found: list[tuple[float, State]] = []
        for at, decision in self.decisions:
            if not found or found[-1][1] is not decision.state:
                found.append((round(at, 3), decision.state))
        return found


def fast(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """Run a test on a clock on which waiting takes no time."""

    @functools.wraps(test)
    def wrapper(**arguments: Any) -> None:
        run(test(**arguments))

    return wrapper


async def _pair(skew: float = 0.0) -> tuple[_Exporter, _Exporter]:
    """Return two exporters, of which the first one polls."""
    store = _Store()
    pair = _Exporter("a", store), _Exporter("b", store, skew)
    await asyncio.sleep(30)
    assert [exporter.polls for exporter in pair] == [True, False]
    return pair


def _now() -> float:
    return asyncio.get_running_loop().time()


@fast
async def test_one_of_two_polls() -> None:
    """The first one creates the Lease and renews it; the other one knows who it is."""
    a, b = await _pair()
    await asyncio.sleep(30)

    assert [state for _, state in a.changes()] == [State.ACTIVE]
    assert [state for _, state in b.changes()] == [State.STANDBY]
    name = "telephony/softswitch-exporter"
    assert a.decision == Decision(State.ACTIVE, f"it holds the Lease {name}", "a_1")
    reason = f"a_1 polls, and has held the Lease {name} since 2023-11-14 22:30:00 UTC"
    assert b.decision == Decision(State.STANDBY, reason, "a_1")
    assert len(a.api.written) == 20  # every 3 s
    assert {lease.acquired for lease in a.api.written} == {a.api.written[0].acquired}


@fast
async def test_a_killed_exporter() -> None:
    """The other one takes over when the Lease has not changed for its duration, and counts the transition."""
    a, b = await _pair()
    a.kill()
    killed = _now()
    await asyncio.sleep(30)

    assert b.polls
    at = b.changes()[-1][0]
    assert _DURATION - _PERIOD <= at - killed <= _DURATION + _PERIOD
    assert [lease.transitions for lease in b.api.written[:1]] == [1]


@fast
async def test_clean_stops() -> None:
    """That of a standby does not touch the Lease; after that of the active one, the other one polls.

    Somebody has edited the Lease since the active one has written it, which makes no difference.
    """
    a, b = await _pair()
    await b.stop()
    assert a.api.store.holder == "a_1"
    b.start()
    a.api.overtaken_by = "a_1"
    await a.stop()
    assert b.api.store.holder == ""
    await asyncio.sleep(_PERIOD + 0.1)
    assert b.polls


@pytest.mark.parametrize("skew", [-86400.0, 10.0])
@fast
async def test_clock_skew(skew: float) -> None:
    """Times in the Lease are for people, so the clock of another machine changes nothing."""
    a, b = await _pair(skew)
    assert len(a.changes()) == len(b.changes()) == 1
    a.kill()
    await asyncio.sleep(_DURATION + _PERIOD)
    assert b.polls


@fast
async def test_a_step_of_the_wall_clock() -> None:
    """A standby does not take the Lease of an exporter that renews it."""
    a, b = await _pair()
    b.slept = 3600.0  # seen as a forward step of the wall clock, and as sleep
    await asyncio.sleep(30)
    assert (a.polls, b.polls) == (True, False)
    assert len(b.changes()) == 1


@fast
async def test_losing_the_race() -> None:
    """A write of an old version is rejected. The loser reads who has won, and stands by."""
    a, _ = await _pair()
    a.api.overtaken_by = "c"
    await asyncio.sleep(_PERIOD + 0.5)
    assert (a.polls, a.decision.holder) == (False, "c")


@fast
async def test_a_change_by_somebody_else() -> None:
    """An edit of the Lease between a read and the write does not end the polling."""
    a, b = await _pair()
    a.api.overtaken_by = "a_1"
    await asyncio.sleep(60)
    assert [state for _, state in a.changes()] == [State.ACTIVE]
    assert [state for _, state in b.changes()] == [State.STANDBY]


@fast
async def test_a_change_of_labels_is_no_sign_of_life() -> None:
    """Another program writes the object more often than the Lease lasts, which does not delay a takeover."""
    a, b = await _pair()
    a.kill()
    for _ in range(4):
        await asyncio.sleep(_DURATION / 3)
        b.api.store.edit()
    assert b.polls


@fast
async def test_a_lease_that_always_changes() -> None:
    """If each write comes too late, the exporters poll as without an API server."""
    a, b = await _pair()
    for exporter in (a, b):
        exporter.api.conflicts = True
    await asyncio.sleep(60)
    assert (a.polls, b.polls) == (True, True)
    assert a.elector.hold() is None
    problem = a.decision.problem
    assert problem is not None
    assert str(problem) == "HTTP 409 twice in a row; does another program write it?"
    for exporter in (a, b):
        exporter.api.conflicts = False
    await asyncio.sleep(2 * _PERIOD)
    assert sorted([a.polls, b.polls]) == [False, True]


@fast
async def test_a_partition_of_the_active_one() -> None:
    """It polls on, the other one takes over, and when it can read the Lease again, it stands by."""
    a, b = await _pair()
    a.api.problem = LeaseError(LeaseProblem.CONNECT, "no connection")
    with capture_logs() as logs:
        await asyncio.sleep(60)
        assert (a.polls, b.polls) == (True, True)
        assert a.elector.hold() is None
        a.api.problem = None
        await asyncio.sleep(_PERIOD)
    assert (a.polls, b.polls) == (False, True)
    assert [log["event"] for log in logs] == [  # once, although 20 attempts failed
        "the Lease cannot be used",
        "the Lease can be used again",
    ]


@fast
async def test_a_partition_of_the_standby() -> None:
    """After the duration it polls, in case nobody else does. It says so, and ends that as soon as it can."""
    a, b = await _pair()
    b.api.problem = LeaseError(LeaseProblem.FORBIDDEN, "HTTP 403")
    cut = _now()
    await asyncio.sleep(60)
    assert (a.polls, b.polls) == (True, True)
    assert _DURATION <= b.changes()[-1][0] - cut <= _DURATION + 2 * _PERIOD
    assert b.decision.reason == (
        "the Lease telephony/softswitch-exporter cannot be used: HTTP 403; another exporter may poll as well"
    )
    b.api.problem = None
    await asyncio.sleep(_PERIOD)
    assert (a.polls, b.polls) == (True, False)


@fast
async def test_without_an_api_server_from_the_start() -> None:
    """An exporter does not wait longer than the duration."""
    began = _now()
    alone = _Exporter("a", _Store())
    alone.api.problem = LeaseError(LeaseProblem.CONNECT, "no connection")
    await asyncio.sleep(60)
    assert [state for _, state in alone.changes()] == [State.STANDBY, State.ACTIVE]
    assert _DURATION <= alone.changes()[-1][0] - began <= _DURATION + _PERIOD


@fast
async def test_a_request_that_hangs() -> None:
    """It is given up in time for the next attempt, and counts as a timeout."""
    a, b = await _pair()
    a.api.delay = 3600.0
    await asyncio.sleep(7)
    problem = a.decision.problem
    assert problem is not None
    assert (problem.reason, str(problem)) == (LeaseProblem.TIMEOUT, "no response within 6 s")
    await asyncio.sleep(30)
    assert (a.polls, b.polls) == (True, True)


@fast
async def test_an_expired_lease_that_cannot_be_written() -> None:
    """The attempts to take it are no more frequent than others."""
    a, b = await _pair()
    a.kill()
    b.api.write_problem = LeaseError(LeaseProblem.FORBIDDEN, "HTTP 403")
    await asyncio.sleep(2 * _DURATION)
    before = len(b.decisions)
    await asyncio.sleep(30)
    assert len(b.decisions) - before == 10
    assert b.polls


@fast
async def test_a_slow_api_server() -> None:
    """Responses after 2 s change nothing."""
    a, b = await _pair()
    a.api.delay = b.api.delay = 2.0
    await asyncio.sleep(120)
    assert [state for _, state in a.changes()][-1] is State.ACTIVE
    assert (a.polls, b.polls) == (True, False)
    assert all(decision.problem is None for _, decision in a.decisions + b.decisions)


@fast
async def test_a_pause_longer_than_the_lease() -> None:
    """Requests wait until the Lease was read. By then, another exporter holds it."""
    a, b = await _pair()
    a.api.delay = 1.0  # so that requests come before the response
    a.slept = 60.0
    held = a.elector.hold()
    assert held is not None
    waiting = asyncio.ensure_future(held)
    b.api.store.edit(holder="b_1", transitions=1)  # while `a` was paused
    await asyncio.sleep(4 * _PERIOD)
    assert not waiting.done()
    assert not a.polls
    waiting.cancel()


@fast
async def test_a_pause_in_which_nobody_took_over() -> None:
    """The request is sent as soon as the Lease was renewed."""
    a, _ = await _pair()
    a.slept = 60.0
    held = a.elector.hold()
    assert held is not None
    async with asyncio.timeout(1):
        await held
    assert a.polls
    assert len(a.changes()) == 1


@fast
async def test_a_pause_and_no_api_server() -> None:
    """An exporter that may have lost its Lease stands by, for the duration at most."""
    a, _ = await _pair()
    a.api.problem = LeaseError(LeaseProblem.CONNECT, "no connection")
    a.slept = 60.0
    await asyncio.sleep(2 * _PERIOD)
    assert not a.polls
    await asyncio.sleep(_DURATION)
    assert a.polls


@fast
async def test_a_pause_during_an_attempt() -> None:
    """Its result is ignored: a request that timed out meanwhile does not mean that the API server is gone."""
    a, b = await _pair()
    a.api.delay = 2.0
    await asyncio.sleep(_PERIOD + 1)
    a.api.problem = LeaseError(LeaseProblem.CONNECT, "no connection")
    a.slept = 60.0
    b.api.store.edit(holder="b_1", transitions=1)
    before = len(a.decisions)
    await asyncio.sleep(1.5)
    assert len(a.decisions) == before
    a.api.problem = None
    await asyncio.sleep(2 * _PERIOD)
    assert not a.polls


@fast
async def test_an_exporter_that_cannot_poll() -> None:
    """It frees the Lease, and leaves it to the other one for a while."""
    a, b = await _pair()
    a.elector.abstain()
    await asyncio.sleep(2 * _PERIOD)
    assert (a.polls, b.polls) == (False, True)
    b.kill()
    await b.elector.release()
    await asyncio.sleep(2 * _DURATION)
    assert a.polls


@fast
async def test_an_exporter_that_can_neither_poll_nor_reach_the_api_server() -> None:
    """It tries to poll after two durations, and not at each attempt."""
    alone = _Exporter("a", _Store())
    alone.api.problem = LeaseError(LeaseProblem.CONNECT, "no connection")
    await asyncio.sleep(_DURATION + _PERIOD)
    alone.elector.abstain()
    await asyncio.sleep(2 * _DURATION + _PERIOD)
    states = [state for _, state in alone.changes()]
    assert states == [State.STANDBY, State.ACTIVE, State.STANDBY, State.ACTIVE]
    at = [at for at, _ in alone.changes()]
    assert at[3] - at[2] >= 2 * _DURATION - _PERIOD


@fast
async def test_a_defect() -> None:
    """Attempts go on, and the exporter polls as without an API server."""
    a, _ = await _pair()
    a.api.problem = RuntimeError("a defect")
    with capture_logs() as logs:
        await asyncio.sleep(60)
    assert a.polls
    assert [log["event"] for log in logs] == ["job failed", "the Lease cannot be used"]
    a.api.problem = None
    await asyncio.sleep(_PERIOD)
    assert a.decision.problem is None


@fast
async def test_a_defect_in_what_follows_a_decision() -> None:
    """Attempts go on as well, and no request has to wait."""
    a, _ = await _pair()
    a.has_defect = True
    with capture_logs() as logs:
        await asyncio.sleep(30)
    assert {log["event"] for log in logs} == {"job failed"}
    assert a.api.store.holder == "a_1"
    assert a.elector.hold() is None
    before = len(a.decisions)
    a.has_defect = False
    await asyncio.sleep(_PERIOD)
    assert len(a.decisions) == before + 1


@fast
async def test_requests_after_the_election() -> None:
    """When this exporter leaves the election, what waited for the Lease is sent."""
    a, _ = await _pair()
    a.api.delay = 3600.0
    a.slept = 60.0
    held = a.elector.hold()
    assert held is not None
    waiting = asyncio.ensure_future(held)
    await asyncio.sleep(0.1)
    a.kill()
    await a.elector.release()
    async with asyncio.timeout(1):
        await waiting


_LONGEST = 40.0
"""The longest duration that another program writes into the Lease."""

_STEP = 0.5
_BLIND = _LONGEST + _DURATION + 2 * (_PERIOD + _TIMEOUT)
"""Seconds after the last event in which somebody has to poll: also without an API server."""

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
    elif kind == "slept":
        exporter.slept += value  # the clock since boot never goes back
    elif kind == "skew":
        exporter.skew = value
    elif kind == "delete":
        store.lease = None
    elif kind == "edit":
        store.edit(**value)
    elif kind == "stop":
        await exporter.stop()
    else:
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
@example([(3.0, 0, ("problem", RuntimeError("a defect"))), (0.0, 0, ("stop", None))])
@given(_SCHEDULE)
def test_random_faults(schedule: list[tuple[float, int, tuple[str, object]]]) -> None:
    """Nobody's attempts end, and two never hold the Lease for longer than it lasts.

    When nothing happens any more, somebody polls soon, whatever is still broken; and when all is well, one.
    """

    async def scenario() -> None:
        store = _Store()
        exporters = [_Exporter(place, store) for place in "abc"]
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
