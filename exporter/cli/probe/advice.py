"""From a finding to what would mend it: one table, by reason. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from exporter.cli.probe.connection import connect_advice, http_advice, timeout_advice, tls_advice
from exporter.cli.probe.finding import Advice, Finding, setting
from exporter.cli.probe.patterns import pattern_advice
from exporter.cli.probe.tenants import COMPARE, is_known, is_of_whole, missing_tenants, unknown_tenant
from exporter.cli.probe.totals import total_advice
from exporter.cli.probe.words import word_advice
from exporter.config import SwitchConfiguration
from exporter.decode import is_list
from exporter.model import Counts, Failure, Query, Reason
from exporter.poll.options import options
from exporter.request import Operation


def advice(finding: Finding, switch: SwitchConfiguration, before: Sequence[Finding]) -> list[Advice]:
    """Return what a finding suggests, in the light of those ``before`` it."""
    if isinstance(finding.verdict, Failure):
        if finding.is_withheld and not is_list(finding.request.operation):
            # What is not shown is not quoted in an advice either.
            return [
                Advice(
                    "this is the answer to another request; see that `url` is right, else please report it"
                )
            ]
        return list(_BY_REASON[finding.verdict.reason](finding, switch, before))
    return [*timeout_advice(finding, switch), *_on_value(finding, switch), *_same_as_whole(finding, before)]


def _on_value(finding: Finding, switch: SwitchConfiguration) -> Iterator[Advice]:
    how = options(finding.query, switch)
    if isinstance(finding.verdict, Counts):
        yield from total_advice(finding, how)
    yield from word_advice(finding, how)
    yield from missing_tenants(finding, switch)


def _same_as_whole(finding: Finding, before: Sequence[Finding]) -> Iterator[Advice]:
    """Notice that a tenant is given the figure of the whole installation."""
    tenant = finding.request.tenant
    if not is_of_whole(finding, [*before, finding]):
        return
    if not is_known(tenant, before):
        yield Advice(
            "that is the figure of the whole installation. The switch ignores `tenant` here, or has no "
            f"tenant {tenant}. See first that the code is right; {COMPARE}"
        )
        return
    yield Advice(
        "that is the figure of the whole installation. If this tenant has not all of it, the switch ignores "
        "`tenant` here. The exporter finds that out itself once five tenants answer; till then, or for good",
        setting("queries", finding.query.value, "tenant_interval", value="off"),
    )


def _auth(finding: Finding, switch: SwitchConfiguration, before: Sequence[Finding]) -> Iterator[Advice]:
    if doubts := unknown_tenant(finding, switch, before):
        yield from doubts
    elif finding.request.tenant or any(_has_key_of_switch(other) for other in before):
        yield Advice(
            "the same key was given an answer before, so it is right and may not make this request. "
            f"Let the switch allow it, or {_instead(finding)}",
            _never(finding),
        )
    else:
        yield Advice(
            "the key is wrong, or it is a tenant's, or this machine's address is not allowed; the switch "
            "says the same to all of these. A tenant's key belongs to its tenant, not to the switch: "
            "tenants: [{code: CODE, key_file: FILE}]"
        )


def _has_key_of_switch(finding: Finding) -> bool:
    return not finding.request.tenant and not isinstance(finding.verdict, Failure)


def _rejected(finding: Finding, switch: SwitchConfiguration, before: Sequence[Finding]) -> Iterator[Advice]:
    found = list(pattern_advice(finding, options(finding.query, switch)))
    if found:
        yield from found
    elif finding.request.operation is Operation.REGISTRATION:
        yield from _another_way(before)
    elif doubts := unknown_tenant(finding, switch, before):
        yield from doubts
    else:
        yield Advice(
            f"the sentence often names a right that the key lacks. If it is so, {_instead(finding)}",
            _never(finding),
        )


def _another_way(before: Sequence[Finding]) -> Iterator[Advice]:
    if not any(other.query is Query.REGISTRATIONS for other in before):  # else they are all being tried
        yield Advice(
            "the switch may not know this extension, or name it by another parameter: --query=registrations "
            "tries the others, and the other sources. If the answer is a state of a phone, add it to "
            "`queries.registrations.words`"
        )


def _empty(finding: Finding, switch: SwitchConfiguration, before: Sequence[Finding]) -> Iterator[Advice]:
    if finding.request.operation is Operation.REGISTRATION:
        yield from _another_way(before)
    elif finding.query is not Query.CALLS:
        if doubts := unknown_tenant(finding, switch, before):
            yield from doubts
            return
        yield Advice(
            "the key may lack the right, or there is nothing to tell; the switch says the same to both. "
            f"If it is the right, {_instead(finding)}",
            _never(finding),
        )
    elif switch.queries.calls.empty == "zero":
        yield Advice(
            "an idle tenant and a missing right look alike. `empty: zero` reads it as 0 once COUNTCALLS has "
            "given a number with this key: probe again while calls run"
        )
    else:
        yield Advice(
            "an idle tenant and a missing right look alike; this reads it as 0, once COUNTCALLS has given a "
            "number with this key",
            setting("queries", "calls", "empty", value="zero"),
        )


def _decode(finding: Finding, switch: SwitchConfiguration, _before: Sequence[Finding]) -> Iterator[Advice]:
    how = options(finding.query, switch)
    found = [*pattern_advice(finding, how), *total_advice(finding, how), *word_advice(finding, how)]
    if found:
        yield from found
    elif finding.body is not None and b"<" in finding.body[:200]:
        yield Advice(
            "a web page, and no answer of the API: see that `url` has its whole path; on real switches it "
            "was "
            "/pbx/proxyapi.php or /mirtapbx/proxyapi.php"
        )
    else:
        yield Advice("no setting reads this; please report it, with this output")


def _too_large(
    finding: Finding, _switch: SwitchConfiguration, _before: Sequence[Finding]
) -> Iterator[Advice]:
    if finding.request.operation is Operation.PEERS:
        yield Advice("the list of peers is too long: choose another `queries.registrations.source`")
    else:
        yield Advice("this is no answer of the API: see that `url` is right")


def _instead(finding: Finding) -> str:
    return "use another source" if finding.query is Query.REGISTRATIONS else "do not ask"


def _never(finding: Finding) -> dict[str, object]:
    """Return how not to ask; registrations have other sources first."""
    if finding.query is Query.REGISTRATIONS:
        return {}
    return setting("queries", finding.query.value, finding.interval_key, value="off")


_BY_REASON: Mapping[Reason, Callable[[Finding, SwitchConfiguration, Sequence[Finding]], Iterator[Advice]]] = {
    Reason.TIMEOUT: lambda finding, switch, _: timeout_advice(finding, switch),
    Reason.CONNECT: lambda finding, switch, _: connect_advice(finding, switch),
    Reason.TLS: lambda finding, switch, _: tls_advice(finding, switch),
    Reason.HTTP: lambda finding, switch, _: http_advice(finding, switch),
    Reason.AUTH: _auth,
    Reason.REJECTED: _rejected,
    Reason.EMPTY: _empty,
    Reason.DECODE: _decode,
    Reason.TOO_LARGE: _too_large,
    Reason.SCOPE_IGNORED: lambda *_: iter(()),  # no single answer shows it
}
