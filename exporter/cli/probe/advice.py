"""From a finding to what would correct it: one table, by reason. Pure."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from yarl import URL

from exporter.cli.probe.questions import Advice, Finding, setting
from exporter.cli.probe.settings_from_answers import pattern_advice, total_advice, word_advice
from exporter.cli.probe.tenants import COMPARE, is_known, is_of_whole, missing_tenants, unknown_tenant
from exporter.config import SwitchConfiguration
from exporter.config.fields import checked_url
from exporter.fields import duration_text
from exporter.model import Counts, Failure, Query, Reason
from exporter.queries import QUERIES, calls
from exporter.request import Operation

_SLOW = 0.5
"""Of the timeout, above which an answer counts as late."""

_STATUSES: Mapping[int, str] = {
    401: "the web server in front of the API asks for a login of its own",
    403: "the web server refuses this machine; a switch can restrict a key to source addresses",
    404: "there is nothing at this path: on real switches it was /pbx/proxyapi.php or /mirtapbx/proxyapi.php",
    407: "the proxy asks for a login: put user and password into `proxy_url`, as http://USER:PASSWORD@HOST:PORT",
    429: "these are too many requests for it: lower max_requests_per_second",
}

# What OpenSSL says, and what to do: the first that matches holds.
_TLS: tuple[tuple[str, str, Mapping[str, object]], ...] = (
    (r"expired", "the certificate has ended: it is to be renewed on the switch; no setting mends that", {}),
    (
        r"self-signed|issuer|verify the first certificate",
        (
            "an authority that this machine does not know has signed the certificate, or it has signed "
            "itself. Put the authority's certificate into a file and name it; see that it is the right one, "
            "for whoever it trusts can read the key"
        ),
        setting("tls", "ca_file", value="ca.pem"),
    ),
    (
        r"WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH|RECORD_LAYER",
        (
            "this port does not speak TLS: is it the right one, or is `url` to begin with http://? Then "
            "anybody in between can read the key"
        ),
        {},
    ),
    (
        r"PROTOCOL|too weak",
        "the switch has an older TLS or certificate than is allowed; others may be able to read along",
        setting("tls", "min_version", value="TLS10"),
    ),
    (
        r"CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE",
        "the switch may want a certificate of its clients",
        setting("tls", value={"cert_file": "client.pem", "key_file": "client.key"}),
    ),
)


def advice(finding: Finding, switch: SwitchConfiguration, before: Sequence[Finding]) -> list[Advice]:
    """Return what a finding suggests, in the light of those ``before`` it."""
    if not isinstance(finding.verdict, Failure):
        return [*_late(finding, switch), *_on_value(finding, switch), *_same_as_whole(finding, before)]
    if finding.is_private and not finding.endpoint.private:
        # What is not shown is not quoted in an advice either.
        return [
            Advice("this is the answer to another request; see that `url` is right, else please report it")
        ]
    return list(_BY_REASON[finding.verdict.reason](finding, switch, before))


def _late(finding: Finding, switch: SwitchConfiguration) -> Iterator[Advice]:
    if finding.seconds > _SLOW * switch.timeout:
        yield Advice(
            f"it took {finding.seconds:.1f} s of {switch.timeout:g} s: on a busy day it will come too late",
            setting("timeout", value=duration_text(math.ceil(3 * finding.seconds / 5) * 5)),
            sure=True,
        )


def _on_value(finding: Finding, switch: SwitchConfiguration) -> Iterator[Advice]:
    how = switch.queries.options(QUERIES[finding.query])
    if isinstance(finding.verdict, Counts):
        yield from total_advice(finding, how)
    yield from word_advice(finding, how)
    yield from missing_tenants(finding, switch)


def _same_as_whole(finding: Finding, before: Sequence[Finding]) -> Iterator[Advice]:
    """Notice that a tenant is given the figure of the whole installation."""
    tenant = finding.request.tenant
    if not is_of_whole(finding, before):
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


def _timeout(_finding: Finding, switch: SwitchConfiguration, _before: Sequence[Finding]) -> Iterator[Advice]:
    yield Advice(
        "it took longer than `timeout`. Twice as much is a try, not a finding: a healthy switch was seen to "
        "take 23 s for COUNTPEERS. If it is no better, the switch hangs",
        setting("timeout", value=duration_text(2 * switch.timeout)),
    )


def _connect(finding: Finding, switch: SwitchConfiguration, _before: Sequence[Finding]) -> Iterator[Advice]:
    if switch.proxy and "proxy" in _detail(finding):
        yield Advice(
            f"look at the proxy {switch.proxy.url}, which {switch.proxy.source} names; "
            "`proxy_url: off` does without one"
        )
    else:
        proxy = "" if switch.proxy else "; if this machine needs a proxy, set `proxy_url`"
        yield Advice(
            f"look at host and port in `url`, at DNS, routes and firewalls between here and there{proxy}"
        )


def _tls(finding: Finding, _switch: SwitchConfiguration, _before: Sequence[Finding]) -> Iterator[Advice]:
    if finding.certificate_names:
        name, *more = finding.certificate_names
        others = f" (also: {', '.join(more)})" if more else ""
        yield Advice(
            f"the certificate is trusted and is for {name}{others}: put that into `url`, or, where it does "
            "not resolve from here, let it be expected",
            setting("tls", "server_name", value=name),
            sure=True,
        )
        return
    for pattern, text, settings in _TLS:
        if re.search(pattern, _detail(finding), re.IGNORECASE):
            yield Advice(text, settings)
            return
    yield Advice("`openssl s_client -connect HOST:PORT` shows what the switch presents")


def _detail(finding: Finding) -> str:
    return finding.verdict.detail if isinstance(finding.verdict, Failure) else ""


def _http(finding: Finding, switch: SwitchConfiguration, _before: Sequence[Finding]) -> Iterator[Advice]:
    if finding.location:
        yield _redirect(finding.location, switch)
    elif finding.status is None:
        yield Advice("this is no web server, or no longer: correct host and port in `url`")
    elif finding.status in _STATUSES:
        yield Advice(_STATUSES[finding.status])
    elif finding.status >= 500:  # noqa: PLR2004 -- errors of the server
        whose = "the proxy, the web server" if switch.proxy else "the web server"
        yield Advice(f"{whose} or what stands behind it fails: see its log")
    else:
        yield Advice("correct `url`")


def _redirect(location: str, switch: SwitchConfiguration) -> Advice:
    try:
        url = checked_url(location)
    except ValueError:
        return Advice(
            "it leads to an address that cannot be used; ask whoever runs the switch for the right one"
        )
    if URL(url) == URL(switch.url):
        return Advice("it leads back to the same address: the switch may want a login or a cookie first")
    if re.search(r"login|signin|auth", URL(url).path, re.IGNORECASE):
        return Advice(f"it leads to what looks like a login page, {url}: `url` is not that of the API")
    if URL(url).scheme == "http" and URL(switch.url).scheme == "https":
        return Advice(f"it leads to {url}, which is not encrypted: the key would be there for all to read")
    return Advice("it leads here; the key was taken out and was not sent there", setting("url", value=url))


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
    if found := list(pattern_advice(finding, switch.queries.options(QUERIES[finding.query]))):
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
    elif finding.query is Query.CALLS:
        yield _no_calls(switch)
    elif doubts := unknown_tenant(finding, switch, before):
        yield from doubts
    else:
        yield Advice(
            "the key may lack the right, or there is nothing to tell; the switch says the same to both. "
            f"If it is the right, {_instead(finding)}",
            _never(finding),
        )


def _no_calls(switch: SwitchConfiguration) -> Advice:
    if switch.queries.options(calls.SPEC).empty == "zero":
        return Advice(
            "an idle tenant and a missing right look alike. `empty: zero` reads it as 0 once COUNTCALLS has "
            "given a number with this key: probe again while calls run"
        )
    return Advice(
        "an idle tenant and a missing right look alike; this reads it as 0, once COUNTCALLS has given a "
        "number with this key",
        setting("queries", "calls", "empty", value="zero"),
    )


def _decode(finding: Finding, switch: SwitchConfiguration, _before: Sequence[Finding]) -> Iterator[Advice]:
    how = switch.queries.options(QUERIES[finding.query])
    found = [*pattern_advice(finding, how), *total_advice(finding, how), *word_advice(finding, how)]
    if found:
        yield from found
    elif finding.body is not None and b"<" in finding.body[:200]:
        yield Advice(
            "a web page, and no answer of the API: see that `url` has its whole path; on real switches it "
            "was /pbx/proxyapi.php or /mirtapbx/proxyapi.php"
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


def _never(finding: Finding) -> Mapping[str, object]:
    """Return how not to ask; registrations have other sources first."""
    if finding.query is Query.REGISTRATIONS:
        return {}
    return setting("queries", finding.query.value, finding.interval_key, value="off")


_BY_REASON: Mapping[Reason, Callable[[Finding, SwitchConfiguration, Sequence[Finding]], Iterator[Advice]]] = {
    Reason.TIMEOUT: _timeout,
    Reason.CONNECT: _connect,
    Reason.TLS: _tls,
    Reason.HTTP: _http,
    Reason.AUTH: _auth,
    Reason.REJECTED: _rejected,
    Reason.EMPTY: _empty,
    Reason.DECODE: _decode,
    Reason.TOO_LARGE: _too_large,
    Reason.SCOPE_IGNORED: lambda *_: iter(()),  # no single answer shows it
}
