"""Whether a target may be asked now, so that a switch with a bad day is not hurt further."""

from collections.abc import Callable, Collection, Mapping

import structlog

from exporter.config import Key
from exporter.model import TRANSPORT_REASONS, Failure, Query, Reason, Scope, SkipReason, Target
from exporter.poll import backoff
from exporter.poll.backoff import Backoff, SwitchPause
from exporter.poll.circuit_breaker import CircuitBreaker
from exporter.poll.key_health import KeyHealth
from exporter.poll.limiter import Lane, Limiter
from exporter.poll.planner import KeyHolder


class RequestPolicy:
    """Remembers how each target and each key fared. Times are those of ``Clock.elapsed``.

    ``key_of`` tells which key a target is asked with. Each change is logged once.
    """

    def __init__(self, switch: str, slots: Limiter, key_of: Callable[[Target], KeyHolder]) -> None:
        self._limiter = slots
        self._key_of = key_of
        self._log = structlog.get_logger("exporter.poll").bind(switch=switch)
        self.reset()

    def reset(self) -> None:
        """Forget everything: what is asked now is another switch, or is reached in another way."""
        self.breaker = CircuitBreaker()
        self._pause = SwitchPause()
        self._backoffs: dict[Target, Backoff] = {}
        self._suspects: set[str] = set()
        self._keys: dict[str, KeyHealth] = {}

    @property
    def refused_keys(self) -> list[str]:
        """Whose keys count as refused: tenant codes, and "" for the admin key."""
        return [owner for owner, health in self._keys.items() if health.is_refused]

    @property
    def backoff_count(self) -> int:
        """How many targets are asked more slowly than configured."""
        return len(self._backoffs)

    def lane(self, target: Target) -> Lane:
        """Return which slots a request to this target may take."""
        if target.scope is Scope.SWITCH:
            return Lane.SWITCH
        return Lane.SUSPECT if target.tenant in self._suspects else Lane.TENANT

    def skip_reason(self, target: Target, now: float) -> SkipReason | None:
        """Return why a target is left out of this sweep, or None where it may be asked."""
        if self.breaker.is_open:
            return SkipReason.BREAKER
        if now < self._pause.until:
            return SkipReason.BACKOFF
        if self._is_backed_off(target, now):
            self.key_health(target)  # one that has changed ends the pauses of its refusals
            if self._is_backed_off(target, now):
                return SkipReason.BACKOFF
        return None

    def _is_backed_off(self, target: Target, now: float) -> bool:
        held = self._backoffs.get(target)
        health = self._keys.get(self._key_of(target).owner)
        return bool(
            (held and held.is_active(now))
            # A sweep does not wait for a slot on behalf of a target that will probably only hang in it.
            or (self.lane(target) is Lane.SUSPECT and self._limiter.suspects_are_full)
            or (health and health.is_refused and not health.may_send(now))
        )

    def key_health(self, target: Target) -> KeyHealth:
        """Return the key a target is asked with, as it is now; forget what was held against another one."""
        owner, holder = self._key_of(target)
        key, health = holder.current(), self._keys.get(owner)
        if health is not None and health.key == key:
            return health
        return self._renewed(owner, holder, key)

    def _renewed(self, owner: str, holder: Key, key: str) -> KeyHealth:
        before = self._keys.get(owner)
        if before is not None:
            self._log.info("the key has changed", key=holder.source)
            for target in before.slowed:
                self._backoffs.pop(target, None)
        self._keys[owner] = health = KeyHealth(key, owner, holder.source)
        return health

    def admit(self, health: KeyHealth, now: float) -> SkipReason | None:
        """Look once more, when the slot for a request is there; None where it goes, which is then noted.

        While it waited, the breaker may have opened, or the key come to be refused.
        """
        if self.breaker.is_open:
            return SkipReason.BREAKER
        if now < self._pause.until:
            return SkipReason.BACKOFF
        if health.is_refused:
            if not health.may_send(now):
                return SkipReason.BACKOFF
            health.record_send(now)
        return None

    def record_skip(self, target: Target, now: float, interval: float) -> None:
        """Ask a rare query as soon as the switch may be asked again, if that is why it was left out.

        Else a list of tenants that is due every six hours would be missing for so long after a start.
        """
        is_silent = self.breaker.is_open or now < self._pause.until
        if is_silent and interval > backoff.LONG_INTERVAL:
            self._backoffs.setdefault(target, Backoff(0, now, is_retry=True))

    def due_retries(self, now: float) -> list[Target]:
        """Return the targets that are to be asked again before their next sweep."""
        if self.breaker.is_open or now < self._pause.until:
            return []
        return [
            target for target, held in self._backoffs.items() if held.is_retry and not held.is_active(now)
        ]

    def take_probe(self, now: float, shortest_interval: float) -> bool:
        """Tell whether a probe of a switch that does not answer is due, and count it as sent."""
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
        """Learn from an attempt that was sent with the key of this health.

        ``interval`` is the target's, in seconds; ``other_targets_exist``: there are other targets.
        """
        self._record_target(target, outcome, health, started=started, interval=interval)
        self._record_switch(
            target, outcome, started=started, ended=ended, other_targets_exist=other_targets_exist
        )
        if outcome is None and target.query is Query.CALLS:
            health.has_counted_calls = True
        if health.record(target, outcome, now=ended) and self._is_current(health):
            if health.is_refused:
                self._log.error("the key is refused: trying it ever more slowly", key=health.source)
            else:
                self._log.info("the key is accepted again", key=health.source)

    def _record_target(
        self, target: Target, outcome: Failure | None, health: KeyHealth, *, started: float, interval: float
    ) -> None:
        is_refusal = outcome is not None and outcome.is_refusal
        if is_refusal and not self._is_current(health):
            return  # what another key met says nothing of how this target fares with its own
        after = backoff.next_backoff(self._backoffs.get(target), outcome, started=started, interval=interval)
        if after is None:
            self._backoffs.pop(target, None)
        else:
            self._backoffs[target] = after
        if is_refusal:
            health.slowed.add(target)
        else:
            health.slowed.discard(target)

    def _record_switch(
        self,
        target: Target,
        outcome: Failure | None,
        *,
        started: float,
        ended: float,
        other_targets_exist: bool,
    ) -> None:
        reason = outcome.reason if outcome else None
        if reason is Reason.TIMEOUT:
            self._suspects.add(target.tenant)
        elif reason not in TRANSPORT_REASONS:  # an HTTP answer came
            self._suspects.discard(target.tenant)
        if self.breaker.record(
            target, reason, seconds=ended - started, other_targets_exist=other_targets_exist
        ):
            if self.breaker.is_open:
                self._log.error("the switch does not answer: only probing it", reason=reason)
            else:
                self._log.info("the switch answers again")
        has_news = outcome is not None or self._pause.asked_to_wait
        pause = self._pause.record(target, outcome, ended) if has_news else None
        if pause is not None:
            self._log.warning(
                "the switch, or a proxy before it, asks to wait: nothing is sent to it meanwhile",
                seconds=round(pause, 1),
            )

    def _is_current(self, health: KeyHealth) -> bool:
        return self._keys.get(health.owner) is health

    def reconfigure(
        self,
        is_polled: Callable[[Target], bool],
        jobs: Collection[tuple[Query, Scope]],
        keys: Mapping[str, Key],
    ) -> None:
        """Forget what another configuration does not ask any more, or asks with another key.

        ``jobs`` are all queries that it asks, and ``keys`` all keys that it asks with, by owner.
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
        for target in [target for target in self._backoffs if not is_polled(target)]:
            del self._backoffs[target]
        self.breaker.keep_queries(jobs)

    def forget(self, tenants: Collection[str]) -> None:
        """Forget tenants that left."""
        self._suspects.difference_update(tenants)
        for tenant in tenants:
            self._keys.pop(tenant, None)
        self.breaker.forget(tenants)
        admin = self._keys.get("")
        for target in [target for target in self._backoffs if target.tenant in tenants]:
            del self._backoffs[target]
            if admin is not None:
                admin.slowed.discard(target)
