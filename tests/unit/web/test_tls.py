import ssl
from pathlib import Path
from typing import Any

import pytest

from exporter.config import TlsServerConfiguration
from exporter.config.web import CURVES, SUITES
from exporter.net.tls import VERIFY_FLAGS
from exporter.web.web_config import server_context
from tests.certificates import Authority


@pytest.fixture(scope="module")
def authority(authority_of_module: Authority) -> Authority:
    """Return an authority that has issued the server's certificate."""
    authority_of_module.issue("server")
    return authority_of_module


def _handshake(authority: Authority, settings: dict[str, Any], **client: Any) -> ssl.SSLObject:
    """Do a TLS handshake and return the client's side. Raises ssl.SSLError."""
    pair = authority.directory / "server.pem", authority.directory / "server.key"
    tls = TlsServerConfiguration.model_construct(cert_file=pair[0], key_file=pair[1], **settings)
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    for name, value in client.items():
        if name.startswith(("set_", "load_")):
            getattr(trusting, name)(*(value if isinstance(value, tuple) else (value,)))
        else:
            setattr(trusting, name, value)
    ways = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = server_context(tls).wrap_bio(ways[0], ways[1], server_side=True)
    here = trusting.wrap_bio(ways[1], ways[0], server_hostname="localhost")
    done: set[ssl.SSLObject] = set()
    while len(done) < 2:
        for side in (here, there):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue
    return here


@pytest.mark.parametrize("name", [name for name in SUITES if "ECDSA" in name])
def test_each_suite(authority: Authority, name: str) -> None:
    """With TLS 1.2, Go's name of a suite selects that suite."""
    here = _handshake(authority, {"cipher_suites": (name,), "max_version": "TLS12"}, set_ciphers=SUITES[name])
    assert (here.cipher() or ("",))[0] == SUITES[name]


@pytest.mark.parametrize("name", SUITES)
def test_openssl_knows_each_suite(name: str) -> None:
    """Every suite exists in OpenSSL, also those for RSA certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(SUITES[name])
    assert SUITES[name] in {suite["name"] for suite in context.get_ciphers()}


@pytest.mark.parametrize("name", CURVES)
def test_each_curve(authority: Authority, name: str) -> None:
    """Go's name of a curve selects that curve only."""
    settings = {"curve_preferences": (name,)}
    assert _handshake(authority, settings, set_ecdh_curve=CURVES[name]).version() == "TLSv1.3"
    other = next(curve for curve in CURVES.values() if curve != CURVES[name])
    with pytest.raises(ssl.SSLError):
        _handshake(authority, settings, set_ecdh_curve=other)


@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
def test_each_version(authority: Authority, version: str) -> None:
    """With the same minimum and maximum, that version is used."""
    here = _handshake(authority, {"min_version": version, "max_version": version})
    assert here.version() == f"TLSv1.{version[-1]}"


def test_below_the_minimum_version(authority: Authority) -> None:
    """A client with only older versions is rejected."""
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        _handshake(authority, {"min_version": "TLS13"}, maximum_version=ssl.TLSVersion.TLSv1_2)


@pytest.mark.parametrize(("prefers", "chosen"), [(True, 0), (False, 1)])
def test_cipher_preference(authority: Authority, prefers: bool, chosen: int) -> None:  # noqa: FBT001 -- a table
    """Of two common suites, the server's or the client's first one is used."""
    both = ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")
    here = _handshake(
        authority,
        {"cipher_suites": both, "max_version": "TLS12", "prefer_server_cipher_suites": prefers},
        set_ciphers=":".join(SUITES[name] for name in reversed(both)),
    )
    assert (here.cipher() or ("",))[0] == SUITES[both[chosen]]


@pytest.mark.parametrize("policy", ["VerifyClientCertIfGiven", "RequireAndVerifyClientCert"])
def test_clients_without_a_certificate(authority: Authority, policy: str) -> None:
    """They are accepted if a certificate is only verified when given."""
    settings = {"client_auth_type": policy, "client_ca_file": authority.certificate, "max_version": "TLS12"}
    if policy == "VerifyClientCertIfGiven":
        assert _handshake(authority, settings).version() == "TLSv1.2"
    else:
        with pytest.raises(ssl.SSLError):
            _handshake(authority, settings)


@pytest.mark.parametrize("trusted", ["root", "intermediate", "certificate"])
def test_trusted_clients(trusted: str, authority: Authority, tmp_path: Path) -> None:
    """`client_ca_file` can be the root, an intermediate or the client's certificate, as in Go."""
    root = Authority(authority.openssl, tmp_path, "root")
    between = root.intermediate("between")
    below = between.issue("below")
    chain = tmp_path / "chain.pem"
    chain.write_bytes(below.certificate.read_bytes() + between.certificate.read_bytes())
    files = {"root": root.certificate, "intermediate": between.certificate, "certificate": below.certificate}
    settings = {
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_ca_file": files[trusted],
        "max_version": "TLS12",  # in TLS 1.3 the client finishes before the server has verified it
    }
    assert _handshake(authority, settings, load_cert_chain=(chain, below.key)).version() == "TLSv1.2"
    own = authority.issue("client of another authority")
    with pytest.raises(ssl.SSLError):
        _handshake(authority, settings, load_cert_chain=(own.certificate, own.key))


def test_clients_of_an_authority_without_key_identifiers(authority: Authority, tmp_path: Path) -> None:
    """They are accepted on every version of Python."""
    old = Authority(authority.openssl, tmp_path, "old authority", identified=False)
    client = old.issue("old client")
    settings = {
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_ca_file": old.certificate,
        "max_version": "TLS12",
    }
    here = _handshake(authority, settings, load_cert_chain=(client.certificate, client.key))
    assert here.version() == "TLSv1.2"


def test_default_suites(authority: Authority) -> None:
    """They do not depend on the build of Python: no RSA key exchange and no SHA-1."""
    pair = authority.directory / "server.pem", authority.directory / "server.key"
    tls = TlsServerConfiguration.model_construct(cert_file=pair[0], key_file=pair[1])
    context = server_context(tls)
    assert context.security_level == 2
    assert context.verify_flags == VERIFY_FLAGS
    suites = [suite["name"] for suite in context.get_ciphers()]
    assert len(suites) == 17
    assert all(
        suite.startswith(("TLS_", "ECDHE-", "DHE-")) and not suite.endswith("-SHA") for suite in suites
    )
