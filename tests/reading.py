"""Decodes responses as the queries declare it."""

from collections.abc import Mapping
from typing import Any

from exporter.fields import Section
from exporter.model import Answer, Content, Failure, Query
from exporter.queries import QUERIES, Endpoint
from exporter.request import Operation

OPERATIONS: Mapping[Query, Operation] = {
    query: spec.endpoints[0].operation for query, spec in QUERIES.items()
}
"""The default operation of each query."""

READERS: Mapping[Operation, tuple[Query, Endpoint[Any, Any]]] = {
    endpoint.operation: (query, endpoint)
    for query, spec in reversed(list(QUERIES.items()))
    for endpoint in spec.endpoints
}
"""The query and endpoint of each operation; of two queries, the one with more settings."""


def endpoint_of(operation: Operation) -> Endpoint[Any, Any]:
    """Return the endpoint that decodes the responses to an operation."""
    return READERS[operation][1]


def section_of(query: Query, **settings: object) -> Section:
    """Return the section of a query; settings that it does not have are ignored."""
    section: Section = QUERIES[query].section()
    known = {key: value for key, value in settings.items() if key in type(section).model_fields}
    return section.model_copy(update=known)


def decode(
    operation: Operation, body: Content, settings: Mapping[str, object] | None = None, charset: str = ""
) -> Answer | Failure:
    """Decode the response to an operation, with the settings that its query has."""
    query, endpoint = READERS[operation]
    read: Answer | Failure = endpoint.decode(body, section_of(query, **settings or {}), charset)
    return read
