"""Whether this exporter polls or stands by, why, and since when."""

from enum import StrEnum
from typing import Any

import structlog

from exporter.clock import Clock
from exporter.metrics.self_metrics import Instruments
from exporter.storage.timeline import Kind, Timeline

Json = dict[str, Any]


class State(StrEnum):
    """What an exporter does. A standby polls nothing and serves no series of a switch."""

    ACTIVE = "active"
    STANDBY = "standby"


_ENTRIES = {
    State.ACTIVE: (Kind.EXPORTER_ACTIVE, "polls now"),
    State.STANDBY: (Kind.EXPORTER_STANDBY, "stands by now"),
}


class Activity:
    """The state of this exporter. It reports each change in the log, the timeline and the metrics.

    ``state`` is None until the first configuration is applied. ``reason`` is a text for people.
    ``is_shared``: whether there may be another exporter for the same switches. ``holder`` of the Lease and
    ``lease_reachable`` are None if there is none or it is unknown. ``host``: the name of the machine or pod,
    for a timeline that exporters share.
    """

    def __init__(self, instruments: Instruments, timeline: Timeline, clock: Clock, host: str) -> None:
        self.state: State | None = None
        self.reason = ""
        self.is_shared = False
        self.holder: str | None = None
        self.lease_reachable: bool | None = None
        self._instruments = instruments
        self._timeline = timeline
        self._clock = clock
        self._host = host
        self._since = clock.elapsed()
        self._log = structlog.get_logger("exporter.activity")

    @property
    def is_standby(self) -> bool:
        """Whether this exporter stands by."""
        return self.state is State.STANDBY

    def change(self, state: State, reason: str) -> None:
        """Record the state, which may be the same as before, and the reason for it."""
        before, self.state, self.reason = self.state, state, reason
        self._instruments.active.value = float(state is State.ACTIVE) if self.is_shared else None
        if before is state:
            return
        self._since = self._clock.elapsed()
        if not self.is_shared:  # an exporter that is alone always polls
            return
        kind, what = _ENTRIES[state]
        self._timeline.add(kind, f"the exporter on {self._host} {what}: {reason}")
        if state is State.ACTIVE:
            self._log.info("polling now", reason=reason)
        else:
            self._log.info("standing by now", reason=reason)

    def status(self) -> Json:
        """Return ``activity`` of ``/api/v1/status`` (docs/status.md)."""
        return {
            "state": (self.state or State.ACTIVE).value,
            "reason": self.reason,
            "age_seconds": round(max(0.0, self._clock.elapsed() - self._since), 3),
            "holder": self.holder,
            "lease_reachable": self.lease_reachable,
        }
