"""Everything that is asked of a switch, one module a query, and the one table of them.

A new query is a module here that declares its ``SPEC`` (``spec`` says what that holds), its name in
``exporter.model.Query``, and its module in ``QUERIES``. The operation that it sends is declared apart, in
``exporter.request``, and its metrics in ``exporter.metrics.catalogue``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from exporter.model import Query
from exporter.queries import (
    balance,
    calls,
    channels,
    extensions,
    license,  # noqa: A004 -- the name of the query
    limits,
    peers,
    registrations,
    tenants,
)
from exporter.queries.spec import Endpoint, Families, QuerySpec

__all__ = ["QUERIES", "Endpoint", "Families", "QuerySpec", "table"]


def table(*specs: QuerySpec[Any]) -> Mapping[Query, QuerySpec[Any]]:
    """Return the queries by name, in the order of ``Query``. Raises TypeError where one is missing."""
    by_name = {spec.query: spec for spec in specs}
    starts = [spec.start for spec in specs if spec.start is not None]
    if len(by_name) != len(specs) or by_name.keys() != set(Query):
        raise TypeError("each name of Query needs exactly one module in exporter.queries.QUERIES")
    if len(set(starts)) != len(starts):
        raise TypeError("two queries declare the same `start`; their sweeps would meet at the same tenants")
    return MappingProxyType({query: by_name[query] for query in Query})


QUERIES = table(
    peers.SPEC,
    channels.SPEC,
    calls.SPEC,
    license.SPEC,
    balance.SPEC,
    registrations.SPEC,
    limits.SPEC,
    tenants.SPEC,
    extensions.SPEC,
)
