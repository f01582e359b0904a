"""Several electors on one clock, with an API that enforces versions."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from exporter.activity import State
from exporter.clock import Clock
from exporter.election import Decision, Elector, Lease, LeaseError, LeaseProblem
from tests.e2e.fast_clock import run

_DURATION = 15.0
_PERIOD = 3.0


@dataclass
class _Api:
    """The API server, as one exporter reaches it. All share ``leases``, which is empty or has one entry."""

    leases: list[Lease]
    name: str = "telephony/softswitch-exporter"
    problem: Exception | None = None
    write_problem: Exception | None = None
    hangs: float = 0.0
    overtaken_by: str = ""
    is_always_overtaken: bool = False
    written: list[Lease] = field(default_factory=list)

    async def read(self) -> Lease | None:
        await self._respond()
        return self.leases[0] if self.leases else None

    async def write(self, lease: Lease) -> Lease | None:
        await self._respond()
        if self.write_problem:
            raise self.write_problem
        if self.overtaken_by:
            self._store(replace(lease, holder=self.overtaken_by, version=self._version))
            self.overtaken_by = ""
        if self.is_always_overtaken or lease.version != self._version:
            return None
        self.written.append(lease)
        return self._store(lease)

    async def close(self) -> None:
        """Nothing is open."""

    async def _respond(self) -> None:
        await asyncio.sleep(self.hangs)
        if self.problem:
            raise self.problem

    @property
    def _version(self) -> str:
        return self.leases[0].version if self.leases else ""

    def _store(self, lease: Lease) -> Lease:
        stored = replace(lease, version=f"{int(self._version or 0) + 1}")
        self.leases[:] = [stored]
        return stored


class _Exporter:
    """One exporter, whose wall clock is ``skew`` seconds ahead."""

    def __init__(self, name: str, leases: list[Lease], skew: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        self.api = _Api(leases)
        self.decisions: list[tuple[float, Decision]] = []
        self.has_defect = False
        self.slept = 0.0
        clock = Clock(
            monotonic=loop.time,
            wall=lambda: 1_700_000_000.0 + skew + self.slept + loop.time(),
            boot=lambda: loop.time() + self.slept,
        )
        self.elector = Elector(self.api, name, _DURATION, clock, self._on_decision)
        self._task: asyncio.Task[None] | None = None

    def _on_decision(self, decision: Decision) -> None:
        if self.has_defect:
            raise RuntimeError("a defect")
        self.decisions.append((asyncio.get_running_loop().time(), decision))

    def start(self) -> "_Exporter":
        self._task = asyncio.create_task(self.elector.run())
        return self

    def kill(self) -> None:
        if self._task:
            self._task.cancel()

    @property
    def polls(self) -> bool:
        return bool(self.decisions) and self.decisions[-1][1].state is State.ACTIVE

    @property
    def decision(self) -> Decision:
        return self.decisions[-1][1]

    def changes(self) -> list[tuple[float, State]]:
        """Return when the decision changed, in seconds."""
        found: list[tuple[float, State]] = []
        for at, decision in self.decisions:
            if not found or found[-1][1] is not decision.state:
                found.append((round(at, 3), decision.state))
        return found


def fast(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    """Run a test on a clock on which waiting takes no time."""

    @functools.wraps(test)
    def wrapper() -> None:
        run(test())

    return wrapper


def _pair(skew: float = 0.0) -> tuple[_Exporter, _Exporter]:
    leases: list[Lease] = []
    return _Exporter("a", leases).start(), _Exporter("b", leases, skew).start()


@fast
async def test_one_of_two_polls() -> None:
    """The first one creates the Lease and renews it; the other one knows who it is."""
    a, b = _pair()
    await asyncio.sleep(60)

    assert [state for _, state in a.changes()] == [State.ACTIVE]
    assert [state for _, state in b.changes()] == [State.STANDBY]
    assert a.decision == Decision(State.ACTIVE, "it holds the Lease telephony/softswitch-exporter", "a")
    assert b.decision == Decision(
        State.STANDBY,
        "a polls, and has held the Lease telephony/softswitch-exporter since 2023-11-14 22:30:00 UTC",
        "a",
    )
    assert len(a.api.written) == 20  # every 3 s
    assert {lease.acquired for lease in a.api.written} == {a.api.written[0].acquired}


@fast
async def test_a_killed_exporter() -> None:
    """The other one takes over when the Lease has not changed for its duration, and counts the transition."""
    a, b = _pair()
    await asyncio.sleep(30)
    a.kill()
    killed = asyncio.get_running_loop().time()
    await asyncio.sleep(30)

    assert b.polls
    at = b.changes()[-1][0]
    assert _DURATION - _PERIOD <= at - killed <= _DURATION + _PERIOD
    assert b.api.leases[0].transitions == 1


@fast
async def test_a_clean_stop() -> None:
    """The Lease is free, so the other one polls at its next attempt."""
    a, b = _pair()
    await asyncio.sleep(30)
    a.kill()
    await a.elector.release()
    assert b.api.leases[0].holder == ""
    await asyncio.sleep(_PERIOD + 0.1)
    assert b.polls


@fast
async def test_a_clean_stop_after_an_edit() -> None:
    """The Lease is free as well, although its version is not the one that this exporter has written."""
    a, b = _pair()
    await asyncio.sleep(30)
    a.kill()
    a.api.overtaken_by = "a"
    await a.elector.release()
    assert b.api.leases[0].holder == ""


@fast
async def test_a_stop_of_a_standby() -> None:
    """It does not touch the Lease of the other one."""
    a, b = _pair()
    await asyncio.sleep(30)
    b.kill()
    await b.elector.release()
    assert a.api.leases[0].holder == "a"


@pytest.mark.parametrize("skew", [-86400.0, -10.0, 10.0, 86400.0])
def test_clock_skew(skew: float) -> None:
    """Times in the Lease are for people, so the clock of another machine changes nothing."""

    async def scenario() -> None:
        a, b = _pair(skew)
        await asyncio.sleep(60)
        assert (a.polls, b.polls) == (True, False)
        assert len(a.changes()) == len(b.changes()) == 1
        a.kill()
        await asyncio.sleep(_DURATION + _PERIOD)
        assert b.polls

    run(scenario())


@fast
async def test_a_step_of_the_wall_clock() -> None:
    """A standby does not take the Lease of an exporter that renews it."""
    a, b = _pair()
    await asyncio.sleep(30)
    b.slept = 3600.0  # seen as a forward step of the wall clock, and as sleep
    await asyncio.sleep(30)
    assert (a.polls, b.polls) == (True, False)
    assert len(b.changes()) == 1


@fast
async def test_losing_the_race() -> None:
    """A write of an old version is rejected. The loser reads who has won, and stands by."""
    a, _ = _pair()
    await asyncio.sleep(30)
    a.api.overtaken_by = "c"
    await asyncio.sleep(_PERIOD + 0.5)
    assert (a.polls, a.decision.holder) == (False, "c")


@fast
async def test_a_change_by_somebody_else() -> None:
    """An edit of the Lease between a read and the write does not end the polling."""
    a, b = _pair()
    await asyncio.sleep(30)
    a.api.overtaken_by = "a"
    await asyncio.sleep(60)
    assert [state for _, state in a.changes()] == [State.ACTIVE]
    assert [state for _, state in b.changes()] == [State.STANDBY]


@fast
async def test_a_change_of_labels_is_no_sign_of_life() -> None:
    """Another program writes the object more often than the Lease lasts, which does not delay a takeover."""
    a, b = _pair()
    await asyncio.sleep(30)
    a.kill()
    for _ in range(4):
        await asyncio.sleep(_DURATION / 3)
        b.api._store(replace(b.api.leases[0]))
    assert b.polls


@fast
async def test_a_lease_that_always_changes() -> None:
    """If each write comes too late, the exporters poll as without an API server."""
    a, b = _pair()
    for exporter in (a, b):
        exporter.api.is_always_overtaken = True
    await asyncio.sleep(60)
    assert (a.polls, b.polls) == (True, True)
    assert a.elector.hold() is None
    problem = a.decision.problem
    assert problem is not None
    assert str(problem) == "HTTP 409 twice in a row; does another program write it?"
    for exporter in (a, b):
        exporter.api.is_always_overtaken = False
    await asyncio.sleep(2 * _PERIOD)
    assert sorted([a.polls, b.polls]) == [False, True]


@fast
async def test_a_partition_of_the_active_one() -> None:
    """It polls on, the other one takes over, and when it can read the Lease again, it stands by."""
    a, b = _pair()
    await asyncio.sleep(30)
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
    a, b = _pair()
    await asyncio.sleep(30)
    b.api.problem = LeaseError(LeaseProblem.FORBIDDEN, "HTTP 403")
    cut = asyncio.get_running_loop().time()
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
    alone = _Exporter("a", [])
    alone.api.problem = LeaseError(LeaseProblem.CONNECT, "no connection")
    began = asyncio.get_running_loop().time()
    alone.start()
    await asyncio.sleep(60)
    assert [state for _, state in alone.changes()] == [State.STANDBY, State.ACTIVE]
    assert _DURATION <= alone.changes()[-1][0] - began <= _DURATION + _PERIOD


@fast
async def test_a_request_that_hangs() -> None:
    """It is given up in time for the next attempt, and counts as a timeout."""
    a, b = _pair()
    await asyncio.sleep(30)
    a.api.hangs = 3600.0
    await asyncio.sleep(7)
    problem = a.decision.problem
    assert problem is not None
    assert (problem.reason, str(problem)) == (LeaseProblem.TIMEOUT, "no response within 6 s")
    await asyncio.sleep(30)
    assert (a.polls, b.polls) == (True, True)


@fast
async def test_an_expired_lease_that_cannot_be_written() -> None:
    """The attempts to take it are no more frequent than others."""
    a, b = _pair()
    await asyncio.sleep(30)
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
    a, b = _pair()
    a.api.hangs = b.api.hangs = 2.0
    await asyncio.sleep(120)
    assert [state for _, state in a.changes()][-1] is State.ACTIVE
    assert (a.polls, b.polls) == (True, False)
    assert all(decision.problem is None for _, decision in a.decisions + b.decisions)


@fast
async def test_a_pause_longer_than_the_lease() -> None:
    """Requests wait until the Lease was read. By then, another exporter holds it."""
    a, b = _pair()
    await asyncio.sleep(30)
    a.api.hangs = 1.0  # so that requests come before the response
    a.slept = 60.0
    held = a.elector.hold()
    assert held is not None
    waiting = asyncio.ensure_future(held)
    b.api._store(replace(b.api.leases[0], holder="b", transitions=1))  # while `a` was paused
    await asyncio.sleep(4 * _PERIOD)
    assert not waiting.done()
    assert not a.polls
    waiting.cancel()


@fast
async def test_a_pause_in_which_nobody_took_over() -> None:
    """The request is sent as soon as the Lease was renewed."""
    a, _ = _pair()
    await asyncio.sleep(30)
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
    a, _ = _pair()
    await asyncio.sleep(30)
    a.api.problem = LeaseError(LeaseProblem.CONNECT, "no connection")
    a.slept = 60.0
    await asyncio.sleep(2 * _PERIOD)
    assert not a.polls
    await asyncio.sleep(_DURATION)
    assert a.polls


@fast
async def test_a_pause_during_an_attempt() -> None:
    """Its result is ignored: a request that timed out meanwhile does not mean that the API server is gone."""
    a, b = _pair()
    await asyncio.sleep(30)
    a.api.hangs = 2.0
    await asyncio.sleep(_PERIOD + 1)
    a.api.problem = LeaseError(LeaseProblem.CONNECT, "no connection")
    a.slept = 60.0
    b.api._store(replace(b.api.leases[0], holder="b", transitions=1))
    before = len(a.decisions)
    await asyncio.sleep(1.5)
    assert len(a.decisions) == before
    a.api.problem = None
    await asyncio.sleep(2 * _PERIOD)
    assert not a.polls


@fast
async def test_an_exporter_that_cannot_poll() -> None:
    """It frees the Lease, and leaves it to the other one for a while."""
    a, b = _pair()
    await asyncio.sleep(30)
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
    alone = _Exporter("a", [])
    alone.api.problem = LeaseError(LeaseProblem.CONNECT, "no connection")
    alone.start()
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
    a, _ = _pair()
    await asyncio.sleep(30)
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
    a, _ = _pair()
    await asyncio.sleep(30)
    a.has_defect = True
    with capture_logs() as logs:
        await asyncio.sleep(30)
    assert {log["event"] for log in logs} == {"job failed"}
    assert a.api.leases[0].holder == "a"
    assert a.elector.hold() is None
    before = len(a.decisions)
    a.has_defect = False
    await asyncio.sleep(_PERIOD)
    assert len(a.decisions) == before + 1


@fast
async def test_requests_after_the_election() -> None:
    """When this exporter leaves the election, what waited for the Lease is sent."""
    a, _ = _pair()
    await asyncio.sleep(30)
    a.api.hangs = 3600.0
    a.slept = 60.0
    held = a.elector.hold()
    assert held is not None
    waiting = asyncio.ensure_future(held)
    await asyncio.sleep(0.1)
    a.kill()
    await a.elector.release()
    async with asyncio.timeout(1):
        await waiting
