"""What can be asked of a switch, and what came of it. Pure. The facts of single queries stand first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.config import SwitchConfiguration
from exporter.decode import holds_records, is_list
from exporter.model import Answer, Content, Failure, Query, Scope
from exporter.poll.requests import OPERATIONS
from exporter.request import Operation, Request

OF_SWITCHES = (Query.PEERS, Query.CHANNELS, Query.CALLS, Query.LICENSE, Query.TENANTS)
OF_TENANTS = (Query.PEERS, Query.CHANNELS, Query.CALLS, Query.BALANCE, Query.LIMITS)

NUMBER_GROUPS: Mapping[Query, str] = {
    Query.CALLS: r"(\d+)",
    Query.LICENSE: r"(-?\d+)",
    Query.BALANCE: r"(-?\d+(?:\.\d+)?)",
}
"""The queries that have a ``pattern``, with the group that matches their number."""

COSTS: Mapping[Operation, str] = {
    Operation.COUNT_PEERS: "a count over all nodes; 23 s were seen",
    Operation.PEERS: "every phone of every node in one list: the largest thing that can be asked",
    Operation.EXTENSIONS: "a list with about 3.4 kB for each extension",
    Operation.TENANTS: "the list of all tenants",
}
"""What to know before an expensive request."""

_REGISTRATION_SOURCES: Mapping[Operation, str] = {
    Operation.REGISTRATION: "regstate",
    Operation.EXTENSIONS: "list of extensions",
    Operation.PEERS: "list of peers",
}


class Question(NamedTuple):
    """A request, and the query that it is for."""

    query: Query
    request: Request


def of_switch(switch: SwitchConfiguration) -> Iterator[Question]:
    """Yield what is asked of the whole installation: what is on, and where needed the list of tenants."""
    if switch.key is None:
        return
    for query in OF_SWITCHES:
        needed = query is not Query.TENANTS or switch.discover_tenants.enabled or not switch.tenants
        if needed and switch.interval(query, Scope.SWITCH) is not None:
            yield one(query)


def of_tenant(switch: SwitchConfiguration, code: str) -> Iterator[Question]:
    """Yield what is asked of one tenant, without its registrations."""
    tenant = switch.settings(code)
    return (one(query, code) for query in OF_TENANTS if tenant.interval(query) is not None)


def one(query: Query, tenant: str = "") -> Question:
    """Return the one question of a query but registrations. Raises ValueError where there is none."""
    return Question(query, Request(OPERATIONS[query], tenant=tenant))


def switched_off(switch: SwitchConfiguration, code: str) -> list[str]:
    """Return what is not asked because the configuration has it off."""
    off = [
        f"{query} (whole installation)"
        for query in OF_SWITCHES
        if switch.key and query is not Query.TENANTS and switch.interval(query, Scope.SWITCH) is None
    ]
    tenant = switch.settings(code)
    of_tenants = (*OF_TENANTS, Query.REGISTRATIONS)
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
    def scope(self) -> Scope:
        """Of whom it was asked."""
        return Scope.TENANT if self.request.tenant else Scope.SWITCH

    @property
    def is_withheld(self) -> bool:
        """Whether the body is not shown: a list, or like one."""
        return self.body is not None and (is_list(self.request.operation) or holds_records(self.body))

    @property
    def interval_key(self) -> str:
        """The key of the configuration that says how often it is asked."""
        of_tenants = self.request.tenant or self.query is Query.REGISTRATIONS
        return "tenant_interval" if of_tenants else "interval"

    @property
    def subject(self) -> str:
        """What was asked, of whom: for a person."""
        if self.query is Query.REGISTRATIONS:
            return f"registrations by {_REGISTRATION_SOURCES[self.request.operation]}"
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
