"""Settings of a connection to a switch or an Alertmanager: ``tls`` and ``proxy_url``.

OpenSSL itself checks certificates and keys, so a file that passes here also works later. The proxy variables
mean what they mean to Prometheus (Go's golang.org/x/net/http/httpproxy): HTTPS_PROXY or HTTP_PROXY by the
scheme of the URL, exceptions in NO_PROXY, upper or lower case, and no proxy for loopback addresses.
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

from pydantic import Field, PlainValidator, ValidationInfo, field_validator

from exporter.config.fields import ReadableFile, Text, ValidationContext, checked_proxy_url, readable_file
from exporter.errors import single
from exporter.fields import NOT_BLANK, OFF, URL, Form, SchemaOf, Section, either, is_off


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. ``source`` names the setting or environment variable."""

    written: str = field(repr=False)  # may contain a password
    source: str

    @property
    def url(self) -> str:
        """The address without user and password."""
        scheme, rest = self.written.split("://", 1)
        return f"{scheme}://{re.split('[/?#]', rest, maxsplit=1)[0].rpartition('@')[2]}"

    @property
    def authorization(self) -> str:
        """The value of the header Proxy-Authorization, or "" without a user.

        It encodes the same bytes as curl's and Go's. aiohttp's own encoding fails beyond Latin-1.
        """
        parts = urlsplit(self.written)
        user, password = parts.username or "", parts.password or ""
        if not (user or password):
            return ""
        return f"Basic {b64encode(unquote_to_bytes(user) + b':' + unquote_to_bytes(password)).decode()}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every form of the password, for masking."""
        password = urlsplit(self.written).password
        if not password:
            return ()
        return password, unquote(password), self.authorization.removeprefix("Basic ")


def proxy_from_environment(url: str, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that the environment sets for a URL. Raises ValueError if its value is invalid."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]
    address = _address(host)
    name, written = _variable(environment, f"{parts.scheme.upper()}_PROXY")
    is_loopback = host.lower() == "localhost" or (address is not None and address.is_loopback)
    if not written or is_loopback or any(_matches(host, port, entry) for entry in _no_proxy(environment)):
        return None
    try:
        return Proxy(checked_proxy_url(written if "://" in written else f"http://{written}"), name)
    except ValueError as error:
        raise ValueError(f"not set, and {name} in the environment: {error}; or `proxy_url: off`") from None


def _variable(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    for spelling in (name, name.lower()):
        if value := environment.get(spelling, "").strip():
            return spelling, value
    return name, ""


def _no_proxy(environment: Mapping[str, str]) -> Iterator[str]:
    return (entry for entry in re.split(r"[,\s]+", _variable(environment, "NO_PROXY")[1].lower()) if entry)


def _matches(host: str, port: int, entry: str) -> bool:
    """Return whether an entry of NO_PROXY (``*``, a network, a name or an address) matches a host."""
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
        url = info.data.get("url")  # absent if it is invalid, which is reported separately
        environment = info.context.environment if isinstance(info.context, ValidationContext) else {}
        return proxy_from_environment(url, environment) if url else None
    written = single(value)
    if is_off(written):
        return None
    try:
        return Proxy(checked_proxy_url(written), "proxy_url")
    except ValueError as error:
        if str(error).startswith("invalid URL"):
            raise ValueError(f"{error}; or `off` for none") from None
        raise


ProxySetting = Annotated[
    Proxy | None, PlainValidator(_proxy), Form("URL, or `off` for none"), SchemaOf(either(OFF, URL))
]
"""The key ``proxy_url``, after ``url``: ``Field(None, alias="proxy_url", validate_default=True, …)``."""


def _certificates(value: object, info: ValidationInfo) -> Path:
    path = readable_file(value, info)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:
        raise ValueError(
            f'"{path}" contains no valid certificate; expected a PEM file with -----BEGIN CERTIFICATE-----'
        ) from None
    return path


def check_key(certificate: Path, key: Path | None) -> None:
    """Raise ValueError unless a private key belongs to a certificate.

    If ``key`` is None, the key is in the certificate's file. The message starts with the path of the key and
    contains nothing of its content.
    """
    path = key or certificate
    try:
        # Without a passphrase function, OpenSSL prompts on the terminal and waits.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, _no_passphrase)
    except ssl.SSLError as error:
        raise ValueError(_key_problem(path, certificate, error.reason)) from None
    except OSError as error:
        raise ValueError(f'"{path}" cannot be read ({error.strerror}); check its permissions') from None
    except _EncryptedError:
        raise ValueError(
            f'"{path}" is encrypted with a passphrase; expected an unencrypted key that only the exporter '
            "can read"
        ) from None


class _EncryptedError(Exception):
    """A key cannot be read without a passphrase."""


def _no_passphrase() -> NoReturn:
    raise _EncryptedError


def _key_problem(path: Path, certificate: Path, reason: str | None) -> str:
    if reason is None:
        return f'"{path}" contains no valid private key; expected a PEM file with one'
    if reason in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}:
        return f'"{path}" is not the key of "{certificate}"; use the matching pair'
    return f'"{path}" is rejected by OpenSSL ({reason.replace("_", " ").lower()}); create a new key pair'


CertificateFile = Annotated[
    Path, PlainValidator(_certificates), Form("path of a file in PEM format"), SchemaOf(NOT_BLANK)
]


class TlsConfiguration(Section):
    """The section ``tls``, with the keys of Prometheus's ``tls_config``."""

    ca_file: CertificateFile | None = Field(
        None,
        description="Certificates to trust instead of the system's: of a root or intermediate authority, or "
        "of the server itself. This file and the next two are reloaded when they change.",
        examples=["private-ca.pem"],
    )
    cert_file: CertificateFile | None = Field(
        None, description="Client certificate that the exporter presents.", examples=["client.pem"]
    )
    key_file: ReadableFile | None = Field(
        None,
        validate_default=True,
        description="Private key of `cert_file`, if it is not in the same file.",
        examples=["client.key"],
    )
    server_name: Text | None = Field(
        None,
        description="The name in the server's certificate, if it differs from the host in `url`.",
        examples=["pbx.internal"],
    )
    min_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] = Field(
        "TLS12",
        description="The lowest TLS version to use. `TLS10` and `TLS11` also allow short keys and SHA-1 "
        "signatures (OpenSSL security level 0 instead of 2).",
        examples=["TLS13"],
    )
    insecure_skip_verify: bool = Field(
        default=False,
        description="Do not verify the server's certificate. Anyone on the network path can then read the "
        "key, so use it only for a test.",
        examples=[True],
    )

    @field_validator("key_file")
    @classmethod
    def _matches_certificate(cls, key_file: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("cert_file")
        if certificate is not None and key_file is not None:
            check_key(certificate, key_file)
        elif certificate is not None:
            try:
                check_key(certificate, None)
            except ValueError as error:
                raise ValueError(f"not set, and cert_file {error}; or add key_file") from None
        return key_file
