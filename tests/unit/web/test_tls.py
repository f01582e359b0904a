import ssl
from typing import Any

import pytest

from exporter.config import TlsServerConfiguration
from exporter.config.tls_names import CURVES, SUITES, VERSIONS
from exporter.web.tls import server_context
from tests.certificates import Authority


@pytest.fixture(scope="module")
def authority(authority_of_module: Authority) -> Authority:
    """Return an authority that has issued the server's certificate."""
    authority_of_module.issue("server")
    return authority_of_module


def _handshake(authority: Authority, settings: dict[str, Any], **client: Any) -> ssl.SSLObject:
    """Let a client and a server greet one another; return the client's side. Raises ssl.SSLError."""
    pair = authority.directory / "server.pem", authority.directory / "server.key"
    tls = TlsServerConfiguration.model_construct(cert_file=pair[0], key_file=pair[1], **settings)
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    for name, value in client.items():
        if name.startswith("set_"):
            getattr(trusting, name)(value)
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
    """Go's name leads to the suite that is then used, where TLS 1.2 is."""
    here = _handshake(authority, {"cipher_suites": (name,), "max_version": "TLS12"}, set_ciphers=SUITES[name])
    assert (here.cipher() or ("",))[0] == SUITES[name]


@pytest.mark.parametrize("name", SUITES)
def test_openssl_knows_each_suite(name: str) -> None:
    """Also those for certificates of the other kind."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(SUITES[name])
    assert SUITES[name] in {suite["name"] for suite in context.get_ciphers()}


@pytest.mark.parametrize("name", CURVES)
def test_each_curve(authority: Authority, name: str) -> None:
    """Go's name leads to the one curve that the server then takes."""
    settings = {"curve_preferences": (name,)}
    assert _handshake(authority, settings, set_ecdh_curve=CURVES[name]).version() == "TLSv1.3"
    other = next(curve for curve in CURVES.values() if curve != CURVES[name])
    with pytest.raises(ssl.SSLError):
        _handshake(authority, settings, set_ecdh_curve=other)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version(authority: Authority, version: str) -> None:
    """Where lowest and highest are one, that one is spoken."""
    here = _handshake(authority, {"min_version": version, "max_version": version})
    assert here.version() == f"TLSv1.{version[-1]}"


def test_below_the_lowest_version(authority: Authority) -> None:
    """A client that speaks nothing newer is refused."""
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        _handshake(authority, {"min_version": "TLS13"}, maximum_version=ssl.TLSVersion.TLSv1_2)


@pytest.mark.parametrize(("prefers", "chosen"), [(True, 0), (False, 1)])
def test_whose_preference_holds(authority: Authority, prefers: bool, chosen: int) -> None:  # noqa: FBT001 -- a table
    """Of two suites that both know, the server's first or the client's."""
    both = ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")
    here = _handshake(
        authority,
        {"cipher_suites": both, "max_version": "TLS12", "prefer_server_cipher_suites": prefers},
        set_ciphers=":".join(SUITES[name] for name in reversed(both)),
    )
    assert (here.cipher() or ("",))[0] == SUITES[both[chosen]]


@pytest.mark.parametrize("policy", ["VerifyClientCertIfGiven", "RequireAndVerifyClientCert"])
def test_clients_without_a_certificate(authority: Authority, policy: str) -> None:
    """They are connected where a certificate is only verified if given."""
    settings = {"client_auth_type": policy, "client_ca_file": authority.certificate, "max_version": "TLS12"}
    if policy == "VerifyClientCertIfGiven":
        assert _handshake(authority, settings).version() == "TLSv1.2"
    else:
        with pytest.raises(ssl.SSLError):
            _handshake(authority, settings)
