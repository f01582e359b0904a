"""The requests of a probe, their outcomes, and whether the switch has a tenant. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from exporter.config import SwitchConfiguration, TenantSettings
from exporter.decode.records import fields_of
from exporter.decode.redact import holds_records
from exporter.errors import nearest
from exporter.fields import Section
from exporter.model import (
    Answer,
    Content,
    Counts,
    Extensions,
    Failure,
    Number,
    Peers,
    Query,
    Reason,
    Scope,
    Tenants,
)
from exporter.queries import QUERIES, Endpoint
from exporter.request import Request

COMPARE = "`probe --query=tenants` compares the configured codes with the switch's list"

_SWITCH_QUERIES = [query for query, spec in QUERIES.items() if spec.switch]
_TENANT_QUERIES = [
    query
    for query, spec in QUERIES.items()
    if spec.tenant and not spec.sources and not spec.finds and not spec.tenant.for_part
]

_MOST_CODES = 5
"""Maximum missing tenants to name."""


class QueryRequest(NamedTuple):
    """A request, and the query that it belongs to."""

    query: Query
    request: Request


def query_request(query: Query, tenant: str = "") -> QueryRequest:
    """Return the request of a query. Raises ValueError if it needs more than a tenant, or lacks the scope."""
    spec = QUERIES[query]
    endpoint = (spec.tenant if tenant else spec.switch) or spec.endpoints[0]
    return QueryRequest(query, Request(endpoint.operation, tenant=tenant))


def switch_requests(switch: SwitchConfiguration) -> list[QueryRequest]:
    """Return the enabled queries of the installation: no call records, and the tenants only if needed."""
    if switch.key is None:
        return []
    lists_tenants = switch.discover_tenants.enabled or not switch.tenants
    return [
        query_request(query)
        for query in _SWITCH_QUERIES
        if query is not Query.CALL_RECORDS
        and (query is not Query.TENANTS or lists_tenants)
        and switch.interval(query, Scope.SWITCH) is not None
    ]


def tenant_requests(switch: SwitchConfiguration, code: str) -> list[QueryRequest]:
    """Return the enabled queries of one tenant, except those about extensions and queues."""
    tenant = switch.settings(code)
    return [query_request(query, code) for query in _TENANT_QUERIES if tenant.interval(query) is not None]


def disabled_queries(switch: SwitchConfiguration, code: str) -> list[str]:
    """Return the queries that are disabled for the installation and for a tenant ("" for none)."""
    disabled = [
        f"{query} (installation)"
        for query in _SWITCH_QUERIES
        if switch.key and query is not Query.TENANTS and switch.interval(query, Scope.SWITCH) is None
    ]
    tenant = switch.settings(code)
    per_tenant = [*_TENANT_QUERIES, Query.REGISTRATIONS] if code else []
    off = [query for query in per_tenant if tenant.interval(query) is None]
    off += [Query.QUEUE] if code and not polls_queues(tenant) else []
    return disabled + [f"{query} (per tenant)" for query in off]


def polls_queues(tenant: TenantSettings) -> bool:
    """Return whether any queue of a tenant is polled."""
    queues = tenant.parts(Query.QUEUE)
    return tenant.interval(Query.QUEUE) is not None and bool(queues and queues.any)


@dataclass(frozen=True, slots=True)
class Finding:
    """One request and its outcome.

    ``seconds``: duration. ``body``: of an HTTP 200, else None. ``status``: the HTTP status, None without one.
    ``location``: target of a redirect, without query, user and fragment.
    ``certificate_names``: the host names of a certificate that is trusted but issued for another host.
    """

    query: Query
    request: Request
    seconds: float
    verdict: Answer | Failure
    body: Content | None = None
    status: int | None = None
    location: str = ""
    certificate_names: tuple[str, ...] = ()

    @property
    def endpoint(self) -> Endpoint[Any, Any]:
        """How the response is decoded."""
        return QUERIES[self.query].of(self.request)

    @property
    def reason(self) -> Reason | None:
        """The reason of a failure, else None."""
        return self.verdict.reason if isinstance(self.verdict, Failure) else None

    @property
    def is_private(self) -> bool:
        """Whether the body must not be shown: the endpoint is private, or the body looks like a list."""
        return self.body is not None and (self.endpoint.private or holds_records(self.body))

    @property
    def interval_key(self) -> str:
        """The key of its interval in the configuration."""
        return "tenant_interval" if self.request.tenant or not QUERIES[self.query].switch else "interval"

    @property
    def subject(self) -> str:
        """The query and its scope, to print."""
        if self.endpoint.title:
            return f"{self.query} by {self.endpoint.title}"
        return f"{self.query} ({f'tenant {self.request.tenant}' if self.request.tenant else 'installation'})"


@dataclass(frozen=True, slots=True)
class Advice:
    """A suggestion. ``settings`` belong to the section of the switch.

    ``sure``: they can be pasted as they are; otherwise the operator decides.
    """

    text: str
    settings: Mapping[str, object] = field(default_factory=dict)
    sure: bool = False


def setting(*path: str, value: object) -> Mapping[str, object]:
    """Return one setting in its sections: ``setting("tls", "ca_file", value="ca.pem")``."""
    *sections, key = path
    tree = {key: value}
    for section in reversed(sections):
        tree = {section: tree}
    return tree


def leaves(settings: Mapping[str, object], *before: str) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield the path and the value of each setting in a tree."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from leaves(value, *before, key)
        else:
            yield (*before, key), value


def tenant_exists(tenant: str, findings: Sequence[Finding]) -> bool:
    """Return whether the switch has shown that it has this tenant.

    Either its list of tenants contains it, or a response about it has a value other than 0 and other than the
    installation's. A switch that does not know a tenant may return 0, or ignore the parameter and return the
    installation's value.
    """
    return any(
        tenant in _listed(finding)
        or (
            finding.request.tenant == tenant and _shows_tenant(finding) and not is_unscoped(finding, findings)
        )
        for finding in findings
    )


def is_unscoped(finding: Finding, findings: Sequence[Finding]) -> bool:
    """Return whether a tenant's value equals that of the installation. Two zeros prove nothing."""
    value = value_of(finding)
    return bool(finding.request.tenant and value) and any(
        other.query is finding.query and not other.request.tenant and value_of(other) == value
        for other in findings
    )


def unknown_tenant(finding: Finding, switch: SwitchConfiguration, before: Sequence[Finding]) -> list[Advice]:
    """Return what to do first about a tenant that the switch may not have, else []."""
    tenant = finding.request.tenant
    if not tenant or tenant_exists(tenant, before):
        return []
    if lists := [other for other in before if isinstance(other.verdict, Tenants)]:
        wrong = _corrected(tenant, _listed(lists[0]))
        return [Advice(f"the switch's list has no tenant {wrong}: correct its `code`")]
    doubtful = {Reason.AUTH, Reason.REJECTED, Reason.EMPTY}
    if same := [other for other in before if other.request.tenant == tenant and other.reason in doubtful]:
        return [Advice(f"as for {same[0].subject}: check the tenant's code first")]
    if not switch.settings(tenant).own_key and any(
        _has_data(other) and not other.request.tenant for other in before
    ):
        causes = (
            f"the key works for the installation, so either the switch has no tenant {tenant}, or the key "
            "has no right to query it"
        )
    else:
        causes = (
            f"the switch has no tenant {tenant}, the key is wrong or lacks the right, or this machine's "
            "address is not allowed; the response is the same for all of these"
        )
    return [Advice(f"{causes}. Check the code first; {COMPARE}")]


def missing_columns(finding: Finding, section: Section) -> Iterator[Advice]:
    """Yield the consequence of each column that is missing from a list."""
    if finding.body is None or finding.endpoint.layout is None:
        return
    texts = QUERIES[finding.query].probe.without
    for column, name in fields_of(finding.body, finding.endpoint.layout(section)).items():
        if not name and column.title in texts:
            yield Advice(f"without {column.title}, {texts[column.title]}")


def missing_tenants(finding: Finding, switch: SwitchConfiguration) -> Iterator[Advice]:
    """Yield which configured tenants are missing from the switch's list."""
    listed = _listed(finding)
    missing = [tenant.code for tenant in switch.tenants if tenant.code not in listed]
    if listed and missing:
        named = ", ".join(_corrected(code, listed) for code in missing[:_MOST_CODES])
        more = f", and {len(missing) - _MOST_CODES} more" if len(missing) > _MOST_CODES else ""
        yield Advice(
            f"configured, but not in the switch's list: {named}{more}. Correct each `code`, or remove it"
        )


def _corrected(code: str, listed: set[str]) -> str:
    meant = meant_name(code, listed)
    return f"{code} (did you mean {meant}?)" if meant else code


def meant_name(code: str, listed: Iterable[str]) -> str:
    """Return the listed name that differs only in case, else the most similar one, or ""."""
    names = list(listed)
    folded = {name.casefold(): name for name in names}
    return folded.get(code.casefold()) or nearest(code, names)


def _listed(finding: Finding) -> set[str]:
    """Return the codes and names of the listed tenants: a request may use either (vendor's manual)."""
    if not isinstance(finding.verdict, Tenants):
        return set()
    return {text for row in finding.verdict.rows for text in (row.code, row.name) if text}


def _shows_tenant(finding: Finding) -> bool:
    match finding.verdict:
        case Number() | Counts():
            return bool(value_of(finding))
        case Peers(rows=rows):
            return bool(rows)
        case _:
            return _has_data(finding)


def _has_data(finding: Finding) -> bool:
    if isinstance(finding.verdict, Extensions | Tenants):
        return bool(finding.verdict.rows)
    return finding.reason is None


def value_of(finding: Finding | None) -> float | None:
    """Return the number in a response; None without one."""
    match finding.verdict if finding else None:
        case Number(value=value) | Counts(whole=value):
            return value
        case _:
            return None
