"""How a connection to the exporter is made safe: the section ``tls_server_config``, in OpenSSL's words."""

import ssl

from exporter.config import TlsServerConfiguration
from exporter.config.tls_names import CURVES, SUITES
from exporter.tls import VERIFY_FLAGS

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"
"""As python.org builds Python; Debian's offers RSA key exchange and SHA-1 besides (seen 2026-11, 3.13)."""

_LEVEL = "@SECLEVEL=2"

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CLIENT_POLICIES = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


def server_context(tls: TlsServerConfiguration) -> ssl.SSLContext:
    """Return what new connections are made with. Raises OSError where a file has just changed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_flags = VERIFY_FLAGS
    # "" and not None: with None OpenSSL would ask for a passphrase on the terminal.
    context.load_cert_chain(tls.cert_file, tls.key_file, password="")
    if tls.client_ca_file:
        context.load_verify_locations(tls.client_ca_file)
    context.verify_mode = _CLIENT_POLICIES[tls.client_auth_type]
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    suites = [SUITES[name] for name in tls.cipher_suites if name in SUITES]
    context.set_ciphers(":".join([*(suites or [_CIPHERS]), _LEVEL]))
    if not tls.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    for curve in tls.curve_preferences:
        context.set_ecdh_curve(CURVES[curve])
    context.set_alpn_protocols(["http/1.1"])
    return context
