import subprocess
from base64 import b64decode
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Configuration, Proxy
from exporter.config.connection import check_key, proxy_from_environment
from exporter.config.fields import ValidationContext
from tests.certificates import Authority

Problems = Callable[..., list[str]]

_PROXY = "http://proxy.example.com:3128"
_TLS = "switches: [{name: a, url: 'https://pbx/', key: k, tls: {%s}}]"


def _configured(proxy_url: str | None, environment: Mapping[str, str], scheme: str = "https") -> Proxy | None:
    switch = {"name": "pbx", "url": f"{scheme}://pbx.example.com/api", "key": "k"}
    if proxy_url is not None:
        switch["proxy_url"] = proxy_url
    context = ValidationContext(Path(), environment)
    return Configuration.model_validate({"switches": [switch]}, context=context).switches[0].proxy


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
def test_precedence_of_proxy_settings(
    proxy_url: str | None, environment: dict[str, str], expected: Proxy | None
) -> None:
    """``proxy_url`` overrides the environment, and ``off`` disables the proxy."""
    assert _configured(proxy_url, environment) == expected


def test_proxy_variable_depends_on_the_scheme() -> None:
    """HTTP_PROXY applies to http only, and HTTPS_PROXY to https only."""
    both = {"HTTP_PROXY": "http://a:1", "HTTPS_PROXY": "http://b:2"}
    assert _configured(None, both, "http") == Proxy("http://a:1", "HTTP_PROXY")
    assert _configured(None, both, "https") == Proxy("http://b:2", "HTTPS_PROXY")


@pytest.mark.parametrize(
    "url", ["http://localhost:9093", "http://127.0.0.1/", "http://127.9.9.9/", "http://[::1]:9093"]
)
def test_no_proxy_for_loopback(url: str) -> None:
    """A proxy from the environment is not used for loopback addresses."""
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
def test_no_proxy_variable(no_proxy: str, url: str, exempt: bool) -> None:  # noqa: FBT001 -- a table
    """NO_PROXY means what it means to Prometheus: domains, networks, addresses and ports."""
    found = proxy_from_environment(url, {"HTTPS_PROXY": _PROXY, "NO_PROXY": no_proxy})
    assert (found is None) == exempt


@given(
    st.text(), st.sampled_from(["https://pbx.example.com/", "https://[fd00::1]:8443/", "https://10.0.0.1/"])
)
def test_any_no_proxy_variable_is_accepted(no_proxy: str, url: str) -> None:
    """No value of NO_PROXY raises."""
    proxy_from_environment(url, {"HTTPS_PROXY": _PROXY, "NO_PROXY": no_proxy})


@pytest.mark.parametrize(
    "written", ["socks5://proxy:1080", "http://u:S3CRET#@proxy", "http://:3128", "\N{SNOWMAN}"]
)
def test_invalid_proxy_variable(written: str) -> None:
    """The error names the variable and ``proxy_url: off``, but not a password."""
    with pytest.raises(ValueError, match="HTTPS_PROXY in the environment: invalid URL") as caught:
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
def test_proxy_credentials(credentials: str, sent: bytes) -> None:
    """They are sent as the bytes that the URL encodes, and appear in no text."""
    proxy = Proxy(f"http://{credentials}@proxy.example.com:3128/", "proxy_url")
    scheme, _, encoded = proxy.authorization.partition(" ")
    assert (scheme, b64decode(encoded)) == ("Basic", sent)
    assert proxy.url == _PROXY
    assert credentials not in repr(proxy) + proxy.url


def test_proxy_secrets() -> None:
    """All forms of the password are masked; without a password there is none."""
    proxy = Proxy("http://user:p%2Fq@proxy:3128", "proxy_url")
    assert set(proxy.secrets) == {"p%2Fq", "p/q", "dXNlcjpwL3E="}
    assert Proxy(_PROXY, "proxy_url").secrets == Proxy("http://user@proxy:3128", "proxy_url").secrets == ()
    assert Proxy(_PROXY, "proxy_url").authorization == ""


@pytest.fixture
def files(authority: Authority) -> Path:
    """Create matching, mismatched, encrypted, weak, combined and invalid files."""
    directory = authority.directory
    for name in ("mine", "other"):
        pair = authority.issue(name)
        (directory / f"{name}-both.pem").write_text(pair.certificate.read_text() + pair.key.read_text())
    (directory / "nothing.pem").write_text("not a certificate\n")
    (directory / "empty.pem").touch()
    openssl = authority.openssl
    encrypt = (openssl, "ec", "-aes128", "-passout", "pass:secret", "-in", "mine.key", "-out", "locked.key")
    weak = (openssl, "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-days", "2", "-subj", "/CN=weak")
    for command in (encrypt, (*weak, "-keyout", "weak.key", "-out", "weak.pem")):
        subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return directory


def test_matching_key(files: Path) -> None:
    """A key is accepted in its own file or in that of the certificate."""
    check_key(files / "mine.pem", files / "mine.key")
    check_key(files / "mine-both.pem", None)


@pytest.mark.parametrize(
    ("certificate", "key", "message"),
    [
        ("mine.pem", "other.key", "is not the key of"),
        ("mine.pem", "weak.key", "is not the key of"),
        ("mine.pem", "nothing.pem", "contains no valid private key"),
        ("mine.pem", "empty.pem", "contains no valid private key"),
        ("mine.pem", None, "contains no valid private key"),
        ("mine.pem", "locked.key", "is encrypted with a passphrase"),
        ("mine.pem", "gone.key", r"cannot be read \(No such file"),
        ("weak.pem", "weak.key", r"is rejected by OpenSSL \(ee key too small\)"),
    ],
)
def test_unusable_key(files: Path, certificate: str, key: str | None, message: str) -> None:
    """The error has the path of the key and says what to do; OpenSSL does not prompt for a passphrase."""
    with pytest.raises(ValueError, match=message) as caught:
        check_key(files / certificate, files / key if key else None)
    assert str(caught.value).startswith(f'"{files / (key or certificate)}" ')
    assert "; " in str(caught.value)
    assert "PRIVATE" not in str(caught.value)


@pytest.mark.parametrize("name", ["ca_file", "cert_file"])
@pytest.mark.parametrize("file", ["nothing.pem", "empty.pem", "mine.key"])
def test_file_without_a_certificate(problems: Problems, files: Path, name: str, file: str) -> None:
    """A readable file without a certificate is an error at its key."""
    (problem,) = problems(_TLS % f"{name}: {file}")
    assert problem.startswith(
        f'switches[0].tls.{name}: "{files / file}" contains no valid certificate; expected a PEM file'
    )


def test_key_and_certificate_of_a_switch(problems: Problems, files: Path) -> None:
    """A wrong or missing key is reported, and so is a key without a certificate."""
    (problem,) = problems(_TLS % "cert_file: mine.pem, key_file: other.key")
    assert problem.startswith(f'switches[0].tls.key_file: "{files}/other.key" is not the key of')
    (problem,) = problems(_TLS % "cert_file: mine.pem")
    assert problem.startswith("switches[0].tls.key_file: not set, and cert_file ")
    (problem,) = problems(_TLS % "key_file: mine.key")
    assert problem == "switches[0].tls.key_file: set without cert_file; add cert_file or remove key_file"
