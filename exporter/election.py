"""Decides with a Lease which of several exporters polls, as client-go's leader election does.

The exporter that holds the Lease polls and renews it. Another one takes the Lease when it is free, or when it
has not changed for its duration. Each exporter measures this on its own clock, from the moment it saw the
last change: the clocks of two machines are never compared. The API server rejects a write whose version is
not the newest, so only one exporter wins.

Unlike client-go, it fails open: if the API server cannot be reached for the duration of the Lease, the
exporter polls. Two exporters that poll only double the load; without any, there is no monitoring.
"""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

import structlog

from exporter.activity import State
from exporter.clock import Clock

_PERIOD = 1 / 5
"""Share of the duration between two attempts: 3 of 15 s."""

_TIMEOUT = 2 / 5
"""Share of the duration that an attempt may take. Two may fail before the Lease expires."""

_RELEASE_TIMEOUT = 1.0
"""Seconds that a stop waits for the API server."""


class LeaseProblem(StrEnum):
    """Why an attempt failed; the label ``reason`` of the metric."""

    TIMEOUT = "timeout"
    CONNECT = "connect"
    FORBIDDEN = "forbidden"
    HTTP = "http"
    INVALID = "invalid"


class LeaseError(Exception):
    """The Lease cannot be read or written. The text is for people."""

    def __init__(self, reason: LeaseProblem, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class _ConflictError(LeaseError):
    """The Lease has changed since it was read: another exporter may hold it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The content of a Lease. ``holder``: "" if it is free. ``version``: "" if it does not exist yet.

    ``acquired`` and ``renewed`` are seconds since 1970 by the clock of the holder, for people. ``rest`` is
    what the API server keeps beside that, such as labels.
    """

    holder: str
    duration: float
    acquired: float
    renewed: float
    transitions: int = 0
    version: str = ""
    rest: Any = field(default=None, compare=False, repr=False)


class LeaseApi(Protocol):
    """Reads and writes one Lease. Both methods raise LeaseError."""

    name: str
    """Its namespace and name, such as ``telephony/softswitch-exporter``."""

    async def read(self) -> Lease | None:
        """Return the Lease, or None if it does not exist."""

    async def write(self, lease: Lease) -> Lease | None:
        """Create or replace this version; return the new one, or None if the version is not the newest."""

    async def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the exporter polls or stands by, and why.

    ``holder`` is None if nobody holds the Lease or it is unknown. ``problem`` is None while the API
    server can be reached.
    """

    state: State
    reason: str
    holder: str | None = None
    problem: LeaseError | None = None


class Elector:
    """Holds the Lease, or waits for it. ``on_decision`` is called after each attempt."""

    def __init__(
        self,
        api: LeaseApi,
        identity: str,
        duration: float,
        clock: Clock,
        on_decision: Callable[[Decision], None],
    ) -> None:
        self._api = api
        self._identity = identity
        self._duration = duration
        self._clock = clock
        self._on_decision = on_decision
        self._lease: Lease | None = None
        self._content: Lease | None = None
        self._changed_at = 0.0  # when this content was first seen, on the monotonic clock
        self._decision = Decision(State.STANDBY, "the Lease has not been read yet")
        # On the clock that includes the time in which the machine was paused: another exporter may have taken
        # the Lease in that time.
        self._valid_until = 0.0  # of the decision to poll
        self._failing_since: float | None = None
        self._started = clock.elapsed()
        self._expires_at = math.inf  # the Lease of another exporter
        self._abstains_until = 0.0
        self._attempted = asyncio.Condition()
        self._wake = asyncio.Event()
        self._log = structlog.get_logger("exporter.election").bind(lease=api.name)

    async def run(self) -> None:
        """Attempt to hold the Lease, forever."""
        while True:
            self._wake.clear()
            try:
                if not await self._attempt():
                    continue
            except Exception:  # noqa: BLE001 -- if attempts ended, or requests waited, nothing would be polled
                self._log.exception("job failed", job="lease")
                self._valid_until = self._started + self._duration
            rest = self._started + self._duration * _PERIOD - self._clock.elapsed()
            rest = min(rest, self._expires_at - self._clock.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, rest)):
                    await self._wake.wait()

    def hold(self) -> Awaitable[None] | None:
        """Return what a request to a switch has to wait for, or None if it may be sent.

        After a pause of the process, another exporter may hold the Lease.
        """
        if self._clock.elapsed() < self._valid_until:
            return None
        self._wake.set()
        return self._verified()

    async def _verified(self) -> None:
        async with self._attempted:
            await self._attempted.wait_for(lambda: self._clock.elapsed() < self._valid_until)

    def abstain(self) -> None:
        """Leave the Lease to others for a while, because this exporter cannot poll."""
        self._abstains_until = self._clock.monotonic() + 2 * self._duration
        self._wake.set()

    async def release(self) -> None:
        """Free the Lease if this exporter holds it, so that another one takes it at once.

        Call it after ``run`` was cancelled. Requests that ``hold`` delays are sent.
        """
        self._valid_until = math.inf
        async with self._attempted:
            self._attempted.notify_all()
        with contextlib.suppress(Exception):  # whatever it is, the Lease expires soon
            async with asyncio.timeout(_RELEASE_TIMEOUT):
                lease = self._lease
                while lease is not None and lease.holder == self._identity:
                    if await self._free(lease):
                        return
                    lease = await self._api.read()  # it has changed since it was read

    async def _attempt(self) -> bool:
        """Attempt once and decide. Return False if the process was paused: the result is old."""
        before, self._started = self._started, self._clock.elapsed()
        if self._started - before >= self._duration:  # it was paused
            self._failing_since = None
        result = await self._result()
        if self._clock.elapsed() - self._started >= self._duration:
            # The result is old, or the time limit passed only because of the pause.
            self._failing_since = None
            return False
        self._report(self._unreachable(result) if isinstance(result, LeaseError) else self._decided(result))
        async with self._attempted:
            self._attempted.notify_all()
        return True

    async def _result(self) -> Lease | LeaseError | None:
        """Return the Lease after an attempt, or why it cannot be used."""
        try:
            try:
                return await self._hold_or_wait()
            except _ConflictError:
                await asyncio.sleep(self._duration / 50)
                self._started = self._clock.elapsed()
                return await self._hold_or_wait()
        except TimeoutError:
            return LeaseError(LeaseProblem.TIMEOUT, f"no response within {self._duration * _TIMEOUT:g} s")
        except LeaseError as error:
            return error
        except Exception:  # noqa: BLE001 -- a defect is a problem like others
            if self._decision.problem is None:  # the first one of a series
                self._log.exception("job failed", job="lease")
            return LeaseError(LeaseProblem.INVALID, "internal error; see the log")

    async def _hold_or_wait(self) -> Lease | None:
        """Renew the Lease, or take it if it is free. Return the Lease as it is then."""
        self._expires_at = math.inf
        async with asyncio.timeout(self._duration * _TIMEOUT):
            lease = await self._api.read()
            self._see(lease)
            is_mine = lease is not None and lease.holder == self._identity
            if self._clock.monotonic() < self._abstains_until:
                return await self._free(lease) if is_mine and lease else lease
            if lease is not None and lease.holder and not is_mine:
                # On the monotonic clock: a step of the wall clock does not make the Lease expire.
                self._expires_at = self._changed_at + lease.duration
                if self._clock.monotonic() < self._expires_at:
                    return lease
                self._expires_at = math.inf  # if the write fails, it is repeated after the usual time
            written = await self._api.write(self._wanted(lease, is_mine=is_mine))
        if written is None:
            raise _ConflictError(LeaseProblem.HTTP, "HTTP 409 twice in a row; does another program write it?")
        self._see(written)
        return written

    def _wanted(self, lease: Lease | None, *, is_mine: bool) -> Lease:
        now = self._clock.wall()
        wanted = Lease(self._identity, self._duration, now, now)
        if lease is None:
            return wanted
        return replace(
            wanted,
            acquired=lease.acquired if is_mine else now,
            transitions=lease.transitions + (not is_mine),
            version=lease.version,
            rest=lease.rest,
        )

    async def _free(self, lease: Lease) -> Lease | None:
        return await self._api.write(replace(lease, holder="", duration=1.0, renewed=self._clock.wall()))

    def _see(self, lease: Lease | None) -> None:
        self._lease = lease
        # Not its version: labels and annotations, which others may change, do not mean that the holder lives.
        content = replace(lease, version="") if lease else None
        if content != self._content:
            self._content, self._changed_at = content, self._clock.monotonic()

    def _decided(self, lease: Lease | None) -> Decision:
        self._failing_since = None
        name = self._api.name
        if lease is not None and lease.holder == self._identity:
            self._valid_until = self._started + self._duration
            return Decision(State.ACTIVE, f"it holds the Lease {name}", lease.holder)
        self._valid_until = 0.0
        if lease is None or not lease.holder:
            return Decision(State.STANDBY, f"nobody holds the Lease {name} yet")
        since = f"{datetime.fromtimestamp(lease.acquired, UTC):%Y-%m-%d %H:%M:%S} UTC"
        reason = f"{lease.holder} polls, and has held the Lease {name} since {since}"
        return Decision(State.STANDBY, reason, lease.holder)

    def _unreachable(self, problem: LeaseError) -> Decision:
        """Decide without the API server: keep the state, but poll if it was unreachable for the duration."""
        if self._failing_since is None:
            self._failing_since = self._started
        may_go_on = self._decision.state is State.ACTIVE and self._started < self._valid_until
        may_begin = self._clock.monotonic() >= self._abstains_until
        cause = f"the Lease {self._api.name} cannot be used: {problem}"
        is_blind = self._clock.elapsed() - self._failing_since >= self._duration
        if may_begin and (may_go_on or is_blind):
            self._valid_until = self._started + self._duration
            return Decision(State.ACTIVE, f"{cause}; another exporter may poll as well", problem=problem)
        return Decision(State.STANDBY, cause, problem=problem)

    def _report(self, decision: Decision) -> None:
        problem, was_reachable = decision.problem, self._decision.problem is None
        self._decision = decision
        if problem is not None and was_reachable:
            reason = problem.reason.value
            self._log.warning("the Lease cannot be used", reason=reason, problem=str(problem))
        elif problem is None and not was_reachable:
            self._log.info("the Lease can be used again")
        self._on_decision(decision)
