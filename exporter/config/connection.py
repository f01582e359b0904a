"""How a connection to a switch or an Alertmanager is made: the section ``tls``, and ``proxy_url``.

Certificates and keys are read by the library that will use them, so nothing passes here that fails there.

Proxy variables are read as Prometheus reads them (Go's golang.org/x/net/http/httpproxy): HTTPS_PROXY or
HTTP_PROXY by the scheme of the URL, NO_PROXY for exceptions, in upper or lower case, and never a proxy to
this machine itself.
"""

import ipaddress
import re
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, NoReturn
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from pydantic import Field, PlainValidator, ValidationInfo, field_validator, model_validator

from exporter.config.fields import ReadableFile, Text, ValidationContext, checked_proxy_url, readable_file
from exporter.errors import single
from exporter.fields import Form, Section, is_off

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. ``source`` names the setting or the variable that it comes from."""

    written: str = field(repr=False)  # may hold a password
    source: str

    @property
    def url(self) -> str:
        """Its address, without user and password."""
        scheme, rest = self.written.split("://", 1)
        return f"{scheme}://{re.split('[/?#]', rest, maxsplit=1)[0].rpartition('@')[2]}"

    @property
    def authorization(self) -> str:
        """The value of the header Proxy-Authorization, or "" without a user.

        The bytes are those that the URL stands for, as curl and Go send them. aiohttp fails beyond Latin-1.
        """
        user, password = self._credentials
        if not (user or password):
            return ""
        return f"Basic {b64encode(unquote_to_bytes(user) + b':' + unquote_to_bytes(password)).decode()}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password in each of its forms, for masking."""
        password = self._credentials[1]
        if not password:
            return ()
        return password, unquote(password), self.authorization.removeprefix("Basic ")

    @property
    def _credentials(self) -> tuple[str, str]:
        parts = urlsplit(self.written)
        return parts.username or "", parts.password or ""


def proxy_from_environment(url: str, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that the environment names for a URL. Raises ValueError where it cannot be used."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    name, written = _variable(environment, f"{parts.scheme.upper()}_PROXY")
    if not written or _is_this_machine(host):
        return None
    if any(_is_exempt(host, port, entry) for entry in _exceptions(environment)):
        return None
    try:
        return Proxy(checked_proxy_url(written if "://" in written else f"http://{written}"), name)
    except ValueError as error:
        raise ValueError(f"is absent, and {name} in the environment {error}, or `proxy_url: off`") from None


def _variable(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    for spelling in (name, name.lower()):
        if value := environment.get(spelling, "").strip():
            return spelling, value
    return name, ""


def _exceptions(environment: Mapping[str, str]) -> Iterator[str]:
    return (entry for entry in re.split(r"[,\s]+", _variable(environment, "NO_PROXY")[1].lower()) if entry)


def _is_this_machine(host: str) -> bool:
    address = _address(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def _is_exempt(host: str, port: int, entry: str) -> bool:
    """Return whether an entry of NO_PROXY matches this host: ``*``, a network, a name, or an address."""
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, entry_port = _host_and_port(entry)
    if entry_port not in {None, port}:
        return False
    if address is not None:
        return address == _address(name)
    # A name matches itself and its subdomains; with a leading dot only subdomains.
    suffix = name.removeprefix("*")
    return host == suffix or host.endswith(suffix if suffix.startswith(".") else f".{suffix}")


def _host_and_port(entry: str) -> tuple[str, int | None]:
    if _address(entry) is not None:  # IPv6 without brackets
        return entry, None
    try:
        parts = urlsplit(f"//{entry}")
        port = parts.port
    except ValueError:
        return "", None
    return parts.hostname or "", port


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _proxy(value: object, info: ValidationInfo) -> Proxy | None:
    if value is None:
        url = info.data.get("url")  # absent where it is wrong, which is reported by itself
        environment = info.context.environment if isinstance(info.context, ValidationContext) else {}
        return proxy_from_environment(url, environment) if url else None
    written = single(value)
    return None if is_off(written) else Proxy(checked_proxy_url(written), "proxy_url")


ProxySetting = Annotated[Proxy | None, PlainValidator(_proxy), Form("URL, `off` for none")]
"""``proxy_url`` of a section with a ``url`` before it.

Declare it with ``Field(None, alias="proxy_url", validate_default=True, repr=False, …)``.
"""


def _certificates(value: object, info: ValidationInfo) -> Path:
    path = readable_file(value, info)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:
        raise ValueError(
            f'"{path}" holds no certificate that can be read; name a file in PEM format, '
            "with -----BEGIN CERTIFICATE----- in it"
        ) from None
    return path


def check_key(certificate: Path, key: Path | None) -> None:
    """Check that a private key belongs to a certificate. Without ``key`` it is in the certificate's file.

    Raises ValueError with the second half of a sentence about the key. Nothing of a key is repeated.
    """
    path = key or certificate
    try:
        # Without a function for the passphrase, OpenSSL asks for it on the terminal, and waits.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, _no_passphrase)
    except ssl.SSLError as error:
        raise ValueError(_complaint(path, certificate, error.reason)) from None
    except OSError as error:
        raise ValueError(f'"{path}" cannot be read ({error.strerror}); check its permissions') from None
    except _EncryptedError:
        raise ValueError(
            f'"{path}" is encrypted with a passphrase, which nobody is there to type; '
            "write the key without one, readable for the exporter alone"
        ) from None


class _EncryptedError(Exception):
    """A key cannot be read without a passphrase."""


def _no_passphrase() -> NoReturn:
    raise _EncryptedError


def _complaint(path: Path, certificate: Path, reason: str | None) -> str:
    if reason is None:
        return f'"{path}" holds no private key that can be read; name a file in PEM format, with one in it'
    if reason in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}:
        return f'"{path}" is not the key of "{certificate}"; name the two that were made together'
    return f'"{path}" and "{certificate}" cannot be used ({reason.replace("_", " ").lower()}); make new ones'


CertificateFile = Annotated[Path, PlainValidator(_certificates), Form("path of a file in PEM format")]
"""A file in PEM format with at least one certificate in it."""


class TlsConfiguration(Section):
    """TLS of connections to a switch or an Alertmanager, named as in Prometheus's ``tls_config``."""

    ca_file: CertificateFile | None = Field(
        None,
        description="Certificates that are trusted, in place of those of the system: of an authority, an "
        "intermediate one, or the server itself. Read again when the file changes, like the next two.",
        examples=["private-ca.pem"],
    )
    cert_file: CertificateFile | None = Field(
        None, description="Certificate that the exporter shows to the server.", examples=["client.pem"]
    )
    key_file: ReadableFile | None = Field(
        None,
        description="Private key of `cert_file`, where it is not in the same file.",
        examples=["client.key"],
    )
    server_name: Text | None = Field(
        None,
        description="The name that the certificate is for, where it is another than in `url`.",
        examples=["pbx.internal"],
    )
    min_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] = Field(
        "TLS12",
        description="The oldest version of TLS that is spoken. `TLS10` and `TLS11` also accept the short "
        "keys and SHA-1 signatures of that time (OpenSSL's security level 0, else 2).",
        examples=["TLS13"],
    )
    insecure_skip_verify: bool = Field(
        default=False,
        description="Take any certificate: anybody in between can then read the key. For a test only.",
        examples=[True],
    )

    @field_validator("key_file")
    @classmethod
    def _of_the_certificate(cls, key_file: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("cert_file")
        if certificate is not None and key_file is not None:
            check_key(certificate, key_file)
        return key_file

    @model_validator(mode="after")
    def _key_with_certificate(self) -> "TlsConfiguration":
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("has key_file without cert_file; add cert_file, or take key_file away")
        if self.cert_file is not None and self.key_file is None:
            try:
                check_key(self.cert_file, None)
            except ValueError as error:
                raise ValueError(f"has no key_file, and cert_file {error}, or add key_file") from None
        return self
