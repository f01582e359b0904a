"""By how much the clock of an Alertmanager seems to be ahead of ours: what its answers say in ``Date``.

A proxy in front may write that header, and its clock may be wrong. So it is logged and is a metric, and no
time of an alert follows it: with a ``Date`` 600 s behind, all alerts had ended on arrival (seen 2026-11).
"""

from structlog.typing import FilteringBoundLogger

NOTICEABLE = 30.0
"""Seconds by which two clocks may differ before it is logged."""

_LONGEST_ALLOWANCE = 7 * 86_400.0
"""Seconds. Where our clock is further behind, the operator has to act: alerts have ended when they arrive."""


class Skew:
    """The clock skew of one Alertmanager, in seconds; 0 until it is known."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._ahead = 0.0
        self._is_logged = False

    @property
    def allowance(self) -> float:
        """Seconds by which alerts that fire should expire later."""
        return min(max(0.0, self._ahead), _LONGEST_ALLOWANCE) if self._is_noticeable else 0.0

    def note(self, ahead: float) -> None:
        """Note what an answer said."""
        self._ahead = ahead

    def log(self) -> None:
        """Log when a skew begins, and when it has ended. Call it once a minute: answers may differ."""
        if self._is_noticeable and not self._is_logged:
            self._log.warning(
                "clock skew between Alertmanager, or a proxy before it, and this machine",
                seconds_ahead_of_ours=round(self._ahead),
            )
        elif self._is_logged and not self._is_noticeable:
            self._log.info("no clock skew any more")
        self._is_logged = self._is_noticeable

    @property
    def _is_noticeable(self) -> bool:
        return abs(self._ahead) > NOTICEABLE
