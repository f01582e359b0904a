"""Whether a target may be asked now, so that a switch with a bad day is not hurt further."""

from exporter.model import TRANSPORT_REASONS, Failure, Reason, Scope, SkipReason, Target
from exporter.poll import backoff
from exporter.poll.backoff import Backoff
from exporter.poll.slots import Lane, Slots


class Courtesy:
    """Remembers how each target behaved. Times are monotonic seconds."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._backoffs: dict[Target, Backoff] = {}
        self._suspects: set[str] = set()

    def lane(self, target: Target) -> Lane:
        """Return which slots a request to this target may take."""
        if target.scope is Scope.SWITCH:
            return Lane.SWITCH
        return Lane.SUSPECT if target.tenant in self._suspects else Lane.TENANT

    def skip(self, target: Target, now: float) -> SkipReason | None:
        """Return why a target sits out this turn, or None where it may be asked."""
        held = self._backoffs.get(target)
        if held and held.holds(now):
            return SkipReason.BACKOFF
        lane = self.lane(target)
        # A sweep does not wait for a slot on behalf of a target that will probably only hang in it.
        return SkipReason.BACKOFF if lane is Lane.SUSPECT and self._slots.is_full(lane) else None

    def note(self, target: Target, outcome: Failure | None, *, started: float, interval: float) -> None:
        """Learn from an attempt that started at ``started``; ``interval`` is the target's, in seconds."""
        reason = outcome.reason if outcome else None
        after = backoff.after(self._backoffs.get(target), reason, started=started, interval=interval)
        if after is None:
            self._backoffs.pop(target, None)
        else:
            self._backoffs[target] = after
        if reason is Reason.TIMEOUT:
            self._suspects.add(target.tenant)
        elif reason not in TRANSPORT_REASONS:  # an HTTP answer came
            self._suspects.discard(target.tenant)

    def drop(self, tenant: str) -> None:
        """Forget a tenant that left."""
        self._suspects.discard(tenant)
        for target in [target for target in self._backoffs if target.tenant == tenant]:
            del self._backoffs[target]
