from collections.abc import Callable

import pytest

from exporter.cli.probe.connection import connect_advice, http_advice, timeout_advice, tls_advice
from exporter.config import SwitchConfiguration
from exporter.model import Query, Reason
from tests.unit.cli.probe.answers import answered, failed

Configured = Callable[..., SwitchConfiguration]
URL = "https://pbx.example.com/pbx/proxyapi.php"


def test_a_timeout(configured: Configured) -> None:
    """Twice the time is a try."""
    (advice,) = timeout_advice(failed(Query.PEERS, Reason.TIMEOUT), configured(timeout="60s"))
    assert advice.settings == {"timeout": "2m"}
    assert not advice.sure


@pytest.mark.parametrize(("seconds", "timeout"), [(0.1, None), (29.0, None), (31.0, "1m35s"), (59.0, "3m")])
def test_a_late_answer(seconds: float, timeout: str | None, configured: Configured) -> None:
    """Above half of the timeout, three times what it took."""
    advice = list(timeout_advice(answered(Query.PEERS, "3", seconds=seconds), configured(timeout="60s")))
    assert [each.settings for each in advice] == ([{"timeout": timeout}] if timeout else [])


@pytest.mark.parametrize(
    ("location", "settings", "text"),
    [
        ("https://new.example.com/api.php", {"url": "https://new.example.com/api.php"}, "leads here"),
        (URL, {}, "same address"),
        ("https://pbx.example.com/pbx/login.php", {}, "login page"),
        ("http://pbx.example.com/pbx/proxyapi.php", {}, "not encrypted"),
        ("mailto:someone", {}, "cannot be used"),
    ],
)
def test_a_redirect(location: str, settings: object, text: str, configured: Configured) -> None:
    """The address to configure, where it can be one."""
    finding = failed(Query.PEERS, Reason.HTTP, status=302, location=location)
    (advice,) = http_advice(finding, configured(url=URL))
    assert advice.settings == settings
    assert text in advice.text


@pytest.mark.parametrize(
    ("status", "text"),
    [(401, "login"), (403, "refuses"), (404, "path"), (429, "max_requests"), (503, "fails"), (418, "`url`")],
)
def test_a_status(status: int, text: str, configured: Configured) -> None:
    """What it means in front of this API."""
    (advice,) = http_advice(failed(Query.PEERS, Reason.HTTP, status=status), configured())
    assert text in advice.text


def test_no_http_at_all(configured: Configured) -> None:
    """Something else listens there."""
    (advice,) = http_advice(failed(Query.PEERS, Reason.HTTP), configured())
    assert "no web server" in advice.text


@pytest.mark.parametrize(
    ("detail", "settings"),
    [
        ("not accepted: self-signed certificate", {"tls": {"ca_file": "ca.pem"}}),
        ("not accepted: unable to get local issuer certificate", {"tls": {"ca_file": "ca.pem"}}),
        ("not accepted: certificate has expired", {}),
        ("TLS failed: WRONG_VERSION_NUMBER", {}),
        ("TLS failed: UNSUPPORTED_PROTOCOL", {"tls": {"min_version": "TLS10"}}),
        ("TLS failed: CERTIFICATE_REQUIRED", {"tls": {"cert_file": "client.pem", "key_file": "client.key"}}),
        ("TLS failed: SOMETHING_ELSE", {}),
    ],
)  # fmt: skip
def test_tls(detail: str, settings: object, configured: Configured) -> None:
    """What would make the certificate acceptable."""
    (advice,) = tls_advice(failed(Query.PEERS, Reason.TLS, detail), configured())
    assert advice.settings == settings
    assert advice.text


def test_a_certificate_for_another_name(configured: Configured) -> None:
    """The name that it is for."""
    finding = failed(Query.PEERS, Reason.TLS, "Hostname mismatch", certificate_names=("pbx.internal", "b"))
    (advice,) = tls_advice(finding, configured())
    assert advice.settings == {"tls": {"server_name": "pbx.internal"}}
    assert advice.sure


def test_no_connection(configured: Configured) -> None:
    """A proxy is suggested where there is none."""
    finding = failed(Query.PEERS, Reason.CONNECT)
    (without,) = connect_advice(finding, configured())
    (with_one,) = connect_advice(finding, configured(proxy_url="http://127.0.0.1:3128"))
    assert "proxy_url" in without.text
    assert "proxy_url" not in with_one.text


def test_a_proxy_that_fails(configured: Configured) -> None:
    """The advice is about the proxy, and leaves `url` alone."""
    finding = failed(
        Query.PEERS, Reason.CONNECT, "no connection to the proxy in proxy_url: Connection refused"
    )
    (advice,) = connect_advice(finding, configured(proxy_url="http://user:S3CRET@127.0.0.1:3128"))
    assert "look at the proxy http://127.0.0.1:3128, which proxy_url names" in advice.text
    assert "`url`" not in advice.text


@pytest.mark.parametrize(("status", "text"), [(407, "proxy_url"), (502, "the proxy, the web server")])
def test_an_answer_of_the_proxy(status: int, text: str, configured: Configured) -> None:
    """What a proxy answers in place of the switch is not blamed on the switch alone."""
    switch = configured(proxy_url="http://127.0.0.1:3128")
    (advice,) = http_advice(failed(Query.PEERS, Reason.HTTP, status=status), switch)
    assert text in advice.text
