"""What came of one request."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.decode import holds_records, is_list
from exporter.model import Answer, Content, Failure, Query, Scope
from exporter.request import Operation, Request


@dataclass(frozen=True, slots=True)
class Finding:
    """One request and what came of it.

    ``seconds``: how long it took. ``body``: of an HTTP 200, else None. ``status``: the HTTP status, None
    where
    there was none. ``location``: where a redirect leads, without query, user and fragment.
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
            return f"registrations by {_NAMES[self.request.operation]}"
        of_whom = f"tenant {self.request.tenant}" if self.request.tenant else "whole installation"
        return f"{self.query} ({of_whom})"


_NAMES: Mapping[Operation, str] = {
    Operation.REGISTRATION: "regstate",
    Operation.EXTENSIONS: "list of extensions",
    Operation.PEERS: "list of peers",
}
"""The ways to ask for registrations."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What an answer suggests. ``settings`` are for the section of the switch, in the shape of the file.

    ``sure``: they can be pasted as they stand; otherwise it is for the operator to decide.
    """

    text: str
    settings: Mapping[str, object] = field(default_factory=dict)
    sure: bool = False


def setting(*path: str, value: object) -> dict[str, object]:
    """Return one setting below its sections: ``setting("tls", "ca_file", value="ca.pem")``."""
    tree: object = value
    for key in reversed(path):
        tree = {key: tree}
    if not isinstance(tree, dict):
        raise TypeError("a setting has a key")
    return tree
