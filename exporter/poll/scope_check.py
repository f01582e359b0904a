"""Detects a switch that ignores ``tenant``, or ``id`` in INFO queue, and returns the same figures for all.

Some operations do not document ``tenant`` (COUNTCALLS, vendor's reference), and the installation's figure
would be exported for 5,000 tenants. INFO queue was only seen without ``id`` (wire notes 2026-10).
"""

from collections import defaultdict, deque
from collections.abc import Collection, Mapping

from exporter.model import Answer, Counts, Failure, Number, Query, Reason, Scope, Target
from exporter.poll.context import SwitchContext
from exporter.queries import QUERIES
from exporter.queries.trunks import Trunks

_DISTINCT_TENANTS = 5
_SWITCH_FIGURES = 3


class ScopeCheck:
    """Compares the tenants' figures of one query with those of the installation."""

    def __init__(self) -> None:
        self.is_ignored = False
        self._of_switch: deque[float] = deque(maxlen=_SWITCH_FIGURES)
        self._same: set[str] = set()
        self._different: set[str] = set()

    def record_switch(self, figure: float) -> None:
        """Store an installation-wide figure. The last three count, since it changes during a tenant sweep."""
        self._of_switch.append(figure)

    def record_tenant(self, code: str, figure: float) -> bool:
        """Record a tenant's figure; return whether ``is_ignored`` changed.

        ``tenant`` counts as ignored when at least five tenants have figures, and all of them exactly the
        non-zero one of the installation. It counts as respected again after five different figures.
        """
        is_same = figure != 0 and figure in self._of_switch
        self.drop(code)
        (self._same if is_same else self._different).add(code)
        was_ignored = self.is_ignored
        if was_ignored:
            self.is_ignored = len(self._different) < _DISTINCT_TENANTS
        else:
            self.is_ignored = len(self._same) >= _DISTINCT_TENANTS and not self._different
        if self.is_ignored is was_ignored:
            return False
        self._same.clear()
        self._different.clear()
        return True

    def drop(self, code: str) -> None:
        """Drop a tenant that is no longer polled."""
        self._same.discard(code)
        self._different.discard(code)


class ScopeChecks:
    """Rejects tenant figures of each query for which the switch ignores ``tenant``."""

    def __init__(self, context: SwitchContext) -> None:
        self._context = context
        self._checks: defaultdict[Query, ScopeCheck] = defaultdict(ScopeCheck)

    def check(self, target: Target, answer: Number | Counts | Trunks) -> Answer | Failure:
        """Return the answer, or a failure if it is not about the tenant."""
        figure = _figure(answer)
        if figure is None or not QUERIES[target.query].has_both_scopes:
            return answer
        check = self._checks[target.query]
        if target.scope is Scope.SWITCH:
            check.record_switch(figure)
            return answer
        if check.record_tenant(target.tenant, figure):
            self._apply_change(target.query, is_ignored=check.is_ignored)
        if not check.is_ignored:
            return answer
        return Failure(
            Reason.SCOPE_IGNORED,
            "expected the tenant's figure, got that of the installation for every tenant; "
            f"set queries.{target.query}.tenant_interval to off",
        )

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        for check in self._checks.values():
            for code in codes:
                check.drop(code)

    def _apply_change(self, query: Query, *, is_ignored: bool) -> None:
        context = self._context
        if is_ignored:
            for code in context.targets.tenants:
                context.store.remove(Target(query, Scope.TENANT, code))
            context.log.error("the switch ignores `tenant` for this query", query=query.value)
        else:
            context.log.info("the switch respects `tenant` again for this query", query=query.value)


def _figure(answer: Number | Counts | Trunks) -> float | None:
    match answer:
        case Number(value=value) | Counts(whole=value):
            return value
        case Trunks(rows=rows):
            return len(rows)


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
    return any(_count(fields, name) for name in _GROWING)


def _falls(earlier: Fields, later: Fields) -> bool:
    """Return whether a growing figure is lower in the later answer: then it is about another queue."""
    return any(_count(later, name) < _count(earlier, name) for name in _GROWING)


def _count(fields: Fields, name: str) -> int:
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
