"""Detects a switch that ignores ``tenant`` and returns figures of the installation.

Some operations do not document the parameter (COUNTCALLS, vendor's reference), and the installation's figure
would be exported for 5,000 tenants.
"""

from collections import defaultdict, deque
from collections.abc import Collection

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
