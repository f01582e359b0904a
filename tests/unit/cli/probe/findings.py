"""Findings as tests make them."""

from exporter.cli.probe.questions import Finding
from exporter.model import ExtensionParameter, Failure, Query, Reason
from exporter.queries import QUERIES
from exporter.request import Operation, Request
from tests.reading import OPERATIONS, section_of

_OF_TENANTS = {Query.BALANCE, Query.LIMITS, Query.EXTENSIONS, Query.REGISTRATIONS}


def asked(query: Query, operation: Operation | None = None, tenant: str | None = None) -> Request:
    """Return a request of a query, of tenant ACME where it is not of the whole installation."""
    operation = operation or OPERATIONS[query]
    of_whom = "ACME" if query in _OF_TENANTS and operation is not Operation.PEERS else ""
    return Request(
        operation,
        tenant=of_whom if tenant is None else tenant,
        extension="100" if operation is Operation.REGISTRATION else "",
        extension_parameter=ExtensionParameter.EXT,
    )


def answered(
    query: Query,
    body: bytes | str,
    *,
    operation: Operation | None = None,
    tenant: str | None = None,
    seconds: float = 0.1,
    **settings: object,
) -> Finding:
    """Return what comes of an answer, with these settings of the query."""
    raw = body.encode() if isinstance(body, str) else body
    request = asked(query, operation, tenant)
    verdict = QUERIES[query].of(request).decode(raw, section_of(query, **settings))
    return Finding(query, request, seconds, verdict, raw, status=200)


def failed(query: Query, reason: Reason, detail: str = "said", **more: object) -> Finding:
    """Return a request that got no HTTP 200."""
    return Finding(query, asked(query), 1.0, Failure(reason, detail), **more)  # type: ignore[arg-type]
