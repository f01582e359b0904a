"""Detects a switch that ignores ``id`` in INFO queue and returns the same answer for every queue. Pure.

INFO queue was only seen without ``id`` (wire notes 2026-10), so a switch may ignore ``id``.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping

_LEAST_QUEUES = 3
_ROUNDS = 2

_GROWING = frozenset({"CALLSRECEIVED", "ANSWEREDCALLS", "ABANDONEDCALLS", "TIMEDOUTCALLS", "TALKTIME"})
"""Figures of a queue that only grow, until they are reset (inferred from their names)."""

_PASSING = frozenset({"FIRSTWAITING", "SECONDWAITING", "THIRDWAITING"})
"""Figures that differ between two answers about the same queue because time passes."""

Fields = Mapping[str, str]


class _Rounds:
    """The answers for one tenant, in rounds of one answer per queue.

    ``same``: consecutive rounds that had the same answer for all queues. ``different``: consecutive rounds
    that showed that the queues differ.
    """

    def __init__(self) -> None:
        self.same = 0
        self.different = 0
        self._current: dict[str, Fields] = {}

    def add(self, queue: str, fields: Fields) -> bool:
        """Record an answer. Return whether it starts a new round: the current one already has this queue."""
        starts = queue in self._current
        if starts:
            self._end(list(self._current.values()))
            self._current = {}
        self._current[queue] = fields
        return starts

    def _end(self, answers: list[Fields]) -> None:
        if len(answers) < _LEAST_QUEUES:
            return
        all_same = all(is_same(answers[0], other) for other in answers)
        if all_same and not has_calls(answers[0]):
            return  # queues without calls may really be the same
        self.same = self.same + 1 if all_same else 0
        self.different = self.different + 1 if any(map(_falls, answers, answers[1:])) else 0


def is_same(one: Fields, other: Fields) -> bool:
    """Return whether two answers may be about the same queue: nothing differs but waiting times."""
    names = (one.keys() | other.keys()) - _PASSING
    return all(one.get(name) == other.get(name) for name in names)


def has_calls(fields: Fields) -> bool:
    """Return whether a queue has had calls since the last reset. Without calls, queues may be the same."""
    return any(_figure(fields, name) for name in _GROWING)


def _falls(earlier: Fields, later: Fields) -> bool:
    """Return whether a growing figure is lower in the later answer: then it is about another queue."""
    return any(_figure(later, name) < _figure(earlier, name) for name in _GROWING)


def _figure(fields: Fields, name: str) -> int:
    text = fields.get(name, "")
    return int(text) if text.isdecimal() else 0


class QueueScope:
    """Compares the answers of one switch for different ids.

    ``is_ignored``: in two consecutive rounds, a tenant got the same answer for at least three queues. It is
    False as soon as the queues of any tenant differ. Calls change the answers all the time. So queues count
    as different only if, in two consecutive rounds, a growing figure is lower for one queue than for the
    queue before it.
    """

    def __init__(self) -> None:
        self._tenants: defaultdict[str, _Rounds] = defaultdict(_Rounds)
        self._same: set[str] = set()
        self._different: set[str] = set()
        self.is_ignored = False

    def record(self, tenant: str, queue: str, fields: Fields) -> bool:
        """Record an answer; return whether ``is_ignored`` changed."""
        rounds = self._tenants[tenant]
        if not rounds.add(queue, fields):
            return False
        for found, times in ((self._same, rounds.same), (self._different, rounds.different)):
            found.discard(tenant)
            if times >= _ROUNDS:
                found.add(tenant)
        was_ignored = self.is_ignored
        self.is_ignored = not self._different and (was_ignored or bool(self._same))
        return self.is_ignored is not was_ignored

    def drop(self, tenants: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        self._same.difference_update(tenants)
        self._different.difference_update(tenants)
        for tenant in tenants:
            self._tenants.pop(tenant, None)
