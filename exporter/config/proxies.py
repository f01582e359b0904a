"""Which HTTP proxy a connection goes through: ``proxy_url``, else the variables of the environment.

The variables are read as Prometheus reads them (Go's golang.org/x/net/http/httpproxy): HTTPS_PROXY or
HTTP_PROXY by the scheme of the URL, NO_PROXY for exceptions, in upper or lower case, and never a proxy to
this machine itself.
"""

import ipaddress
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from pydantic import PlainValidator, ValidationInfo

from exporter.config.fields import ValidationContext, checked_proxy_url
from exporter.fields import Form, is_off
from exporter.wording import single

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
