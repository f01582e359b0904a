"""Alerts as Alertmanager's API v2 takes them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exporter.alerting.alerts import Alert, State
from exporter.alerting.engine import INTERVAL

VALID_FOR = 4 * INTERVAL
"""Seconds for which Alertmanager believes that an alert fires unless it is told again: as with Prometheus."""

_EARLIEST = datetime(1, 1, 2, tzinfo=UTC).timestamp()
_LATEST = datetime(9999, 12, 30, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Now:
    """One instant on both axes: the moment of the engine, and our wall clock.

    ``speed``: seconds of moments in a second: 1, but for tests.
    """

    moment: float
    wall: float
    speed: float = 1.0

    def wall_of(self, moment: float) -> float:
        """Return when a moment was; one that is yet to come counts as now."""
        return self.wall - max(0.0, self.moment - moment) / self.speed


def message(
    alert: Alert, labels: Mapping[str, str], now: Now, valid_for: float = VALID_FOR
) -> dict[str, Any]:
    """Return an alert that fires or ended, with the configured labels where it has none of that name.

    ``valid_for``: seconds after which Alertmanager may assume that an alert that fires has ended.

    Times follow from how long ago it was, not from what the clock showed then: after a step of the clock
    Alertmanager would take an alert that begins in its future, or ended in its past, for none.
    """
    fired_at = alert.since if alert.fired_at is None else alert.fired_at
    ended = alert.state is State.RESOLVED
    ends = now.wall_of(alert.since) if ended else now.wall + valid_for
    return {
        "labels": {name: text for name, text in {**labels, **alert.labels}.items() if text},
        "annotations": dict(alert.annotations),
        "startsAt": timestamp(min(now.wall_of(fired_at), ends)),
        "endsAt": timestamp(ends),
    }


def timestamp(seconds: float) -> str:
    """Return seconds since 1970 as RFC 3339, which knows the years 1 to 9999."""
    seconds = min(max(seconds, _EARLIEST), _LATEST)
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
