"""Whether a target may be asked now, so that a switch with a bad day is not hurt further."""

from collections.abc import Callable, Collection, Mapping

import structlog

from exporter.config import Key
from exporter.model import TRANSPORT_REASONS, Failure, Query, Reason, Scope, SkipReason, Target
from exporter.poll import backoff
from exporter.poll.backoff import Backoff
from exporter.poll.breaker import Breaker
from exporter.poll.pause import Pause
from exporter.poll.refusals import KeyRecord
from exporter.poll.slots import Lane, Slots
from exporter.poll.targets import KeyHolder


class Courtesy:
    """Remembers how each target and each key fared. Times are those of ``Clock.elapsed``.

    ``key_of`` tells which key a target is asked with. Each change is logged once.
    """

    def __init__(self, switch: str, slots: Slots, key_of: Callable[[Target], KeyHolder]) -> None:
        self._slots = slots
        self._key_of = key_of
        self._log = structlog.get_logger("exporter.poll").bind(switch=switch)
        self.reset()

    def reset(self) -> None:
        """Forget everything: what is asked now is another switch, or is reached in another way."""
        self.breaker = Breaker()
        self._pause = Pause()
        self._backoffs: dict[Target, Backoff] = {}
        self._suspects: set[str] = set()
        self._keys: dict[str, KeyRecord] = {}

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
        """Return why a target is left out of this sweep, or None where it may be asked."""
        if self.breaker.is_open:
            return SkipReason.BREAKER
        if now < self._pause.until:
            return SkipReason.BACKOFF
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
            or (record and record.is_refused and not record.may_ask(now))
        )

    def key(self, target: Target) -> KeyRecord:
        """Return the key a target is asked with, as it is now; forget what was held against another one."""
        owner, holder = self._key_of(target)
        key, record = holder.current(), self._keys.get(owner)
        if record is not None and record.key == key:
            return record
        return self._renewed(owner, holder, key)

    def _renewed(self, owner: str, holder: Key, key: str) -> KeyRecord:
        before = self._keys.get(owner)
        if before is not None:
            self._log.info("the key has changed", key=holder.source)
            for target in before.slowed:
                self._backoffs.pop(target, None)
        self._keys[owner] = record = KeyRecord(key, owner, holder.source)
        return record

    def admit(self, record: KeyRecord, now: float) -> SkipReason | None:
        """Look once more, when the slot for a request is there; None where it goes, which is then noted.

        While it waited, the breaker may have opened, or the key come to be refused.
        """
        if self.breaker.is_open:
            return SkipReason.BREAKER
        if now < self._pause.until:
            return SkipReason.BACKOFF
        if record.is_refused:
            if not record.may_ask(now):
                return SkipReason.BACKOFF
            record.ask(now)
        return None

    def left_out(self, target: Target, now: float, interval: float) -> None:
        """Ask a rare query as soon as the switch may be asked again, if that is why it was left out.

        Else a list of tenants that is due every six hours would be missing for so long after a start.
        """
        is_silent = self.breaker.is_open or now < self._pause.until
        if is_silent and interval > backoff.LONG_INTERVAL:
            self._backoffs.setdefault(target, Backoff(0, now, is_retry=True))

    def retries(self, now: float) -> list[Target]:
        """Return the targets that are to be asked again before their next sweep."""
        if self.breaker.is_open or now < self._pause.until:
            return []
        return [target for target, held in self._backoffs.items() if held.is_retry and not held.holds(now)]

    def take_probe(self, now: float, shortest_interval: float) -> bool:
        """Tell whether a probe of a switch that does not answer is due, and count it as sent."""
        if not self.breaker.is_open or now < self._pause.until:
            return False
        return self.breaker.take_probe(now, shortest_interval)

    def note(
        self,
        target: Target,
        outcome: Failure | None,
        *,
        record: KeyRecord,
        started: float,
        ended: float,
        interval: float,
        has_witnesses: bool,
    ) -> None:
        """Learn from an attempt that was sent with the key of this record.

        ``interval`` is the target's, in seconds; ``has_witnesses``: there are other targets.
        """
        self._note_target(target, outcome, record, started=started, interval=interval)
        self._note_switch(target, outcome, started=started, ended=ended, has_witnesses=has_witnesses)
        if outcome is None and target.query is Query.CALLS:
            record.has_counted_calls = True
        if record.note(target, outcome, now=ended) and self._is_current(record):
            if record.is_refused:
                self._log.error("the key is refused: trying it ever more slowly", key=record.source)
            else:
                self._log.info("the key is accepted again", key=record.source)

    def _note_target(
        self, target: Target, outcome: Failure | None, record: KeyRecord, *, started: float, interval: float
    ) -> None:
        is_refusal = outcome is not None and outcome.is_refusal
        if is_refusal and not self._is_current(record):
            return  # what another key met says nothing of how this target fares with its own
        after = backoff.after(self._backoffs.get(target), outcome, started=started, interval=interval)
        if after is None:
            self._backoffs.pop(target, None)
        else:
            self._backoffs[target] = after
        if is_refusal:
            record.slowed.add(target)
        else:
            record.slowed.discard(target)

    def _note_switch(
        self, target: Target, outcome: Failure | None, *, started: float, ended: float, has_witnesses: bool
    ) -> None:
        reason = outcome.reason if outcome else None
        if reason is Reason.TIMEOUT:
            self._suspects.add(target.tenant)
        elif reason not in TRANSPORT_REASONS:  # an HTTP answer came
            self._suspects.discard(target.tenant)
        if self.breaker.note(target, reason, seconds=ended - started, has_witnesses=has_witnesses):
            if self.breaker.is_open:
                self._log.error("the switch does not answer: only probing it", reason=reason)
            else:
                self._log.info("the switch answers again")
        has_news = outcome is not None or self._pause.told
        pause = self._pause.note(target, outcome, ended) if has_news else None
        if pause is not None:
            self._log.warning(
                "the switch, or a proxy before it, asks to wait: nothing is sent to it meanwhile",
                seconds=round(pause, 1),
            )

    def _is_current(self, record: KeyRecord) -> bool:
        return self._keys.get(record.owner) is record

    def follow(
        self,
        is_polled: Callable[[Target], bool],
        jobs: Collection[tuple[Query, Scope]],
        keys: Mapping[str, Key],
    ) -> None:
        """Forget what another configuration does not ask any more, or asks with another key.

        ``jobs`` are all queries that it asks, and ``keys`` all keys that it asks with, by owner.
        """
        before = list(self._keys.values())
        for record in before:
            holder = keys.get(record.owner)
            if holder is None:
                del self._keys[record.owner]
            elif (key := holder.current()) != record.key:
                self._renewed(record.owner, holder, key)
            else:
                record.source = holder.source
        for record in before:
            for target in list(record.slowed):
                if not is_polled(target) or self._keys.get(self._key_of(target).owner) is not record:
                    record.slowed.discard(target)
                    self._backoffs.pop(target, None)
        for target in [target for target in self._backoffs if not is_polled(target)]:
            del self._backoffs[target]
        self.breaker.keep(jobs)

    def drop(self, tenants: Collection[str]) -> None:
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
