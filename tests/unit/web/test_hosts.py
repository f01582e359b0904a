import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.hosts import Hosts, refusal

_HOSTS = Hosts([(None, 10390), ("pbx.example.com", 10390)], "https://Monitoring.example.com:8443/exporter")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "192.0.2.7:10390",
        "[::1]:10390",
        "[2001:db8::1]",
        "localhost:10390",
        "exporter:10390",
        "exporter.monitoring.svc:10390",
        "exporter.monitoring.svc.cluster.local",
        "a.localhost",
        "pbx.example.com:10390",
        "monitoring.example.com",
        "MONITORING.example.com.:80",
        "",
        None,
    ],
)
def test_our_names(host: str | None) -> None:
    """Addresses, names that nobody can own, those listened on, and that of the external URL, at any port."""
    assert _HOSTS.allows(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:10390",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example:80:10390",
        "xsvc.example",
        "monitoring.example.com.evil.example",
        "[::1].evil.example",
        "a.svc.evil.example",
    ],
)
def test_names_of_somebody_else(host: str) -> None:
    """A name that anybody could let lead here is not ours, whatever is in it."""
    assert not _HOSTS.allows(host)


def test_the_name_of_the_machine() -> None:
    """It is allowed without being named."""
    assert Hosts().allows(f"{socket.gethostname()}:10390")


@given(st.text())
def test_any_host_is_judged(host: str) -> None:
    """Nothing is raised, and the refusal is one line that a terminal can show."""
    assert Hosts().allows(host) in {True, False}
    assert refusal(host).isprintable()


def test_the_refusal_says_what_to_do() -> None:
    """It names the flag, as it is to be set."""
    assert "start the exporter with --web.external-url=http://exporter.example:10390 (or https)" in refusal(
        "exporter.example:10390"
    )
