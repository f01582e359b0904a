"""The file of ``--web.config.file``: TLS, headers and passwords in the format of exporter-toolkit.

The format is that of docs/web-configuration.md in prometheus/exporter-toolkit (read 2026-11). Settings that
Python's TLS does not support are errors; none is ignored.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import bcrypt
from pydantic import AfterValidator, Field, PlainValidator, SecretBytes, ValidationInfo, field_validator

from exporter.config.connection import CertificateFile, check_key
from exporter.config.errors import Problem
from exporter.config.fields import ReadableFile, Text
from exporter.errors import nearest, shown, single
from exporter.fields import Section

# Go's names, which the file uses, and OpenSSL's.
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
"""The TLS 1.2 suites that Go considers secure (crypto/tls, CipherSuites, Go 1.23)."""

SUITES_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""All of TLS 1.3. Both Go and OpenSSL accept the names and make their own choice."""

CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}

HIGHEST_COST = 14
"""Of a bcrypt hash. Each step doubles the time of a check, which takes about a second here (2026-11)."""

_HASH = re.compile(r"\$2[aby]\$(?P<cost>0[4-9]|[12]\d|3[01])\$(?P<rest>[./A-Za-z0-9]{53})")
_CREATE_A_HASH = "create one with `htpasswd -nBC 10 NAME`"


def _unsupported(message: str) -> PlainValidator:
    """Return a validator that rejects a key of the toolkit's format, whatever its value."""

    def reject(_: object) -> None:
        raise ValueError(message)

    return PlainValidator(reject)


def _inline(key: str) -> PlainValidator:
    return _unsupported(f"inline PEM is not supported; put it into a file and set {key}")


def _one_of(names: Collection[str], noun: str) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            example = nearest(name, names) or next(iter(names))
            raise ValueError(f"expected {noun} such as {example}, got {shown(name)}")
        return name

    return AfterValidator(check)


def _one_curve(curves: tuple[str, ...]) -> tuple[str, ...]:
    if len(curves) > 1:
        raise ValueError(
            f"expected one curve, which is all that Python supports, got {len(curves)}; keep one, or delete "
            "the key for OpenSSL's default"
        )
    return curves


# Python has no policy that accepts unverified certificates, and OpenSSL rejects older versions (RFC 8996).
_Policy = Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"]
_Version = Literal["TLS12", "TLS13"]
_Suite = Annotated[str, _one_of((*SUITES, *SUITES_13), "a supported suite")]
_Curve = Annotated[str, _one_of(CURVES, "a curve")]


class TlsServerConfiguration(Section):
    """The section ``tls_server_config``."""

    cert_file: CertificateFile
    key_file: ReadableFile
    client_ca_file: CertificateFile | None = None
    client_auth_type: _Policy = "NoClientCert"
    client_allowed_sans: tuple[Text, ...] = ()
    min_version: _Version = "TLS12"
    max_version: _Version = "TLS13"
    cipher_suites: tuple[_Suite, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: Annotated[tuple[_Curve, ...], AfterValidator(_one_curve)] = ()
    cert: Annotated[None, _inline("cert_file")] = None
    key: Annotated[None, _inline("key_file")] = None
    client_ca: Annotated[None, _inline("client_ca_file")] = None

    @field_validator("key_file")
    @classmethod
    def _matches_certificate(cls, key_file: Path, info: ValidationInfo) -> Path:
        certificate = info.data.get("cert_file")
        if certificate is not None:
            check_key(certificate, key_file)
        return key_file

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the section names."""
        return tuple(file for file in (self.cert_file, self.key_file, self.client_ca_file) if file)


def _hash(value: object) -> SecretBytes:
    """Return a bcrypt hash. An error does not repeat the value, which may be a password."""
    found = _HASH.fullmatch(single(value))
    if found is None:
        raise ValueError(f"expected a bcrypt hash that starts with $2y$; {_CREATE_A_HASH}")
    if int(found["cost"]) > HIGHEST_COST:
        raise ValueError(f"expected a cost of {HIGHEST_COST} or less, got {found['cost']}; {_CREATE_A_HASH}")
    try:
        # The library decides which salts are valid, at the lowest cost, which is fast.
        bcrypt.checkpw(b"", f"$2b$04${found['rest']}".encode())
    except ValueError:
        raise ValueError(f"damaged bcrypt hash; {_CREATE_A_HASH}") from None
    return SecretBytes(found[0].encode())


def _user(name: str) -> str:
    if ":" in name:
        raise ValueError("must not contain a colon, which ends the user name in basic authentication")
    if not name.isprintable():
        raise ValueError("must not contain characters that cannot be typed")
    return name


def _header(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("expected printable ASCII on one line, got other characters")
    return value


_Header = Annotated[str, AfterValidator(_header)] | None
_User = Annotated[str, AfterValidator(_user)]
_PasswordHash = Annotated[SecretBytes, PlainValidator(_hash)]


class HeadersConfiguration(Section):
    """The section ``headers``: the five headers that the toolkit allows, sent with every response."""

    content_security_policy: _Header = Field(None, alias="Content-Security-Policy")
    x_frame_options: Literal["deny", "sameorigin"] | None = Field(None, alias="X-Frame-Options")
    x_content_type_options: Literal["nosniff"] | None = Field(None, alias="X-Content-Type-Options")
    x_xss_protection: _Header = Field(None, alias="X-XSS-Protection")
    strict_transport_security: _Header = Field(None, alias="Strict-Transport-Security")

    def by_name(self) -> dict[str, str]:
        """Return the headers that are set."""
        return {name: value for name, value in self.model_dump(by_alias=True).items() if value}


class HttpServerConfiguration(Section):
    """The section ``http_server_config``. ``http2`` has no effect: the server speaks HTTP/1.1."""

    http2: bool = True
    headers: HeadersConfiguration = HeadersConfiguration()


class WebConfiguration(Section):
    """The whole file. Without ``tls_server_config`` it is plain HTTP; without users, anyone has access."""

    tls_server_config: TlsServerConfiguration | None = None
    http_server_config: HttpServerConfiguration = HttpServerConfiguration()
    basic_auth_users: dict[_User, _PasswordHash] = Field(default_factory=dict)
    rate_limit: Annotated[
        None, _unsupported("not supported; delete it: scrapes and password checks have fixed limits")
    ] = None


def conflicts(tree: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield conflicts between keys that are valid separately, skipping everything of the wrong type."""
    tls = tree.get("tls_server_config")
    if not isinstance(tls, dict):
        return
    for key, text in _tls_conflicts(tls):
        yield Problem(("tls_server_config", key), text)


def _tls_conflicts(tls: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    require = "set client_auth_type: RequireAndVerifyClientCert"
    policy = tls.get("client_auth_type", "NoClientCert")
    if "client_ca_file" in tls and policy == "NoClientCert":
        yield "client_ca_file", f"has no effect without client certificates; {require}"
    if "client_ca_file" not in tls and policy in ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert"):
        yield "client_auth_type", f"{policy} needs a certificate authority; add client_ca_file"
    if tls.get("client_allowed_sans") and policy != "RequireAndVerifyClientCert":
        yield "client_allowed_sans", f"does not apply to clients without a certificate; {require}"
    if (tls.get("min_version"), tls.get("max_version")) == ("TLS13", "TLS12"):
        yield "max_version", "is below min_version; swap them, or delete one"
    suites = tls.get("cipher_suites")
    only_13 = isinstance(suites, list) and suites and all(suite in SUITES_13 for suite in suites)
    if only_13 and tls.get("min_version") != "TLS13":
        example = next(reversed(SUITES))
        yield "cipher_suites", f"no suite for TLS 1.2; add one such as {example}, or set min_version: TLS13"
