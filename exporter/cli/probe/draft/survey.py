"""What a switch answered to the requests of a survey. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from exporter.cli.probe.findings import Advice, Finding, is_unscoped, tenant_exists, value_of
from exporter.cli.probe.sources import Trial
from exporter.cli.probe.suggestions import pattern_advice, total_advice
from exporter.config import SwitchConfiguration
from exporter.model import Failure, Query, Reason, Registration, Tenant, Tenants
from exporter.poll.states import codes_by_ending, states_by_tenant
from exporter.queries import QUERIES
from exporter.request import Operation

_REFUSALS = {Reason.AUTH, Reason.REJECTED}
_ANSWERS = {None, Reason.DECODE, Reason.TOO_LARGE}
_CERTAIN = 2
"""Tenants that have the value of the installation. At most one of them can account for all of it."""


@dataclass(slots=True)
class Survey:
    """The outcome of each request.

    ``switch``: the settings of the survey, from the flags. ``asked``: the tenants that the flags name.
    ``skip``: what the flags skip. ``tenants``: those that were queried. ``trials``: the sources of
    registrations, by tenant. ``fixes``: settings of a query that its responses need; with several, the
    operator has to choose. ``today``: decides which tenants are disabled. ``zone``: what the call records
    show about their time zone; None if it was not tried.
    """

    switch: SwitchConfiguration
    findings: list[Finding]
    asked: tuple[str, ...] = ()
    skip: frozenset[str] = frozenset()
    tenants: list[str] = field(default_factory=list)
    trials: dict[str, list[Trial]] = field(default_factory=dict)
    fixes: Mapping[Query, list[Advice]] = field(default_factory=dict)
    today: date = field(default_factory=lambda: datetime.now(UTC).date())
    zone: Advice | None = None

    def of(self, query: Query, tenant: str = "", operation: Operation | None = None) -> Finding | None:
        """Return the outcome of a query, for the installation or a tenant; None if it was not sent."""
        for finding in self.findings:
            request = finding.request
            is_meant = operation is None or request.operation is operation
            if finding.query is query and request.tenant == tenant and is_meant:
                return finding
        return None

    def of_tenants(self, query: Query) -> list[Finding]:
        """Return the outcomes of a query for the tenants that were queried and seem to exist."""
        codes = filter(self.has_value, self.tenants)
        return [found for code in codes if (found := self.of(query, code))]

    @property
    def is_admin(self) -> bool:
        """Whether the key is allowed anything for the installation. An empty response proves nothing."""
        return any(each.reason in _ANSWERS for each in self.findings if not each.request.tenant)

    @property
    def works(self) -> bool:
        """Whether the switch returned any value."""
        return any(finding.reason is None for finding in self.findings)

    @property
    def listed(self) -> tuple[Tenant, ...]:
        """The tenants in the switch's list; () without one."""
        finding = self.of(Query.TENANTS)
        return finding.verdict.rows if finding and isinstance(finding.verdict, Tenants) else ()

    @property
    def enabled(self) -> list[str]:
        """The codes of the listed tenants that are enabled today."""
        return [row.code for row in self.listed if row.is_disabled(self.today) is False]

    @property
    def disabled(self) -> list[str]:
        """The codes of the listed tenants that are disabled today, or may be."""
        return [row.code for row in self.listed if row.is_disabled(self.today) is not False]

    @property
    def polled(self) -> list[str]:
        """The tenants to poll: all that are listed and enabled, else those of the flags that work."""
        return self.enabled if self.listed else [code for code in self.asked if self.has_value(code)]

    def exists(self, code: str) -> bool:
        """Return whether the switch has shown that it has this tenant."""
        return tenant_exists(code, self.findings)

    def has_value(self, code: str) -> bool:
        """Return whether a tenant is in the list of the switch, or returned a value of its own, perhaps 0."""
        found = [each for each in self.findings if each.request.tenant == code and each.reason is None]
        return self.exists(code) or any(not is_unscoped(each, self.findings) for each in found)

    @property
    def peers_by_tenant(self) -> Mapping[str, Mapping[str, Registration]]:
        """The phones in the list of all peers; empty without the list."""
        finding = self.of(Query.REGISTRATIONS, operation=Operation.PEERS)
        if finding is None or finding.reason is not None:
            return {}
        names = {row.code: row.name for row in self.listed}
        return states_by_tenant(finding.verdict, codes_by_ending(self.asked, names))  # type: ignore[arg-type]  # Peers

    @property
    def of_lists(self) -> list[Finding]:
        """The requests for lists of extensions."""
        return [each for each in self.findings if each.request.operation is Operation.EXTENSIONS]

    @property
    def lists_extensions(self) -> bool:
        """Whether the list of extensions works for a tenant."""
        return any(each.reason is None for each in self.of_lists)

    def is_refused(self, findings: list[Finding]) -> bool:
        """Return whether each of these requests was refused, for the installation or a tenant that exists."""
        return bool(findings) and all(
            each.reason in _REFUSALS
            and not self.fixes.get(each.query)
            and (not each.request.tenant or self.exists(each.request.tenant))
            for each in findings
        )

    def is_unscoped(self, query: Query) -> bool:
        """Return whether several tenants all have exactly the value of the installation, other than 0."""
        whole = value_of(self.of(query))
        values = [value_of(each) for each in self.of_tenants(query)]
        return bool(whole) and len(values) >= _CERTAIN and all(value == whole for value in values)


def repaired(survey: Survey) -> Survey:
    """Return the survey with the settings that its responses need, decoded with them."""
    found: dict[Query, list[Advice]] = {}
    for finding in survey.findings:
        section = QUERIES[finding.query].section()
        given = [*pattern_advice(finding, section), *total_advice(finding, section)]
        if given:
            found.setdefault(finding.query, given)
    findings = [_decoded_again(each, found.get(each.query, [])) for each in survey.findings]
    return replace(survey, fixes=found, findings=findings)


def _decoded_again(finding: Finding, found: list[Advice]) -> Finding:
    if len(found) != 1 or not found[0].settings:
        return finding
    settings = found[0].settings["queries"][finding.query]  # type: ignore[index]  # its form is fixed
    section = QUERIES[finding.query].section.model_validate(settings)
    verdict = finding.endpoint.decode(finding.body or b"", section) if finding.body else finding.verdict
    return replace(finding, verdict=verdict)


def details(finding: Finding) -> str:
    """Return why a request failed; shorter than the detail for the refusal, which is always the same."""
    match finding.verdict:
        case Failure(reason=Reason.AUTH):
            return "refused, as with a wrong key or an unknown tenant"
        case Failure(reason=Reason.EMPTY):
            return "an empty response"
        case Failure(reason=reason, detail=detail):
            return f"{reason}: {detail}"
        case _:
            return ""
