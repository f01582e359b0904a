"""The file of ``--web.config.file``: TLS, headers and passwords, in the exporter-toolkit's format.

It is described in docs/web-configuration.md of prometheus/exporter-toolkit (read 2026-11). What it has and
Python's TLS cannot do is refused, with the reason; nothing is passed over in silence.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import bcrypt
from pydantic import AfterValidator, Field, PlainValidator, SecretBytes, ValidationInfo, field_validator

from exporter.config.connection import CertificateFile, check_key
from exporter.config.errors import Problem
from exporter.config.fields import ReadableFile, Text
from exporter.errors import nearest, shown, single
from exporter.fields import Section

# From Go's names of the parts of TLS, which the file has, to OpenSSL's.
SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
"""The suites of TLS 1.2 that Go counts as secure (crypto/tls, CipherSuites, Go 1.23)."""

SUITES_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""Of TLS 1.3, which has no others. Go takes the names and chooses by itself; so does OpenSSL."""

CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}

VERSIONS = ("TLS12", "TLS13")
BROKEN_VERSIONS = ("TLS10", "TLS11")

CLIENT_POLICIES = ("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
UNVERIFIED_CLIENT_POLICIES = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
"""Those that take any certificate unseen. The last one is the toolkit's older name of the one before it."""

HIGHEST_COST = 14
"""Of a hash: each step doubles the time of a check, and this one takes about a second (2026-11)."""

_HASH = re.compile(r"\$2[aby]\$(?P<cost>0[4-9]|[12]\d|3[01])\$(?P<rest>[./A-Za-z0-9]{53})")
_MAKE_A_HASH = "make one with `htpasswd -nBC 10 NAME`; it begins with $2y$"


def _refused(sentence: str) -> PlainValidator:
    """Return a validator for a key that others have and that is not taken here, whatever its value."""

    def refuse(_: object) -> None:
        raise ValueError(sentence)

    return PlainValidator(refuse)


def _one_of(known: Iterable[str], refused: Iterable[str] = (), because: str = "") -> PlainValidator:
    """Return a validator of names, among them some that the format has and that are refused."""
    choices = f"write one of {', '.join(known)}"

    def choose(value: object) -> str:
        name = single(value)
        if name in refused:
            raise ValueError(f"{name} {because}; {choices}")
        if name not in known:
            raise ValueError(f"{shown(name)} is not known; {choices}")
        return name

    return PlainValidator(choose)


def _suite(name: str) -> str:
    known = (*SUITES, *SUITES_13)
    if name not in known:
        meant = nearest(name, known)
        advice = f"did you mean {meant}?" if meant else f"write one such as {known[-4]}"
        raise ValueError(f"{shown(name)} is not a suite that is offered; {advice}")
    return name


def _one_curve(curves: tuple[str, ...]) -> tuple[str, ...]:
    if len(curves) > 1:
        raise ValueError(
            f"names {len(curves)} curves, and Python can be given one; keep that one, or take the key away "
            "for OpenSSL's own choice"
        )
    return curves


def _inline(key: str) -> PlainValidator:
    return _refused(f"PEM text is not read here; put it into a file and name that with {key}")


_UNVERIFIED = "takes certificates that nobody verifies, which Python cannot do"
_Policy = Annotated[str, _one_of(CLIENT_POLICIES, UNVERIFIED_CLIENT_POLICIES, _UNVERIFIED)]
_Version = Annotated[str, _one_of(VERSIONS, BROKEN_VERSIONS, "is broken, and OpenSSL refuses it (RFC 8996)")]
_Curve = Annotated[str, _one_of(CURVES)]


class TlsServerConfiguration(Section):
    """The section ``tls_server_config``: certificate, client certificates, versions and ciphers."""

    cert_file: CertificateFile
    key_file: ReadableFile
    client_ca_file: CertificateFile | None = None
    client_auth_type: _Policy = "NoClientCert"
    client_allowed_sans: tuple[Text, ...] = ()
    min_version: _Version = "TLS12"
    max_version: _Version = "TLS13"
    cipher_suites: tuple[Annotated[str, AfterValidator(_suite)], ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: Annotated[tuple[_Curve, ...], AfterValidator(_one_curve)] = ()
    cert: Annotated[None, _inline("cert_file")] = None
    key: Annotated[None, _inline("key_file")] = None
    client_ca: Annotated[None, _inline("client_ca_file")] = None

    @field_validator("key_file")
    @classmethod
    def _of_the_certificate(cls, key_file: Path, info: ValidationInfo) -> Path:
        certificate = info.data.get("cert_file")
        if certificate is not None:
            check_key(certificate, key_file)
        return key_file

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it names."""
        return tuple(file for file in (self.cert_file, self.key_file, self.client_ca_file) if file)


def _hash(value: object) -> SecretBytes:
    """Return the hash of a password. Raises ValueError, which does not repeat it: it may be a password."""
    found = _HASH.fullmatch(single(value))
    if found is None:
        raise ValueError(f"is not a bcrypt hash; {_MAKE_A_HASH}")
    if int(found["cost"]) > HIGHEST_COST:
        raise ValueError(f"takes seconds to check; write a hash of cost 10 to 12, {HIGHEST_COST} at most")
    try:
        # Which salts there can be is for the library to say. At the lowest cost it soon does.
        bcrypt.checkpw(b"", f"$2b$04${found['rest']}".encode())
    except ValueError:
        raise ValueError(f"is a bcrypt hash that was damaged; {_MAKE_A_HASH}") from None
    return SecretBytes(found[0].encode())


def _user(name: str) -> str:
    if ":" in name:
        raise ValueError("has a colon in it, which ends the name when it is sent; choose another name")
    if not name.isprintable():
        raise ValueError("has a character in it that nobody can type; choose another name")
    return name


def _header(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("has characters that a header cannot have; write printable ASCII, in one line")
    return value


_Header = Annotated[str, AfterValidator(_header)] | None
_User = Annotated[str, AfterValidator(_user)]
_PasswordHash = Annotated[SecretBytes, PlainValidator(_hash)]


class HeadersConfiguration(Section):
    """The section ``headers``, sent with every response: these five, as in the toolkit."""

    content_security_policy: _Header = Field(None, alias="Content-Security-Policy")
    x_frame_options: Literal["deny", "sameorigin"] | None = Field(None, alias="X-Frame-Options")
    x_content_type_options: Literal["nosniff"] | None = Field(None, alias="X-Content-Type-Options")
    x_xss_protection: _Header = Field(None, alias="X-XSS-Protection")
    strict_transport_security: _Header = Field(None, alias="Strict-Transport-Security")

    def by_name(self) -> dict[str, str]:
        """Return each header that is set."""
        return {name: value for name, value in self.model_dump(by_alias=True).items() if value}


class HttpServerConfiguration(Section):
    """The section ``http_server_config``. ``http2`` has no effect: HTTP/1.1 is served."""

    http2: bool = True
    headers: HeadersConfiguration = HeadersConfiguration()


class WebConfiguration(Section):
    """Everything that the file says. Without ``tls_server_config`` it is HTTP, without users open to all."""

    tls_server_config: TlsServerConfiguration | None = None
    http_server_config: HttpServerConfiguration = HttpServerConfiguration()
    basic_auth_users: dict[_User, _PasswordHash] = Field(default_factory=dict)
    rate_limit: Annotated[
        None, _refused("is not built; take it away: scrapes and password checks are bounded as they are")
    ] = None


def conflicts(tree: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield conflicts between keys that are valid by themselves, skipping everything of the wrong shape."""
    tls = tree.get("tls_server_config")
    if not isinstance(tls, dict):
        return
    at = "tls_server_config"
    policy = tls.get("client_auth_type", "NoClientCert")
    if "client_ca_file" in tls and policy == "NoClientCert":
        yield Problem(
            (at, "client_ca_file"),
            "has no effect as no certificate is asked for; add client_auth_type: RequireAndVerifyClientCert",
        )
    if "client_ca_file" not in tls and policy in CLIENT_POLICIES[1:]:
        yield Problem((at, "client_auth_type"), f"{policy} needs to know by whom; add client_ca_file")
    if tls.get("client_allowed_sans") and policy != "RequireAndVerifyClientCert":
        yield Problem(
            (at, "client_allowed_sans"),
            "is evaded by clients without a certificate; add client_auth_type: RequireAndVerifyClientCert",
        )
    if (tls.get("min_version"), tls.get("max_version")) == ("TLS13", "TLS12"):
        yield Problem((at, "max_version"), "is below min_version; exchange the two, or take one away")
    suites = tls.get("cipher_suites")
    only_13 = isinstance(suites, list) and suites and all(suite in SUITES_13 for suite in suites)
    if only_13 and tls.get("min_version") != "TLS13":
        yield Problem(
            (at, "cipher_suites"),
            f"has none for TLS 1.2; add one such as {next(reversed(SUITES))}, or min_version: TLS13",
        )
