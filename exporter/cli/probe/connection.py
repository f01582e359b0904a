"""What to change where no answer came: time, network, TLS, redirects and HTTP statuses."""

import math
import re
from collections.abc import Iterator, Mapping

from yarl import URL

from exporter import durations
from exporter.cli.probe.finding import Advice, Finding, setting
from exporter.config import SwitchConfiguration, urls
from exporter.model import Failure

_SLOW = 0.5
"""Of the timeout: above it an answer is worth a word."""

_STATUSES: Mapping[int, str] = {
    401: "the web server in front of the API asks for a login of its own",
    403: "the web server refuses this machine; a switch can restrict a key to source addresses",
    404: "there is nothing at this path: on real switches it was /pbx/proxyapi.php or /mirtapbx/proxyapi.php",
    407: "the proxy asks for a login: put user and password into `proxy_url`, as http://USER:PASSWORD@HOST:PORT",
    429: "these are too many requests for it: lower max_requests_per_second",
}

# What OpenSSL says, and what is to be done: the first that is in it holds.
_TLS: tuple[tuple[str, str, dict[str, object]], ...] = (
    (r"expired", "the certificate has ended: it is to be renewed on the switch; no setting mends that", {}),
    (
        r"self-signed|issuer|verify the first certificate",
        (
            "an authority that this machine does not know has signed the certificate, or it has signed "
            "itself. "
            "Put "
            "the authority's certificate into a file and name it; see that it is the right one, for "
            "whoever it "
            "trusts "
            "can read the key"
        ),
        setting("tls", "ca_file", value="ca.pem"),
    ),
    (
        r"WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH|RECORD_LAYER",
        (
            "this port does not speak TLS: is it the right one, or is `url` to begin with http://? Then "
            "anybody in "
            "between can read the key"
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


def timeout_advice(finding: Finding, switch: SwitchConfiguration) -> Iterator[Advice]:
    """Suggest twice the time for an answer that did not come, and three times that of one that came late."""
    if isinstance(finding.verdict, Failure):
        yield Advice(
            "it took longer than `timeout`. Twice as much is a try, not a finding: a healthy switch was "
            "seen to "
            "take 23 s for COUNTPEERS. If it is no better, the switch hangs",
            setting("timeout", value=durations.text(2 * switch.timeout)),
        )
    elif finding.seconds > _SLOW * switch.timeout:
        yield Advice(
            f"it took {finding.seconds:.1f} s of {switch.timeout:g} s: on a busy day it will come too late",
            setting("timeout", value=durations.text(math.ceil(3 * finding.seconds / 5) * 5)),
            sure=True,
        )


def connect_advice(finding: Finding, switch: SwitchConfiguration) -> Iterator[Advice]:
    """Say what to look at where no connection came about."""
    if switch.proxy and isinstance(finding.verdict, Failure) and "proxy" in finding.verdict.detail:
        source = switch.proxy.source
        yield Advice(
            f"look at the proxy {switch.proxy.url}, which {source} names; `proxy_url: off` does without one"
        )
        return
    proxy = "" if switch.proxy else "; if this machine needs a proxy, set `proxy_url`"
    yield Advice(
        f"look at host and port in `url`, at DNS, routes and firewalls between here and there{proxy}"
    )


def tls_advice(finding: Finding, _switch: SwitchConfiguration) -> Iterator[Advice]:
    """Suggest what makes the certificate acceptable, where that is for the configuration to say."""
    if not isinstance(finding.verdict, Failure):
        return
    detail = finding.verdict.detail
    if finding.certificate_names:
        name, *more = finding.certificate_names
        others = f" (also: {', '.join(more)})" if more else ""
        yield Advice(
            f"the certificate is trusted and is for {name}{others}: put that into `url`, or, where it does "
            "not "
            "resolve from here, let it be expected",
            setting("tls", "server_name", value=name),
            sure=True,
        )
        return
    for pattern, text, settings in _TLS:
        if re.search(pattern, detail, re.IGNORECASE):
            yield Advice(text, settings)
            return
    yield Advice("`openssl s_client -connect HOST:PORT` shows what the switch presents")


def http_advice(finding: Finding, switch: SwitchConfiguration) -> Iterator[Advice]:
    """Suggest the address that a redirect leads to, or what an HTTP status means here."""
    if finding.location:
        yield _redirect(finding.location, switch)
    elif finding.status is not None:
        whose = "the proxy, the web server" if switch.proxy else "the web server"
        server = f"{whose} or what stands behind it fails: see its log"
        yield Advice(_STATUSES.get(finding.status, server if finding.status >= 500 else "correct `url`"))  # noqa: PLR2004
    else:
        yield Advice("this is no web server, or no longer: correct host and port in `url`")


def _redirect(location: str, switch: SwitchConfiguration) -> Advice:
    try:
        url = urls.checked_url(location)
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
