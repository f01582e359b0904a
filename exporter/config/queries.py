"""The section ``queries``: how often each query is asked, of a switch and of each tenant, and its options.

Its keys are the sections that the queries declare.
"""

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field, create_model

from exporter.fields import Interval, Section
from exporter.model import Query, Scope
from exporter.queries import QUERIES, QuerySpec

_Options = TypeVar("_Options", bound=Section)


class _Queries(Section):
    def interval(self, query: Query, scope: Scope) -> float | None:
        """Return the seconds between two attempts, or None where the query is off or has no such scope."""
        key = "interval" if scope is Scope.SWITCH else "tenant_interval"
        seconds: float | None = getattr(getattr(self, query.value), key, None)
        return seconds

    def options(self, spec: QuerySpec[_Options]) -> _Options:
        """Return the section of a query."""
        section: _Options = getattr(self, spec.query.value)
        return section


class TenantQuery(Section):
    """What a tenant may set of a query."""

    tenant_interval: Interval = Field(None, description="In place of that of the switch.", examples=["10m"])


class _TenantQueries(Section):
    def intervals(self) -> dict[Query, float | None]:
        """Return the intervals that are written down, ``off`` among them, and no others."""
        return {
            Query(name): getattr(self, name).tenant_interval
            for name in self.model_fields_set
            if getattr(self, name).model_fields_set
        }


if TYPE_CHECKING:  # a model that is made of a table is no type to mypy
    QueriesConfiguration = _Queries
    TenantQueries = _TenantQueries
else:
    _fields: dict[str, Any] = {
        query.value: (spec.section, Field(spec.section(), description=spec.summary))
        for query, spec in QUERIES.items()
    }
    QueriesConfiguration = create_model("QueriesConfiguration", __base__=_Queries, **_fields)
    _fields = {
        query.value: (
            TenantQuery,
            Field(TenantQuery(), description="For this tenant, in place of that of the switch."),
        )
        for query, spec in QUERIES.items()
        if spec.tenant
    }
    TenantQueries = create_model("TenantQueries", __base__=_TenantQueries, **_fields)
