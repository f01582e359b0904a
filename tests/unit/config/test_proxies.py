from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Configuration, Proxy
from exporter.config.connection import proxy_from_environment
from exporter.config.fields import ValidationContext

_PROXY = "http://proxy.example.com:3128"


def _configured(proxy_url: str | None, environment: Mapping[str, str], scheme: str = "https") -> Proxy | None:
    switch = {"name": "pbx", "url": f"{scheme}://pbx.example.com/api", "key": "k"}
    if proxy_url is not None:
        switch["proxy_url"] = proxy_url
    tree = {"switches": [switch]}
    found = Configuration.model_validate(tree, context=ValidationContext(Path(), environment))
    return found.switches[0].proxy


@pytest.mark.parametrize(
    ("proxy_url", "environment", "expected"),
    [
        (None, {}, None),
        (_PROXY, {"HTTPS_PROXY": "http://other:1"}, Proxy(_PROXY, "proxy_url")),
        (None, {"HTTPS_PROXY": _PROXY}, Proxy(_PROXY, "HTTPS_PROXY")),
        (None, {"https_proxy": _PROXY}, Proxy(_PROXY, "https_proxy")),
        (None, {"HTTPS_PROXY": "", "https_proxy": _PROXY}, Proxy(_PROXY, "https_proxy")),
        (None, {"HTTPS_PROXY": "proxy.example.com:3128"}, Proxy(_PROXY, "HTTPS_PROXY")),
        (None, {"HTTP_PROXY": _PROXY}, None),
        (None, {"HTTPS_PROXY": _PROXY, "no_proxy": "example.com"}, None),
        ("off", {"HTTPS_PROXY": _PROXY}, None),
        ("false", {"HTTPS_PROXY": _PROXY}, None),
        (_PROXY, {"NO_PROXY": "*"}, Proxy(_PROXY, "proxy_url")),
    ],
)
def test_which_proxy(proxy_url: str | None, environment: dict[str, str], expected: Proxy | None) -> None:
    """`proxy_url` overrides the environment, and `off` is for none."""
    assert _configured(proxy_url, environment) == expected


def test_the_variable_follows_the_scheme() -> None:
    """HTTP_PROXY is for http and HTTPS_PROXY for https; neither stands in for the other."""
    both = {"HTTP_PROXY": "http://a:1", "HTTPS_PROXY": "http://b:2"}
    assert _configured(None, both, "http") == Proxy("http://a:1", "HTTP_PROXY")
    assert _configured(None, both, "https") == Proxy("http://b:2", "HTTPS_PROXY")


@pytest.mark.parametrize(
    "url", ["http://localhost:9093", "http://127.0.0.1/", "http://127.9.9.9/", "http://[::1]:9093"]
)
def test_this_machine_is_asked_directly(url: str) -> None:
    """A proxy for the internet does not get between the exporter and its own machine."""
    assert proxy_from_environment(url, {"HTTP_PROXY": _PROXY}) is None


@pytest.mark.parametrize(
    ("no_proxy", "url", "exempt"),
    [
        ("*", "https://pbx.example.com/", True),
        ("example.com", "https://pbx.example.com/", True),
        ("example.com", "https://example.com/", True),
        ("EXAMPLE.com", "https://pbx.Example.COM/", True),
        ("example.com", "https://badexample.com/", False),
        (".example.com", "https://pbx.example.com/", True),
        (".example.com", "https://example.com/", False),
        ("*.example.com", "https://pbx.example.com/", True),
        ("*.example.com", "https://example.com/", False),
        ("a.test, pbx.example.com", "https://pbx.example.com/", True),
        ("a.test b.test", "https://b.test/", True),
        ("pbx.example.com:443", "https://pbx.example.com/", True),
        ("pbx.example.com:8443", "https://pbx.example.com/", False),
        ("pbx.example.com:8443", "https://pbx.example.com:8443/", True),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.0.0.1/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://pbx.example.com/", False),
        ("10.1.2.3", "https://10.1.2.3/", True),
        ("10.1.2.3:8443", "https://10.1.2.3/", False),
        ("2.3", "https://10.1.2.3/", False),
        ("fd00::/8", "https://[fd00::1]/", True),
        ("fd00::1", "https://[fd00::1]/", True),
        ("[fd00::1]:443", "https://[fd00::1]/", True),
        ("[fd00::1]:8443", "https://[fd00::1]/", False),
        (",, ,", "https://pbx.example.com/", False),
        ("/, a/b, :, [, :443, x:y", "https://pbx.example.com/", False),
    ],
)
def test_exceptions(no_proxy: str, url: str, exempt: bool) -> None:  # noqa: FBT001 -- a table
    """NO_PROXY means what it means to Prometheus: names and what is below them, networks, ports."""
    found = proxy_from_environment(url, {"HTTPS_PROXY": _PROXY, "NO_PROXY": no_proxy})
    assert (found is None) == exempt


@given(
    st.text(), st.sampled_from(["https://pbx.example.com/", "https://[fd00::1]:8443/", "https://10.0.0.1/"])
)
def test_any_exception_is_read(no_proxy: str, url: str) -> None:
    """Whatever stands in NO_PROXY, the configuration is read."""
    proxy_from_environment(url, {"HTTPS_PROXY": _PROXY, "NO_PROXY": no_proxy})


@pytest.mark.parametrize(
    "written", ["socks5://proxy:1080", "http://u:S3CRET#@proxy", "http://:3128", "\N{SNOWMAN}"]
)
def test_a_variable_that_cannot_be_used(written: str) -> None:
    """The error names the variable, what to do, and nothing of its value."""
    with pytest.raises(
        ValueError, match="HTTPS_PROXY in the environment is not a URL that can be used"
    ) as caught:
        _configured(None, {"HTTPS_PROXY": written})
    assert "proxy_url: off" in str(caught.value)
    assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("credentials", "sent"),
    [
        ("user:password", b"user:password"),
        ("user:pässwörd", "user:pässwörd".encode()),
        ("user:p%C3%A4ss", "user:päss".encode()),
        ("user:p%E4ss", b"user:p\xe4ss"),
        ("user:\N{SNOWMAN}", "user:\N{SNOWMAN}".encode()),
        ("user:a%3Ab%40c%2F", b"user:a:b@c/"),
        ("user:100%", b"user:100%"),
        ("user:", b"user:"),
        ("user", b"user:"),
        (":only", b":only"),
    ],
)
def test_user_and_password(credentials: str, sent: bytes) -> None:
    """They are sent as the bytes that the URL stands for, and are in no text."""
    proxy = Proxy(f"http://{credentials}@proxy.example.com:3128/", "proxy_url")
    scheme, _, encoded = proxy.authorization.partition(" ")
    assert (scheme, b64decode(encoded)) == ("Basic", sent)
    assert proxy.url == _PROXY
    assert credentials not in repr(proxy) + proxy.url


def test_the_secrets_of_a_proxy() -> None:
    """The password is hidden as it is written, as it is meant and as it is sent; without one nothing is."""
    proxy = Proxy("http://user:p%2Fq@proxy:3128", "proxy_url")
    assert set(proxy.secrets) == {"p%2Fq", "p/q", "dXNlcjpwL3E="}
    assert Proxy(_PROXY, "proxy_url").secrets == Proxy("http://user@proxy:3128", "proxy_url").secrets == ()
    assert Proxy(_PROXY, "proxy_url").authorization == ""
