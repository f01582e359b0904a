"""Whether a target may be asked now, so that a switch with a bad day is not hurt further."""

from collections.abc import Callable, Collection

import structlog

from exporter.model import TRANSPORT_REASONS, Failure, Reason, Scope, SkipReason, Target
from exporter.poll import backoff
from exporter.poll.backoff import Backoff
from exporter.poll.breaker import Breaker
from exporter.poll.refusals import KeyRecord
from exporter.poll.slots import Lane, Slots
from exporter.poll.targets import KeyHolder


class Courtesy:
    """Remembers how each target and each key fared. Times are monotonic seconds.

    ``key_of`` tells which key a target is asked with. Each change is logged once.
    """

    def __init__(self, switch: str, slots: Slots, key_of: Callable[[Target], KeyHolder]) -> None:
        self.breaker = Breaker()
        self._slots = slots
        self._key_of = key_of
        self._backoffs: dict[Target, Backoff] = {}
        self._suspects: set[str] = set()
        self._keys: dict[str, KeyRecord] = {}
        self._log = structlog.get_logger("exporter.poll").bind(switch=switch)

    @property
    def refused_keys(self) -> list[str]:
        """Whose keys count as refused: tenant codes, and "" for the admin key."""
        return [owner for owner, record in self._keys.items() if record.is_refused]

    @property
    def held_back(self) -> int:
        """How many targets are asked more slowly than configured."""
        return len(self._backoffs)

    def lane(self, target: Target) -> Lane:
        """Return which slots a request to this target may take."""
        if target.scope is Scope.SWITCH:
            return Lane.SWITCH
        return Lane.SUSPECT if target.tenant in self._suspects else Lane.TENANT

    def skip(self, target: Target, now: float) -> SkipReason | None:
        """Return why a target sits out this turn, or None where it may be asked."""
        if self.breaker.is_open:
            return SkipReason.BREAKER
        if self._is_held_back(target, now):
            self.key(target)  # one that has changed ends the pauses of its refusals
            if self._is_held_back(target, now):
                return SkipReason.BACKOFF
        return None

    def _is_held_back(self, target: Target, now: float) -> bool:
        held = self._backoffs.get(target)
        record = self._keys.get(self._key_of(target).owner)
        return bool(
            (held and held.holds(now))
            # A sweep does not wait for a slot on behalf of a target that will probably only hang in it.
            or (self.lane(target) is Lane.SUSPECT and self._slots.suspects_are_many)
            or (record and not record.may_ask(now))
        )

    def key(self, target: Target) -> str:
        """Return the key a target is asked with, as it is now; forget what was held against another one."""
        owner, holder = self._key_of(target)
        key = holder.current()
        record = self._keys.get(owner)
        if record is None:
            self._keys[owner] = KeyRecord(key)
        elif record.key != key:
            record.renew(key)
            self._log.info("the key has changed", key=holder.source)
            for refused, held in list(self._backoffs.items()):
                if held.reason is Reason.AUTH and self._key_of(refused).owner == owner:
                    del self._backoffs[refused]
        return key

    def admit(self, target: Target, now: float) -> SkipReason | None:
        """Look once more, when the slot for a request is there; None where it goes, which is then noted.

        While it waited, the breaker may have opened, or the key come to be refused.
        """
        if self.breaker.is_open:
            return SkipReason.BREAKER
        record = self._keys.get(self._key_of(target).owner)
        if record and not record.may_ask(now):
            return SkipReason.BACKOFF
        if record:
            record.ask(now)
        return None

    def retries(self, now: float) -> list[Target]:
        """Return the targets that are to be asked again before their next sweep."""
        return [target for target, held in self._backoffs.items() if held.is_retry and not held.holds(now)]

    def note(
        self,
        target: Target,
        outcome: Failure | None,
        *,
        key: str,
        started: float,
        ended: float,
        interval: float,
        has_witnesses: bool,
    ) -> None:
        """Learn from an attempt with this key.

        ``interval`` is the target's, in seconds; ``has_witnesses``: there are other targets.
        """
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
        if self.breaker.note(target, reason, seconds=ended - started, has_witnesses=has_witnesses):
            if self.breaker.is_open:
                self._log.error("the switch does not answer: only probing it", reason=reason)
            else:
                self._log.info("the switch answers again")
        owner, holder = self._key_of(target)
        record = self._keys.get(owner)
        if record and record.note(target, reason, key=key, now=ended):
            if record.is_refused:
                self._log.error("the key is refused: trying it ever more slowly", key=holder.source)
            else:
                self._log.info("the key is accepted again", key=holder.source)

    def drop(self, tenants: Collection[str]) -> None:
        """Forget tenants that left."""
        self._suspects.difference_update(tenants)
        for tenant in tenants:
            self._keys.pop(tenant, None)
        self.breaker.forget(tenants)
        for target in [target for target in self._backoffs if target.tenant in tenants]:
            del self._backoffs[target]
