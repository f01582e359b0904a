"""Builders of findings."""

from exporter.cli.probe.findings import Finding
from exporter.model import ExtensionParameter, Failure, Query, Reason, Scope
from exporter.queries import QUERIES
from exporter.request import Operation, Request
from tests.reading import OPERATIONS, section_of

_WINDOW = {"start": "2026-11-02 08:00:00", "end": "2026-11-02 08:05:00"}


def request_of(query: Query, operation: Operation | None = None, tenant: str | None = None) -> Request:
    """Return a request of a query, by default for tenant ACME if the operation needs a tenant."""
    operation = operation or OPERATIONS[query]
    default = "" if Scope.SWITCH in operation.scopes else "ACME"
    return Request(
        operation,
        tenant=default if tenant is None else tenant,
        extension="100" if operation is Operation.REGISTRATION else "",
        extension_parameter=ExtensionParameter.EXT,
        **(_WINDOW if operation is Operation.CALL_RECORDS else {}),
        queue="12" if operation is Operation.QUEUE else "",
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
    """Return the finding of an HTTP 200 with this body, decoded with these settings of the query."""
    raw = body.encode() if isinstance(body, str) else body
    request = request_of(query, operation, tenant)
    verdict = QUERIES[query].of(request).decode(raw, section_of(query, **settings))
    return Finding(query, request, seconds, verdict, raw, status=200)


def failed(query: Query, reason: Reason, detail: str = "detail", **more: object) -> Finding:
    """Return the finding of a request without an HTTP 200."""
    return Finding(query, request_of(query), 1.0, Failure(reason, detail), **more)  # type: ignore[arg-type]  # by field
