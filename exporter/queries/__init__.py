"""Every query of the exporter: one module each, and one table of them.

To add a query, write a module that declares its ``SPEC`` (see ``spec``), add its name to
``exporter.model.Query`` and its module to ``QUERIES``. Declare the operation that it sends in
``exporter.request`` and its metrics in ``exporter.metrics.catalogue``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from exporter.model import Query
from exporter.queries import (
    balance,
    call_records,
    calls,
    channels,
    extensions,
    license,  # noqa: A004 -- the name of the query
    limits,
    peers,
    queue,
    queues,
    registrations,
    tenants,
    trunks,
    watched_peers,
)
from exporter.queries.spec import Endpoint, Families, QuerySpec
from exporter.request import Operation

__all__ = ["QUERIES", "Endpoint", "Families", "QuerySpec", "table"]


def table(*specs: QuerySpec[Any]) -> Mapping[Query, QuerySpec[Any]]:
    """Return the queries by name, in the order of ``Query``. Raises TypeError if they do not fit together."""
    by_name = {spec.query: spec for spec in specs}
    starts = [spec.start for spec in specs if spec.start is not None]
    if len(by_name) != len(specs) or by_name.keys() != set(Query):
        raise TypeError("each name of Query needs exactly one module in exporter.queries.QUERIES")
    if len(set(starts)) != len(starts):
        raise TypeError("two queries declare the same `start`; their sweeps would meet at the same tenants")
    used = {pair for spec in specs for pair in spec.operations}
    for operation in Operation:
        for scope in operation.scopes:
            if (operation, scope) not in used:
                raise TypeError(
                    f"no query sends {operation.name} for a {scope}; drop that scope in exporter.request"
                )
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
    queues.SPEC,
    queue.SPEC,
    call_records.SPEC,
    trunks.SPEC,
    watched_peers.SPEC,
)
