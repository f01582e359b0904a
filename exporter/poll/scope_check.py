"""Noticing that a switch ignores ``tenant`` and answers for the whole installation.

Some operations do not document the parameter (COUNTCALLS, vendor's reference), and a count of the whole
installation served as that of each tenant would be wrong 5,000 times.
"""

from collections import defaultdict, deque
from collections.abc import Collection

from exporter.model import Answer, Counts, Failure, Number, Query, Reason, Scope, Target
from exporter.poll.context import SwitchContext
from exporter.queries import QUERIES

_WITNESSES = 5
_REMEMBERED = 3


class ScopeCheck:
    """Compares what the tenants answer to one query with what the whole installation answers."""

    def __init__(self) -> None:
        self.is_ignored = False
        self._whole: deque[float] = deque(maxlen=_REMEMBERED)
        self._same: set[str] = set()
        self._different: set[str] = set()

    def record_switch(self, figure: float) -> None:
        """Take in a figure of the whole. The last three count, for it moves while the tenants are asked."""
        self._whole.append(figure)

    def record_tenant(self, code: str, figure: float) -> bool:
        """Take in a tenant's figure; return whether what is believed of the switch changed with it.

        ``tenant`` is ignored when at least five tenants answered, and all of them exactly the non-zero figure
        of the whole; it is heeded again when five tenants answered something else.
        """
        is_same = figure != 0 and figure in self._whole
        if is_same:
            self._same.add(code)
            self._different.discard(code)
        else:
            self._same.discard(code)
            self._different.add(code)
        was_ignored = self.is_ignored
        if was_ignored and len(self._different) >= _WITNESSES:
            self.is_ignored = False
        elif not was_ignored and len(self._same) >= _WITNESSES and not self._different:
            self.is_ignored = True
        if self.is_ignored is not was_ignored:
            self._same.clear()
            self._different.clear()
        return self.is_ignored is not was_ignored

    def forget(self, code: str) -> None:
        """Forget a tenant that left."""
        self._same.discard(code)
        self._different.discard(code)


class ScopeChecks:
    """Rejects the tenants' figures of each query for which the switch ignores ``tenant``."""

    def __init__(self, context: SwitchContext) -> None:
        self._context = context
        self._checks: defaultdict[Query, ScopeCheck] = defaultdict(ScopeCheck)

    def check(self, target: Target, answer: Number | Counts) -> Answer | Failure:
        """Return the answer, or why it is not the tenant's."""
        figure = answer.value if isinstance(answer, Number) else answer.whole
        if figure is None or not QUERIES[target.query].has_both_scopes:
            return answer
        check = self._checks[target.query]
        if target.scope is Scope.SWITCH:
            check.record_switch(figure)
        elif check.record_tenant(target.tenant, figure):
            self._follow_change(target.query, is_ignored=check.is_ignored)
        if target.scope is Scope.SWITCH or not check.is_ignored:
            return answer
        return Failure(
            Reason.SCOPE_IGNORED,
            "every tenant is given the figure of the whole installation; "
            f"set queries.{target.query}.tenant_interval to off",
        )

    def forget(self, codes: Collection[str]) -> None:
        """Forget tenants that left."""
        for check in self._checks.values():
            for code in codes:
                check.forget(code)

    def _follow_change(self, query: Query, *, is_ignored: bool) -> None:
        context = self._context
        if is_ignored:
            for code in context.targets.tenants:
                context.store.forget(Target(query, Scope.TENANT, code))
            context.log.error("the switch ignores `tenant` for this query", query=query.value)
        else:
            context.log.info("the switch heeds `tenant` again for this query", query=query.value)
