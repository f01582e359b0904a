"""Whether a switch answers at all: pure decisions, with the clock passed in."""

from collections.abc import Collection

from exporter.model import TRANSPORT_REASONS, Query, Reason, Scope, Target

_FAILURES = 5
_TARGETS = 2


class CircuitBreaker:
    """Opens after five transport failures in a row over at least two targets; any HTTP answer closes it.

    While it is open only one probe is sent in each ``shortest_interval``. Times are seconds.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._failures = 0
        self._failed: set[Target] = set()
        self._probed_at = float("-inf")
        self._fastest: dict[Target, float] = {}

    def record(
        self, target: Target, reason: Reason | None, *, seconds: float, other_targets_exist: bool
    ) -> bool:
        """Learn from an attempt that took ``seconds``; return whether the breaker opened or closed with it.

        Failures of one target are enough where it is the only one (not ``other_targets_exist``).
        """
        was_open = self.is_open
        if reason in TRANSPORT_REASONS:
            self._failures += 1
            self._failed.add(target)
            self.is_open = was_open or (
                self._failures >= _FAILURES and (len(self._failed) >= _TARGETS or not other_targets_exist)
            )
        else:
            self._failures = 0
            self._failed.clear()
            self.is_open = False
        if reason is None:
            self._fastest[target] = seconds
        elif target in self._fastest and reason not in TRANSPORT_REASONS:
            del self._fastest[target]
        return self.is_open is not was_open

    def take_probe(self, now: float, shortest_interval: float) -> bool:
        """Tell whether a probe is due, and count it as sent."""
        if now - self._probed_at < shortest_interval:
            return False
        self._probed_at = now
        return True

    @property
    def probe_target(self) -> Target | None:
        """The target that last succeeded fastest; None before any success."""
        return min(self._fastest, key=self._fastest.__getitem__, default=None)

    def keep_queries(self, jobs: Collection[tuple[Query, Scope]]) -> None:
        """Forget targets of queries that are not asked any more."""
        for target in [target for target in self._fastest if target[:2] not in jobs]:
            del self._fastest[target]

    def forget(self, tenants: Collection[str]) -> None:
        """Forget tenants that left."""
        for target in [target for target in self._fastest if target.tenant in tenants]:
            del self._fastest[target]
