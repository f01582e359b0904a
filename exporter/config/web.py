"""The file of ``--web.config.file``: TLS, headers and passwords, in the exporter-toolkit's format.

It is described in docs/web-configuration.md of prometheus/exporter-toolkit (read 2026-11). What it has and
Python's TLS cannot do is refused, with the reason; nothing is passed over in silence.
"""

import re
from typing import Annotated, Literal

import bcrypt
from pydantic import AfterValidator, Field, PlainValidator, SecretBytes

from exporter.config.sections import refused
from exporter.config.tls_server import TlsServerConfiguration
from exporter.fields import Section
from exporter.wording import single

HIGHEST_COST = 14
"""Of a hash: each step doubles the time of a check, and this one takes about a second (2026-11)."""

_HASH = re.compile(r"\$2[aby]\$(?P<cost>0[4-9]|[12]\d|3[01])\$(?P<rest>[./A-Za-z0-9]{53})")
_MAKE_A_HASH = "make one with `htpasswd -nBC 10 NAME`; it begins with $2y$"


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
    """The section ``headers``: what is sent along with every answer. These five, as in the toolkit."""

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
        None, refused("is not built; take it away: scrapes and password checks are bounded as they are")
    ] = None
