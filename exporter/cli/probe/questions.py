"""What can be asked of a switch, and what came of it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from exporter.config import SwitchConfiguration
from exporter.decode.redact import holds_records
from exporter.model import Answer, Content, Failure, Query, Scope
from exporter.queries import QUERIES, Endpoint
from exporter.request import Request

_OF_SWITCHES = [query for query, spec in QUERIES.items() if spec.switch]
_OF_TENANTS = [
    query for query, spec in QUERIES.items() if spec.tenant and not spec.sources and not spec.finds
]


class Question(NamedTuple):
    """A request, and the query that it is for."""

    query: Query
    request: Request


def of_switch(switch: SwitchConfiguration) -> Iterator[Question]:
    """Yield what is asked of the whole installation: what is on, and where needed the list of tenants."""
    if switch.key is None:
        return
    for query in _OF_SWITCHES:
        needed = query is not Query.TENANTS or switch.discover_tenants.enabled or not switch.tenants
        if needed and switch.interval(query, Scope.SWITCH) is not None:
            yield one(query)


def of_tenant(switch: SwitchConfiguration, code: str) -> Iterator[Question]:
    """Yield what is asked of one tenant, without its registrations."""
    tenant = switch.settings(code)
    return (one(query, code) for query in _OF_TENANTS if tenant.interval(query) is not None)


def one(query: Query, tenant: str = "") -> Question:
    """Return the one question of a query but registrations. Raises ValueError where there is none."""
    spec = QUERIES[query]
    endpoint = (spec.tenant if tenant else spec.switch) or spec.endpoints[0]
    return Question(query, Request(endpoint.operation, tenant=tenant))


def switched_off(switch: SwitchConfiguration, code: str) -> list[str]:
    """Return what is not asked because the configuration has it off."""
    off = [
        f"{query} (whole installation)"
        for query in _OF_SWITCHES
        if switch.key and query is not Query.TENANTS and switch.interval(query, Scope.SWITCH) is None
    ]
    tenant = switch.settings(code)
    of_tenants = (*_OF_TENANTS, Query.REGISTRATIONS)
    return off + [f"{query} (tenants)" for query in of_tenants if code and tenant.interval(query) is None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One request and what came of it.

    ``seconds``: how long it took. ``body``: of an HTTP 200, else None. ``status``: the HTTP status, None
    where there was none. ``location``: where a redirect leads, without query, user and fragment.
    ``certificate_names``: the host names of a certificate that is trusted and is for another host.
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
        """How it is read."""
        return QUERIES[self.query].of(self.request)

    @property
    def is_private(self) -> bool:
        """Whether the body is not shown: private, or like a list."""
        return self.body is not None and (self.endpoint.private or holds_records(self.body))

    @property
    def interval_key(self) -> str:
        """The key of the configuration that says how often it is asked."""
        return "tenant_interval" if self.request.tenant or not QUERIES[self.query].switch else "interval"

    @property
    def subject(self) -> str:
        """What was asked, of whom: for a person."""
        if self.endpoint.title:
            return f"{self.query} by {self.endpoint.title}"
        of_whom = f"tenant {self.request.tenant}" if self.request.tenant else "whole installation"
        return f"{self.query} ({of_whom})"


@dataclass(frozen=True, slots=True)
class Advice:
    """What an answer suggests. ``settings`` are for the section of the switch, in the shape of the file.

    ``sure``: they can be pasted as they stand; otherwise it is for the operator to decide.
    """

    text: str
    settings: Mapping[str, object] = field(default_factory=dict)
    sure: bool = False


def setting(*path: str, value: object) -> Mapping[str, object]:
    """Return one setting below its sections: ``setting("tls", "ca_file", value="ca.pem")``."""
    *sections, key = path
    tree = {key: value}
    for section in reversed(sections):
        tree = {section: tree}
    return tree
