"""Takes part in the election: switches this exporter between polling and standby, and reports the holder."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from exporter.activity import Activity, State
from exporter.clock import Clock
from exporter.config import LeaseConfiguration
from exporter.election import Decision, Elector, LeaseApi, LeaseProblem
from exporter.metrics.self_metrics import Instruments

Connect = Callable[[LeaseConfiguration], Awaitable[LeaseApi]]
Switch = Callable[[State, str, Callable[[], bool]], Awaitable[None]]
"""Switches to a state for a reason, unless the function returns False by then."""


@dataclass(slots=True)
class _Election:
    api: LeaseApi
    elector: Elector
    tasks: list[asyncio.Task[None]]


class Leadership:
    """Takes part in the election of the exporter that polls, if the configuration has a Lease.

    ``connect`` opens the Lease. ``identity`` is the name of this exporter in it.
    """

    def __init__(
        self, activity: Activity, instruments: Instruments, clock: Clock, connect: Connect, identity: str
    ) -> None:
        self._activity = activity
        self._instruments = instruments
        self._clock = clock
        self._connect = connect
        self._identity = identity
        self._lease: LeaseConfiguration | None = None
        self._election: _Election | None = None
        self._decision: Decision | None = None
        self._decided = asyncio.Event()

    @property
    def decided_by(self) -> str:
        """What decides which exporter polls, or "" if nothing does."""
        return f"The Lease {self._lease.namespace}/{self._lease.name}" if self._lease else ""

    def is_new(self, lease: LeaseConfiguration | None) -> bool:
        """Return whether this is another Lease than the one that is followed."""
        return lease != self._lease

    def hold(self) -> Awaitable[None] | None:
        """Return what a request to a switch has to wait for, or None if it may be sent."""
        return self._election.elector.hold() if self._election else None

    async def open(self, lease: LeaseConfiguration | None) -> LeaseApi | None:
        """Return access to a Lease for ``follow``, or None without a Lease. Raises StartError if it fails."""
        return await self._connect(lease) if lease else None

    async def follow(self, lease: LeaseConfiguration | None, api: LeaseApi | None, switch: Switch) -> None:
        """Leave the current election, and take part in the election for another Lease."""
        await self.stop()
        self._lease, self._decision = lease, None
        if lease is None or api is None:
            self._activity.holder = self._activity.lease_reachable = None
            self._instruments.lease_reachable.value = None
            return
        self._instruments.start_lease(LeaseProblem)
        elector = Elector(api, self._identity, lease.duration, self._clock, self._on_decision)
        tasks = [
            asyncio.create_task(elector.run(), name="lease"),
            asyncio.create_task(self._apply(elector, switch), name="lease decisions"),
        ]
        self._election = _Election(api, elector, tasks)

    async def stop(self) -> None:
        """Free the Lease if this exporter holds it, and leave the election."""
        election, self._election = self._election, None
        if election is None:
            return
        for task in election.tasks:
            task.cancel()
        await asyncio.gather(*election.tasks, return_exceptions=True)
        await election.elector.release()
        await election.api.close()

    def _on_decision(self, decision: Decision) -> None:
        self._decision = decision
        is_reachable = decision.problem is None
        self._activity.holder, self._activity.lease_reachable = decision.holder, is_reachable
        self._instruments.lease_reachable.value = float(is_reachable)
        if decision.problem is not None:
            self._instruments.lease_failures.labels(decision.problem.reason.value).inc()
        self._decided.set()

    async def _apply(self, elector: Elector, switch: Switch) -> None:
        while True:
            await self._decided.wait()
            self._decided.clear()
            decision, activity = self._decision, self._activity
            if decision is None or (decision.state, decision.reason) == (activity.state, activity.reason):
                continue
            try:
                await switch(decision.state, decision.reason, partial(self._is_current, elector, decision))
            except Exception:  # noqa: BLE001 -- logged where it was raised; another exporter may be able to poll
                elector.abstain()

    def _is_current(self, elector: Elector, decision: Decision) -> bool:
        """Return whether a decision holds. A switch may have waited for a reload that ended the election."""
        is_same = self._election is not None and self._election.elector is elector
        return is_same and self._decision is not None and self._decision.state is decision.state
