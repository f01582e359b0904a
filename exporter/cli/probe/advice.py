"""What to do about a finding: one table, by reason. Pure."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from yarl import URL

from exporter.cli.probe.findings import (
    COMPARE,
    Advice,
    Finding,
    is_unscoped,
    missing_tenants,
    setting,
    tenant_exists,
    unknown_tenant,
)
from exporter.cli.probe.suggestions import pattern_advice, total_advice, word_advice
from exporter.config import SwitchConfiguration
from exporter.config.fields import checked_url
from exporter.fields import duration_text
from exporter.model import Failure, Query, Reason
from exporter.queries import QUERIES, calls
from exporter.request import Operation

_SLOW = 0.5
"""Share of the timeout above which a response is slow."""

_PATHS = "real switches use /pbx/proxyapi.php or /mirtapbx/proxyapi.php"

_STATUSES: Mapping[int, str] = {
    401: "the web server in front of the API requires a login of its own",
    403: "the web server denies access to this machine; a switch can restrict a key to source addresses",
    404: f"`url` has the wrong path; {_PATHS}",
    407: "the proxy requires a login: set `proxy_url` to http://USER:PASSWORD@HOST:PORT",
    429: "too many requests: lower max_requests_per_second",
}

# Expressions for OpenSSL's messages; the first match applies.
_TLS: tuple[tuple[str, str, Mapping[str, object]], ...] = (
    (r"expired", "the certificate has expired: renew it on the switch", {}),
    (
        r"self-signed|issuer|verify the first certificate",
        (
            "the certificate is self-signed, or its authority is not trusted by this machine. Save the "
            "authority's certificate as a file and configure it. Verify it first: a false one exposes the key"
        ),
        setting("tls", "ca_file", value="ca.pem"),
    ),
    (
        r"WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH|RECORD_LAYER",
        "this port does not speak TLS: correct it, or use http:// in `url`, which sends the key unencrypted",
        {},
    ),
    (
        r"PROTOCOL|too weak",
        "the TLS version or the certificate of the switch is too old. Accepting it weakens the encryption",
        setting("tls", "min_version", value="TLS10"),
    ),
    (
        r"CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE",
        "the switch may require a client certificate",
        setting("tls", value={"cert_file": "client.pem", "key_file": "client.key"}),
    ),
)


def advice(finding: Finding, switch: SwitchConfiguration, before: Sequence[Finding]) -> list[Advice]:
    """Return what a finding suggests, given the findings ``before`` it."""
    if finding.reason is None:
        return list(_on_value(finding, switch, before))
    if finding.is_private and not finding.endpoint.private:
        # A body that is not shown must not be quoted by an advice either.
        return [Advice("this is the response to another request: check `url`, or report a bug")]
    return list(_BY_REASON[finding.reason](finding, switch, before))


def _on_value(finding: Finding, switch: SwitchConfiguration, before: Sequence[Finding]) -> Iterator[Advice]:
    if finding.seconds > _SLOW * switch.timeout:
        yield Advice(
            f"it took {finding.seconds:.1f} s, close to the timeout of {switch.timeout:g} s",
            setting("timeout", value=duration_text(math.ceil(3 * finding.seconds / 5) * 5)),
            sure=True,
        )
    section = switch.queries.options(QUERIES[finding.query])
    yield from total_advice(finding, section)
    yield from word_advice(finding, section)
    yield from missing_tenants(finding, switch)
    tenant = finding.request.tenant
    if not is_unscoped(finding, before):
        return
    if tenant_exists(tenant, before):
        yield Advice(
            "the value is that of the installation. Unless this tenant accounts for all of it, the switch "
            "ignores `tenant`. The exporter detects that with five tenants; to disable the query",
            setting("queries", finding.query.value, "tenant_interval", value="off"),
        )
    else:
        yield Advice(
            "the value is that of the installation: the switch ignores `tenant`, or has no tenant "
            f"{tenant}. Check the code first; {COMPARE}"
        )


def _timeout(_finding: Finding, switch: SwitchConfiguration, _before: Sequence[Finding]) -> Iterator[Advice]:
    yield Advice(
        "no response within `timeout`. Try twice as long: a healthy switch was seen to take 23 s for "
        "COUNTPEERS. If that times out too, the switch hangs",
        setting("timeout", value=duration_text(2 * switch.timeout)),
    )


def _connect(finding: Finding, switch: SwitchConfiguration, _before: Sequence[Finding]) -> Iterator[Advice]:
    if switch.proxy and "proxy" in _detail(finding):
        yield Advice(
            f"check the proxy {switch.proxy.url} from {switch.proxy.source}; `proxy_url: off` bypasses it"
        )
    else:
        proxy = "" if switch.proxy else "; if this machine needs a proxy, set `proxy_url`"
        yield Advice(f"check host and port in `url`, DNS, routes and firewalls{proxy}")


def _tls(finding: Finding, _switch: SwitchConfiguration, _before: Sequence[Finding]) -> Iterator[Advice]:
    if finding.certificate_names:
        name, *more = finding.certificate_names
        others = f" (also: {', '.join(more)})" if more else ""
        yield Advice(
            f"the certificate is trusted but issued for {name}{others}: use that name in `url`, or, if it "
            "does not resolve here, as the expected name",
            setting("tls", "server_name", value=name),
            sure=True,
        )
        return
    for pattern, text, settings in _TLS:
        if re.search(pattern, _detail(finding), re.IGNORECASE):
            yield Advice(text, settings)
            return
    yield Advice("run `openssl s_client -connect HOST:PORT` to see the certificate")


def _detail(finding: Finding) -> str:
    return finding.verdict.detail if isinstance(finding.verdict, Failure) else ""


def _http(finding: Finding, switch: SwitchConfiguration, _before: Sequence[Finding]) -> Iterator[Advice]:
    if finding.location:
        yield _redirect(finding.location, switch)
    elif finding.status is None:
        yield Advice("this is not a web server: correct host and port in `url`")
    elif finding.status in _STATUSES:
        yield Advice(_STATUSES[finding.status])
    elif finding.status >= 500:  # noqa: PLR2004 -- errors of the server
        proxy = "the proxy, " if switch.proxy else ""
        yield Advice(f"{proxy}the web server or the application behind it fails: check its log")
    else:
        yield Advice("correct `url`")


def _redirect(location: str, switch: SwitchConfiguration) -> Advice:
    try:
        url = checked_url(location)
    except ValueError:
        return Advice("it redirects to an unusable address; ask the operator of the switch for the right one")
    if URL(url) == URL(switch.url):
        return Advice("it redirects to the same address: the switch may require a login or a cookie")
    if re.search(r"login|signin|auth", URL(url).path, re.IGNORECASE):
        return Advice(f"it redirects to {url}, which looks like a login page: `url` is not the API")
    if URL(url).scheme == "http" and URL(switch.url).scheme == "https":
        return Advice(f"it redirects to {url}, which is not encrypted and would expose the key")
    return Advice("it redirects to this address; the key was removed from it", setting("url", value=url))


def _auth(finding: Finding, switch: SwitchConfiguration, before: Sequence[Finding]) -> Iterator[Advice]:
    if doubts := unknown_tenant(finding, switch, before):
        yield from doubts
    elif finding.request.tenant or any(not each.request.tenant and each.reason is None for each in before):
        yield _lacks_right("the key works for other requests, so it is valid and lacks this right", finding)
    else:
        yield Advice(
            "the key is wrong, or belongs to a tenant, or this machine's address is not allowed; the "
            "response is the same for all of these. Configure a tenant's key with its tenant: "
            "tenants: [{code: CODE, key_file: FILE}]"
        )


def _rejected(finding: Finding, switch: SwitchConfiguration, before: Sequence[Finding]) -> Iterator[Advice]:
    if found := list(pattern_advice(finding, switch.queries.options(QUERIES[finding.query]))):
        yield from found
    elif finding.request.operation is Operation.REGISTRATION:
        yield from _other_sources(before)
    elif doubts := unknown_tenant(finding, switch, before):
        yield from doubts
    else:
        yield _lacks_right("the message may name a right that the key lacks", finding)


def _empty(finding: Finding, switch: SwitchConfiguration, before: Sequence[Finding]) -> Iterator[Advice]:
    if finding.request.operation is Operation.REGISTRATION:
        yield from _other_sources(before)
    elif finding.query is Query.CALLS:
        yield _no_calls(switch)
    elif doubts := unknown_tenant(finding, switch, before):
        yield from doubts
    else:
        yield _lacks_right("there is no data, or the key lacks the right; the response is the same", finding)


def _lacks_right(text: str, finding: Finding) -> Advice:
    """Return an advice to grant a right, or else to disable the query. Registrations have other sources."""
    if finding.query is Query.REGISTRATIONS:
        return Advice(f"{text}. Grant it, or use another source")
    off = setting("queries", finding.query.value, finding.interval_key, value="off")
    return Advice(f"{text}. Grant it, or disable the query", off)


def _other_sources(before: Sequence[Finding]) -> Iterator[Advice]:
    if not any(other.query is Query.REGISTRATIONS for other in before):  # otherwise all are being tried
        yield Advice(
            "the switch may not have this extension, or use another parameter: --query=registrations tries "
            "the other parameters and sources. If the response is a state, add it to "
            "`queries.registrations.words`"
        )


def _no_calls(switch: SwitchConfiguration) -> Advice:
    same = "the response is the same without calls and without the right to COUNTCALLS"
    once = "once COUNTCALLS has returned a number with this key"
    if switch.queries.options(calls.SPEC).empty == "zero":
        return Advice(f"{same}. `empty: zero` reports it as 0 {once}: probe again during a call")
    return Advice(f"{same}. This reports it as 0 {once}", setting("queries", "calls", "empty", value="zero"))


def _decode(finding: Finding, switch: SwitchConfiguration, _before: Sequence[Finding]) -> Iterator[Advice]:
    section = switch.queries.options(QUERIES[finding.query])
    suggest = (pattern_advice, total_advice, word_advice)
    if found := [each for function in suggest for each in function(finding, section)]:
        yield from found
    elif finding.body is not None and b"<" in finding.body[:200]:
        yield Advice(f"this is a web page, not the API: check that `url` has the full path; {_PATHS}")
    else:
        yield Advice("no setting can decode this; report it as a bug, with this output")


def _too_large(
    finding: Finding, _switch: SwitchConfiguration, _before: Sequence[Finding]
) -> Iterator[Advice]:
    if finding.request.operation is Operation.PEERS:
        yield Advice("the list of peers is too large: use another `queries.registrations.source`")
    else:
        yield Advice("this is not a response of the API: check `url`")


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
    Reason.SCOPE_IGNORED: lambda *_: iter(()),  # no single response shows it
}
