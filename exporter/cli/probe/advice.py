"""What to do about a finding. Pure."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from yarl import URL

from exporter.cli.probe.findings import (
    COMPARE,
    Advice,
    Finding,
    is_unscoped,
    missing_columns,
    missing_tenants,
    setting,
    tenant_exists,
    unknown_tenant,
)
from exporter.cli.probe.suggestions import node_advice, pattern_advice, total_advice, word_advice
from exporter.cli.probe.trunks import trunk_advice, watched_advice
from exporter.config import SwitchConfiguration
from exporter.config.fields import checked_url
from exporter.fields import duration_text
from exporter.model import Failure, Query, Reason
from exporter.queries import QUERIES, calls
from exporter.request import Operation

_SLOW = 0.5
"""Share of the timeout above which a response is slow."""

_PAGE = re.compile(rb"\s*<(?:!doctype|html)", re.IGNORECASE)

_PATHS = "real switches use /pbx/proxyapi.php or /mirtapbx/proxyapi.php"

_TIMEOUT = (
    "no response within `timeout`. COUNTPEERS took 23 s on a healthy switch. If requests time out with a "
    "longer timeout, too, the switch hangs. Try"
)
_LARGE_LIST = "the list of peers is too large: use another `queries.registrations.source`"
_OTHER_SOURCES = (
    "the switch may not have this extension, or use another parameter: --query=registrations tries the other "
    "parameters and sources. If the response is a state, add it to `queries.registrations.words`"
)
_WRONG_KEY = (
    "the key is wrong, or belongs to a tenant, or this machine's address is not allowed; the response is the "
    "same for all of these. Configure a tenant's key with its tenant: tenants: [{code: CODE, key_file: FILE}]"
)
_MISSING_RIGHT: Mapping[Reason, str] = {
    Reason.AUTH: "the key works for other requests, so it is valid and lacks this right",
    Reason.REJECTED: "the message may name a right that the key lacks",
    Reason.EMPTY: "there is no data, or the key lacks the right; the response is the same",
}

_BAD_REQUEST = 400
"""The status of nginx and Apache for plain HTTP on a port for TLS."""

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
    if not isinstance(finding.verdict, Failure):
        return list(_on_value(finding, switch, before))
    if finding.is_private and not finding.endpoint.private:
        # A body that is not shown must not be quoted in advice either.
        return [Advice("this is the response to another request: check `url`, or report a bug")]
    match finding.verdict.reason:
        case Reason.AUTH | Reason.REJECTED | Reason.EMPTY as reason:
            return _on_refusal(reason, finding, switch, before)
        case Reason.DECODE:
            return _on_decode(finding, switch)
        case Reason.TOO_LARGE:
            is_list = finding.request.operation is Operation.PEERS
            return [Advice(_LARGE_LIST if is_list else "this is not a response of the API: check `url`")]
        case Reason.SCOPE_IGNORED:  # no single response shows it
            return []
        case Reason.HTTP:
            return [_on_http(finding, switch)]
        case reason:
            return [_on_transport(reason, finding, switch, finding.verdict.detail)]


def _on_value(finding: Finding, switch: SwitchConfiguration, before: Sequence[Finding]) -> Iterator[Advice]:
    if finding.seconds > _SLOW * switch.timeout:
        yield Advice(
            f"the response took {finding.seconds:.1f} s, close to the timeout of {switch.timeout:g} s",
            setting("timeout", value=duration_text(math.ceil(3 * finding.seconds / 5) * 5)),
            sure=True,
        )
    section = switch.queries.options(QUERIES[finding.query])
    totals = list(total_advice(finding, section))
    yield from totals or node_advice(finding, switch)  # which entries are nodes depends on the total
    yield from word_advice(finding, section)
    yield from missing_columns(finding, section)
    yield from missing_tenants(finding, switch)
    yield from trunk_advice(finding, switch)
    yield from watched_advice(finding, switch)
    tenant = finding.request.tenant
    if not is_unscoped(finding, before):
        return
    if tenant_exists(tenant, before):
        yield Advice(
            "the value is that of the installation. Unless this tenant accounts for all of it, the switch "
            "ignores `tenant`. The exporter detects that with five tenants, and then drops their values"
        )
    else:
        yield Advice(
            "the value is that of the installation: the switch ignores `tenant`, or has no tenant "
            f"{tenant}. Check the code first; {COMPARE}"
        )


def _on_transport(reason: Reason, finding: Finding, switch: SwitchConfiguration, detail: str) -> Advice:
    proxy = switch.proxy
    check = f"check the proxy {proxy.url} from {proxy.source}; `proxy_url: off` bypasses it" if proxy else ""
    if reason is Reason.TIMEOUT:
        longer = setting("timeout", value=duration_text(2 * switch.timeout))
        return Advice(f"{check}. If the proxy works: {_TIMEOUT}" if check else _TIMEOUT, longer)
    if check and "the proxy in" in detail and "or the proxy in" not in detail:
        return Advice(check)
    if reason is Reason.TLS:
        return _on_tls(finding, detail)
    if check:
        return Advice(f"{check}. If the proxy works, check host and port in `url`, DNS, routes and firewalls")
    return Advice(
        "check host and port in `url`, DNS, routes and firewalls; if this machine needs a proxy, set "
        "`proxy_url`"
    )


def _on_tls(finding: Finding, detail: str) -> Advice:
    if finding.certificate_names:
        name, *more = finding.certificate_names
        others = f" (also: {', '.join(more)})" if more else ""
        return Advice(
            f"the certificate is trusted but issued for {name}{others}: use that name in `url`, or, if it "
            "does not resolve here, as the expected name",
            setting("tls", "server_name", value=name),
            sure=True,
        )
    for pattern, text, settings in _TLS:
        if re.search(pattern, detail, re.IGNORECASE):
            return Advice(text, settings)
    return Advice("run `openssl s_client -connect HOST:PORT` to see the certificate")


def _on_http(finding: Finding, switch: SwitchConfiguration) -> Advice:
    if finding.location:
        return _on_redirect(finding.location, switch)
    if finding.status is None:
        return Advice(f"this is not a web server: correct host and port in `url`{_or_tls(switch)}")
    if finding.status == _BAD_REQUEST and (tls := _or_tls(switch)):
        return Advice(f"correct `url`{tls}, because servers say this to plain HTTP on a port for TLS")
    if finding.status >= 500:  # noqa: PLR2004 -- errors of the server
        proxy = "the proxy, " if switch.proxy else ""
        return Advice(f"{proxy}the web server or the application behind it fails: check its log")
    return Advice(_STATUSES.get(finding.status, "correct `url`"))


def _or_tls(switch: SwitchConfiguration) -> str:
    return ", or try https://" if URL(switch.url).scheme == "http" else ""


def _on_redirect(location: str, switch: SwitchConfiguration) -> Advice:
    try:
        url = checked_url(location)
    except ValueError:
        return Advice(
            "the server redirects to an invalid URL; ask the operator of the switch for the right one"
        )
    if URL(url) == URL(switch.url):
        return Advice("the server redirects to the same URL: the switch may require a login or a cookie")
    if re.search(r"login|signin|auth", URL(url).path, re.IGNORECASE):
        return Advice(f"the server redirects to {url}, which looks like a login page: `url` is not the API")
    if URL(url).scheme == "http" and URL(switch.url).scheme == "https":
        return Advice(f"the server redirects to {url}, which is not encrypted and would expose the key")
    return Advice("the server redirects to this URL, shown without the key", setting("url", value=url))


def _on_refusal(
    reason: Reason, finding: Finding, switch: SwitchConfiguration, before: Sequence[Finding]
) -> list[Advice]:
    """Return what to do about a refusal, an error message or an empty body: each may be a missing right."""
    if reason is Reason.REJECTED:
        section = switch.queries.options(QUERIES[finding.query])
        if found := list(pattern_advice(finding, section)):
            return found
    if reason is not Reason.AUTH and finding.request.operation is Operation.REGISTRATION:
        # In a trial of all sources the others follow anyway.
        is_trial = any(other.query is Query.REGISTRATIONS for other in before)
        return [] if is_trial else [Advice(_OTHER_SOURCES)]
    if reason is Reason.EMPTY and finding.query is Query.CALL_RECORDS:
        return []  # `call_records` compares two responses
    if reason is Reason.EMPTY and finding.query is Query.CALLS:
        return [_on_no_calls(switch)]
    if doubts := unknown_tenant(finding, switch, before):
        return doubts
    key_works = finding.request.tenant or any(
        not other.request.tenant and other.reason is None for other in before
    )
    if reason is Reason.AUTH and not key_works:
        return [Advice(_WRONG_KEY)]
    fix = ""
    if finding.query is Query.REGISTRATIONS:
        fix = ". Grant it, or use another source"
    elif reason is Reason.AUTH:
        key = f"queries.{finding.query}.{finding.interval_key}"
        fix = f". Grant it; only if nobody needs these values, set `{key}: off`"
    return [Advice(f"{_MISSING_RIGHT[reason]}{fix}")]


def _on_no_calls(switch: SwitchConfiguration) -> Advice:
    same = "the response is the same without calls and without the right to COUNTCALLS"
    once = "once COUNTCALLS has returned a number with this key"
    if switch.queries.options(calls.SPEC).empty == "zero":
        return Advice(f"{same}. `empty: zero` reports it as 0 {once}: probe again during a call")
    return Advice(f"{same}. This reports it as 0 {once}", setting("queries", "calls", "empty", value="zero"))


def _on_decode(finding: Finding, switch: SwitchConfiguration) -> list[Advice]:
    page = [Advice(f"this is a web page, not the API: check that `url` has the full path; {_PATHS}")]
    if finding.body is not None and _PAGE.match(finding.body):
        return page  # whatever numbers it contains
    section = switch.queries.options(QUERIES[finding.query])
    suggest = (pattern_advice, total_advice, word_advice)
    if found := [each for function in suggest for each in function(finding, section)]:
        return found
    if found := list(trunk_advice(finding, switch)):
        return found
    if finding.body is not None and b"<" in finding.body[:200]:
        return page
    return [Advice("no setting can decode this; report it as a bug, with this output")]
