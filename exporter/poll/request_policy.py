"""Whether a target may be requested now, so that an overloaded switch gets no additional load."""

from collections.abc import Callable, Collection, Mapping

import structlog

from exporter.config import Key
from exporter.model import TRANSPORT_REASONS, Failure, Query, Reason, Scope, SkipReason, Target
from exporter.poll.backoff import LONG_INTERVAL, Backoff, CircuitBreaker, KeyHealth, SwitchPause, next_backoff
from exporter.poll.dispatcher import Lane, Limiter
from exporter.poll.planner import KeyHolder
from exporter.queries import QUERIES


class RequestPolicy:
    """Tracks the failures of each target, each key and the switch, and logs each change once.

    ``key_of`` returns the key for a target. Times are those of ``Clock.elapsed``.
    """

    def __init__(self, switch: str, limiter: Limiter, key_of: Callable[[Target], KeyHolder]) -> None:
        self._limiter = limiter
        self._key_of = key_of
        self._log = structlog.get_logger("exporter.poll").bind(switch=switch)
        self.reset()

    def reset(self) -> None:
        """Drop all records, because the switch or the way to it has changed."""
        self.breaker = CircuitBreaker()
        self._pause = SwitchPause()
        self._backoffs: dict[Target, Backoff] = {}
        self._suspects: set[str] = set()
        self._keys: dict[str, KeyHealth] = {}

    @property
    def refused_keys(self) -> list[str]:
        """The owners of refused keys: tenant codes, and "" for the admin key."""
        return [owner for owner, health in self._keys.items() if health.is_refused]

    @property
    def backoff_count(self) -> int:
        """The number of targets that are backing off."""
        return len(self._backoffs)

    def lane(self, target: Target) -> Lane:
        """Return which slots a request to this target may take."""
        if target.scope is Scope.SWITCH:
            return Lane.SWITCH
        return Lane.SUSPECT if target.tenant in self._suspects else Lane.TENANT

    def skip_reason(self, target: Target, now: float) -> SkipReason | None:
        """Return why a sweep skips this target, or None if it may be requested."""
        if reason := self._switch_skip_reason(now):
            return reason
        if self._is_backed_off(target, now):
            self.key_health(target)  # a changed key ends the backoffs that its refusals caused
            if self._is_backed_off(target, now):
                return SkipReason.BACKOFF
        return None

    def _switch_skip_reason(self, now: float) -> SkipReason | None:
        if self.breaker.is_open:
            return SkipReason.BREAKER
        return SkipReason.BACKOFF if now < self._pause.until else None

    def _is_backed_off(self, target: Target, now: float) -> bool:
        backoff = self._backoffs.get(target)
        health = self._keys.get(self._key_of(target).owner)
        return bool(
            (backoff and backoff.is_active(now))
            # A sweep does not wait for one of these slots: the target would probably time out again.
            or (self.lane(target) is Lane.SUSPECT and self._limiter.suspects_are_full)
            or (health and not health.may_send(now))
        )

    def key_health(self, target: Target) -> KeyHealth:
        """Return the record of the key for this target, a new one if the key has changed."""
        owner, holder = self._key_of(target)
        key, health = holder.current(), self._keys.get(owner)
        if health is not None and health.key == key:
            return health
        return self._renewed(owner, holder, key)

    def _renewed(self, owner: str, holder: Key, key: str) -> KeyHealth:
        before = self._keys.get(owner)
        if before is not None:
            self._log.info("key changed", key=holder.source)
            for target in before.slowed:
                self._backoffs.pop(target, None)
        self._keys[owner] = health = KeyHealth(key, owner, holder.source)
        return health

    def admit(self, health: KeyHealth, now: float) -> SkipReason | None:
        """Return why a request must not be sent, or record it as sent and return None.

        While the request waited for a slot, the breaker may have opened, or the key may have been refused.
        """
        if reason := self._switch_skip_reason(now):
            return reason
        if not health.may_send(now):
            return SkipReason.BACKOFF
        health.record_send(now)
        return None

    def record_skip(self, target: Target, now: float, interval: float) -> None:
        """Schedule a retry for a query with a long interval, if the whole switch is paused.

        Otherwise a switch that is down at the start would have no list of tenants for six hours.
        """
        if self._switch_skip_reason(now) and interval > LONG_INTERVAL:
            self._backoffs.setdefault(target, Backoff(0, now, is_retry=True))

    def due_retries(self, now: float) -> list[Target]:
        """Return the targets to request before their next sweep."""
        if self._switch_skip_reason(now):
            return []
        return [
            target
            for target, backoff in self._backoffs.items()
            if backoff.is_retry and not backoff.is_active(now)
        ]

    def take_probe(self, now: float, shortest_interval: float) -> bool:
        """Return whether the breaker is open and a probe is due, and count it as sent."""
        if not self.breaker.is_open or now < self._pause.until:
            return False
        return self.breaker.take_probe(now, shortest_interval)

    def record_outcome(
        self,
        target: Target,
        outcome: Failure | None,
        *,
        health: KeyHealth,
        started: float,
        ended: float,
        interval: float,
        other_targets_exist: bool,
    ) -> None:
        """Record an attempt that was sent with the key of ``health``; ``interval`` is the target's, in s."""
        self._record_target(target, outcome, health, started=started, interval=interval)
        self._record_switch(target, outcome, seconds=ended - started, other_targets_exist=other_targets_exist)
        self._record_pause(target, outcome, ended)
        if outcome is None and QUERIES[target.query].empty:
            health.answered.add(target.query)
        if health.record(target, outcome, now=ended) and self._is_current(health):
            if health.is_refused:
                self._log.error("key refused; retrying with backoff", key=health.source)
            else:
                self._log.info("key accepted again", key=health.source)

    def _record_target(
        self, target: Target, outcome: Failure | None, health: KeyHealth, *, started: float, interval: float
    ) -> None:
        if outcome and outcome.reason is Reason.EMPTY and target.query in health.answered:
            outcome = None  # most likely idle
        is_refusal = outcome is not None and outcome.is_refusal
        if is_refusal and not self._is_current(health):
            return  # refused with the old key, which says nothing about the new one
        after = next_backoff(self._backoffs.get(target), outcome, started=started, interval=interval)
        if after is None:
            self._backoffs.pop(target, None)
        else:
            self._backoffs[target] = after
        if is_refusal:
            health.slowed.add(target)
        else:
            health.slowed.discard(target)

    def _record_switch(
        self, target: Target, outcome: Failure | None, *, seconds: float, other_targets_exist: bool
    ) -> None:
        reason = outcome.reason if outcome else None
        if reason is Reason.TIMEOUT:
            self._suspects.add(target.tenant)
        elif reason not in TRANSPORT_REASONS:  # an HTTP response arrived
            self._suspects.discard(target.tenant)
        if self.breaker.record(target, reason, seconds=seconds, other_targets_exist=other_targets_exist):
            if self.breaker.is_open:
                self._log.error("switch not responding; sending probes only", reason=reason)
            else:
                self._log.info("switch responding again")

    def _record_pause(self, target: Target, outcome: Failure | None, now: float) -> None:
        seconds = self._pause.record(target, outcome, now)
        if seconds is not None:
            self._log.warning(
                "switch, or a proxy in front of it, sent Retry-After; requests paused",
                seconds=round(seconds, 1),
            )

    def _is_current(self, health: KeyHealth) -> bool:
        return self._keys.get(health.owner) is health

    def reconfigure(
        self,
        is_polled: Callable[[Target], bool],
        jobs: Collection[tuple[Query, Scope]],
        keys: Mapping[str, Key],
    ) -> None:
        """Drop the records of targets and keys that the new configuration does not use.

        ``jobs`` are all its queries, and ``keys`` all its keys, by owner.
        """
        before = list(self._keys.values())
        for health in before:
            holder = keys.get(health.owner)
            if holder is None:
                del self._keys[health.owner]
            elif (key := holder.current()) != health.key:
                self._renewed(health.owner, holder, key)
            else:
                health.source = holder.source
        for health in before:
            for target in list(health.slowed):
                if not is_polled(target) or self._keys.get(self._key_of(target).owner) is not health:
                    health.slowed.discard(target)
                    self._backoffs.pop(target, None)
        self._backoffs = {target: after for target, after in self._backoffs.items() if is_polled(target)}
        self.breaker.keep_queries(jobs)

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        self._suspects.difference_update(codes)
        for code in codes:
            self._keys.pop(code, None)
        self.breaker.drop_tenants(codes)
        self._backoffs = {
            target: after for target, after in self._backoffs.items() if target.tenant not in codes
        }
        if admin := self._keys.get(""):
            admin.slowed = {target for target in admin.slowed if target.tenant not in codes}
