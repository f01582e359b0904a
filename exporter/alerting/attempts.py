"""How the targets of one switch fare, as the rules see it: five minutes are remembered of each series."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from exporter import freshness
from exporter.model import Query, Reason, Scope, Target
from exporter.store import Attempt, Store

_WINDOW = 300.0
_AT_A_TIME = 1500

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class SwitchSnapshot:
    """One switch as it is now.

    ``up`` is None before the first attempt has ended; ``offset`` is added to monotonic seconds for a moment;
    ``speed`` is how many seconds of moments go by in a second of the switch: 1, but for tests.
    """

    store: Store
    up: bool | None
    breaker_open: bool
    offset: float
    speed: float = 1.0


class Attempts:
    """The newest attempt at each target, and what counts of earlier ones. Times are moments (``memory``).

    Most targets were not attempted since the evaluation before: only what is new is looked at.
    ``failing``: why the newest attempt failed. ``failed``: why earlier ones did, and when that was last seen.
    ``gone``: of targets that are not asked any more, whether the last attempt succeeded; when it was seen.
    ``earlier``: the last success of a target of which the newest attempt knows none, and when it was seen.
    """

    def __init__(self) -> None:
        self.present: dict[Target, Attempt] = {}
        self.failing: dict[Target, Reason] = {}
        self.failed: dict[tuple[Target, Reason], float] = {}
        self.gone: dict[Target, tuple[bool, float]] = {}
        self.earlier: dict[Target, tuple[float, float]] = {}
        self.looked_at = 0.0
        self._offset = 0.0
        self._speed = 1.0

    def update(
        self, attempts: Mapping[Target, Attempt], look: SwitchSnapshot | None, now: float
    ) -> Iterator[None]:
        """Take in the attempts, of which the newest stands last. Yields where others may have their turn."""
        found = dict(attempts)  # the mapping itself changes while others have their turn
        yield
        for number, (target, attempt) in enumerate(reversed(found.items()), 1):
            before = self.present.get(target)
            if before is attempt:
                break  # what stands before it was not attempted since either
            self._take_in(target, before, attempt)
            if not number % _AT_A_TIME:
                yield
        if len(self.present) > len(found):
            for number, target in enumerate(list(self.present), 1):
                if target not in found:
                    self._lose(target)
                if not number % _AT_A_TIME:
                    yield
        self.looked_at = now
        if look is not None:
            self._offset, self._speed = look.offset, look.speed
        yield from _forget(self.failed, lambda seen: now - seen > _WINDOW)
        yield from _forget(self.gone, lambda last: now - last[1] > _WINDOW)
        yield from _forget(self.earlier, lambda last: now - last[1] > _WINDOW)

    def is_tried(self, target: Target) -> bool:
        """Tell whether an attempt at a target has ended."""
        return target in self.present or target in self.gone

    def failures(self) -> Iterator[tuple[Target, Reason]]:
        """Return what fails, with every reason that was seen; not what has succeeded since."""
        yield from self.failing.items()
        yield from ((target, reason) for target, reason in self.failed if not self._is_well(target))

    def stale(
        self, paces: Mapping[tuple[Query, Scope], float], now: float, patience: float
    ) -> Iterator[Target | None]:
        """Return the targets whose value is older than so many of their paces, or never came.

        None comes between, where others may have their turn.
        """
        oldest = {key: freshness.oldest(now, pace, patience) for key, pace in paces.items()}
        yield from self._too_old(oldest)
        without = set()
        for number, (target, _) in enumerate(self.failures(), 1):
            if target not in without and not self._has_succeeded(target):
                without.add(target)
                yield target
            if not number % _AT_A_TIME:
                yield None

    def moment(self, at: float) -> float:
        """Return the moment of a time of an attempt."""
        return at * self._speed + self._offset

    def restore(self, target: Target, success_at: float | None, reason: Reason | None, seen: float) -> None:
        """Take back an attempt, as gone: when it succeeded last, and why it failed, if it did."""
        self.gone[target] = (reason is None, seen)
        if success_at is not None:
            self.earlier[target] = (success_at, seen)
        if reason is not None and not _is_idle(target, reason):
            self.failed[target, reason] = seen

    def _take_in(self, target: Target, before: Attempt | None, attempt: Attempt) -> None:
        self.present[target] = attempt
        if before is None:
            self.gone.pop(target, None)
        if attempt.succeeded_at is not None and (before is None or before.succeeded_at is None):
            self.earlier.pop(target, None)
        if attempt.failure is not None or (before is not None and before.failure is not None):
            self._fails(target, attempt.failure.reason if attempt.failure else None)

    def _lose(self, target: Target) -> None:
        attempt = self.present.pop(target)
        self.gone[target] = (attempt.failure is None, self.looked_at)
        self._fails(target, None)
        if attempt.succeeded_at is not None:
            self.earlier[target] = (self.moment(attempt.succeeded_at), self.looked_at)

    def _fails(self, target: Target, reason: Reason | None) -> None:
        """Note why a target fails now, and what it failed for before."""
        if reason is not None and _is_idle(target, reason):
            reason = None
        before = self.failing.get(target)
        if before is reason:
            return
        if before is not None:
            del self.failing[target]
            self.failed[target, before] = self.looked_at
        if reason is not None:
            self.failing[target] = reason
            self.failed.pop((target, reason), None)

    def _too_old(self, oldest: Mapping[tuple[Query, Scope], float]) -> Iterator[Target | None]:
        never, any_oldest = -math.inf, max(oldest.values(), default=-math.inf)
        speed, offset = self._speed, self._offset
        for number, (target, attempt) in enumerate(self.present.items(), 1):
            at = attempt.succeeded_at
            if at is None or (moment := at * speed + offset) >= any_oldest:
                pass  # as nearly all
            elif moment < oldest.get(target[:2], never):
                yield target
            if not number % _AT_A_TIME:
                yield None
        for number, (target, (at, _)) in enumerate(self.earlier.items(), 1):
            if at < oldest.get(target[:2], never):
                yield target
            if not number % _AT_A_TIME:
                yield None

    def _is_well(self, target: Target) -> bool:
        if target in self.present:
            return self.present[target].failure is None
        return target in self.gone and self.gone[target][0]

    def _has_succeeded(self, target: Target) -> bool:
        attempt = self.present.get(target)
        return (attempt is not None and attempt.succeeded_at is not None) or target in self.earlier


def _forget(held: dict[_Key, _Value], is_old: Callable[[_Value], bool]) -> Iterator[None]:
    for number, key in enumerate([key for key, value in held.items() if is_old(value)], 1):
        del held[key]
        if not number % _AT_A_TIME:
            yield
    yield


def _is_idle(target: Target, reason: Reason) -> bool:
    """Tell of an empty count of calls: so answers a switch for an idle tenant (seen, wire notes 2026-10)."""
    return target.query is Query.CALLS and reason is Reason.EMPTY
