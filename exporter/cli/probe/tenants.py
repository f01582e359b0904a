"""Whether the switch has the tenant that was asked about: a wrong code looks like a missing right. Pure."""

from collections.abc import Iterator, Sequence

from exporter.cli.probe.questions import Advice, Finding
from exporter.config import SwitchConfiguration
from exporter.errors import nearest
from exporter.model import Counts, Extensions, Failure, Number, Reason, Tenants

COMPARE = "`probe --query=tenants` compares the codes of the configuration with the switch's list"

_DOUBTFUL = {Reason.AUTH, Reason.REJECTED, Reason.EMPTY}
"""What a switch says of a tenant that it does not have."""

_MOST = 5
"""Codes that are named."""


def is_known(tenant: str, findings: Sequence[Finding]) -> bool:
    """Tell whether the switch has shown that it has this tenant.

    Its list of tenants has it, or an answer about it had something in it that is not the figure of the whole
    installation: a switch that does not know the tenant may ignore the parameter.
    """
    return any(tenant in _named(finding) for finding in findings) or any(
        finding.request.tenant == tenant and _says_something(finding) and not is_of_whole(finding, findings)
        for finding in findings
    )


def is_of_whole(finding: Finding, findings: Sequence[Finding]) -> bool:
    """Tell whether a tenant was given the figure of the whole installation. Two zeros prove nothing."""
    figure = _figure(finding)
    return bool(finding.request.tenant and figure) and any(
        other.query is finding.query and not other.request.tenant and _figure(other) == figure
        for other in findings
    )


def unknown_tenant(finding: Finding, switch: SwitchConfiguration, before: Sequence[Finding]) -> list[Advice]:
    """Return what to do first where a tenant was asked about that the switch may not have; else []."""
    tenant = finding.request.tenant
    if not tenant or is_known(tenant, before):
        return []
    listed = [_named(other) for other in before if isinstance(other.verdict, Tenants)]
    if listed:
        return [
            Advice(f"the switch's list has no tenant {_corrected(tenant, listed[0])}: correct its `code`")
        ]
    if doubted := [other for other in before if other.request.tenant == tenant and _is_doubtful(other)]:
        return [Advice(f"as said of {doubted[0].subject}: see first that the tenant's code is right")]
    uses_admin_key = not switch.settings(tenant).own_key
    if uses_admin_key and any(_says_something(other) and not other.request.tenant for other in before):
        return [
            Advice(
                "the key was given answers about the whole installation, so it is right: the switch has no "
                f"tenant {tenant}, or the key may not ask about it. See first that the code is right; "
                f"{COMPARE}"
            )
        ]
    return [
        Advice(
            f"the switch may have no tenant {tenant}, the key may be wrong or lack the right, or this "
            "machine's address is not allowed; the switch says the same to all of these. See first that the "
            f"code is right; {COMPARE}"
        )
    ]


def missing_tenants(finding: Finding, switch: SwitchConfiguration) -> Iterator[Advice]:
    """Say which tenants of the configuration are not in the switch's list."""
    names = _named(finding)
    missing = [tenant.code for tenant in switch.tenants if tenant.code not in names]
    if not names or not missing:
        return
    told = ", ".join(_corrected(code, names) for code in missing[:_MOST])
    more = f", and {len(missing) - _MOST} more" if len(missing) > _MOST else ""
    yield Advice(f"configured, but not in the list: {told}{more}. Correct the `code`, or take it out")


def _corrected(code: str, names: set[str]) -> str:
    folded = {name.casefold(): name for name in names}
    meant = folded.get(code.casefold()) or nearest(code, names)
    return f"{code} (did you mean {meant}?)" if meant else code


def _named(finding: Finding) -> set[str]:
    """Return what may stand for a tenant in a request: its code or its name (vendor's manual)."""
    if not isinstance(finding.verdict, Tenants):
        return set()
    return {text for row in finding.verdict.rows for text in (row.code, row.name) if text}


def _is_doubtful(finding: Finding) -> bool:
    return isinstance(finding.verdict, Failure) and finding.verdict.reason in _DOUBTFUL


def _says_something(finding: Finding) -> bool:
    match finding.verdict:
        case Failure():
            return False
        case Extensions(rows=rows) | Tenants(rows=rows):
            return bool(rows)
        case _:
            return True


def _figure(finding: Finding) -> float | None:
    match finding.verdict:
        case Number(value=value):
            return value
        case Counts(whole=whole):
            return whole
        case _:
            return None
