"""The section ``tls_server_config``. Names of suites and curves are Go's: see ``tls_names``."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator, ValidationInfo, field_validator

from exporter.config.certificates import CertificateFile, check_key
from exporter.config.problems import Problem
from exporter.config.sections import ReadableFile, Text, refused
from exporter.config.tls_names import (
    BROKEN_VERSIONS,
    CLIENT_POLICIES,
    CURVES,
    SUITES,
    SUITES_13,
    UNVERIFIED_CLIENT_POLICIES,
    VERSIONS,
)
from exporter.fields import Section
from exporter.wording import nearest, shown, single


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
    return refused(f"PEM text is not read here; put it into a file and name that with {key}")


_UNVERIFIED = "takes certificates that nobody verifies, which Python cannot do"
_Policy = Annotated[str, _one_of(CLIENT_POLICIES, UNVERIFIED_CLIENT_POLICIES, _UNVERIFIED)]
_Version = Annotated[str, _one_of(VERSIONS, BROKEN_VERSIONS, "is broken, and OpenSSL refuses it (RFC 8996)")]
_Curve = Annotated[str, _one_of(CURVES)]


class TlsServerConfiguration(Section):
    """With what certificate the exporter shows itself, whom it lets connect, and how."""

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


def across(tree: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is wrong between keys that may each be right. It passes over whatever has the wrong shape."""
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
