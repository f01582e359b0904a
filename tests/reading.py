"""Reads answers as the queries declare it, for the tests of several packages."""

from collections.abc import Mapping
from typing import Any

from exporter.fields import Section
from exporter.model import Answer, Content, Failure, Query
from exporter.queries import QUERIES, Endpoint
from exporter.request import Operation

OPERATIONS: Mapping[Query, Operation] = {
    query: spec.endpoints[0].operation for query, spec in QUERIES.items()
}
"""What each query asks unless the configuration says otherwise."""

READERS: Mapping[Operation, tuple[Query, Endpoint[Any, Any]]] = {
    endpoint.operation: (query, endpoint)
    for query, spec in reversed(list(QUERIES.items()))
    for endpoint in spec.endpoints
}
"""A query that asks an operation, and how it reads the answer; of two, the one with more settings."""


def endpoint_of(operation: Operation) -> Endpoint[Any, Any]:
    """Return how the answers to an operation are read."""
    return READERS[operation][1]


def section_of(query: Query, **settings: object) -> Section:
    """Return the section of a query; settings that it does not have are left out."""
    section: Section = QUERIES[query].section()
    known = {key: value for key, value in settings.items() if key in type(section).model_fields}
    return section.model_copy(update=known)


def decode(
    operation: Operation, body: Content, settings: Mapping[str, object] | None = None, charset: str = ""
) -> Answer | Failure:
    """Read the answer to an operation, with these settings where its query has them."""
    query, endpoint = READERS[operation]
    read: Answer | Failure = endpoint.decode(body, section_of(query, **settings or {}), charset)
    return read
