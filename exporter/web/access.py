"""Access control: client certificates, passwords, the Host header, and requests from other sites.

The check of the Host header prevents DNS rebinding: another site can resolve its own name to the exporter's
address, and a browser then lets that site read and send everything. But the browser still sends the name of
that site in ``Host``.
"""

import ipaddress
import re
import socket
import ssl
from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from exporter.config import WebConfiguration
from exporter.web.passwords import Passwords, Verdict, credentials

_INSIDE = (".localhost", ".svc", ".svc.cluster.local")
"""Suffixes that cannot be registered on the Internet: this machine, and services in Kubernetes."""

_PORT = re.compile(r":[0-9]*\Z")

HEALTHY = "/-/healthy"
"""The one path without a password, for liveness probes."""

_SAN_KINDS = {"DNS", "email", "IP Address", "URI"}
"""The kinds of subject alternative names that are compared, as in exporter-toolkit."""

_READING = {hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS}


class Hosts:
    """The allowed hosts.

    These are IP addresses, names that nobody can register (``_INSIDE``, names without a dot), the name of
    this machine, the listen addresses, and the host in ``external_url``.
    """

    def __init__(
        self, listen_addresses: Sequence[tuple[str | None, int]] = (), external_url: str | None = None
    ) -> None:
        external = urlsplit(external_url or "")
        names = [socket.gethostname(), external.hostname or "", *(host or "" for host, _ in listen_addresses)]
        self._names = {_host_name(name) for name in names if name}
        self.external_origin = f"{external.scheme}://{external.netloc}".lower() if external_url else None

    def allows(self, host: str | None) -> bool:
        """Return whether a ``Host`` header is allowed.

        A request without one (None) is allowed: it is not from a browser, because every browser sends one.
        """
        if host is None:
            return True
        name = _host_name(_PORT.sub("", host))
        if name in self._names or name.endswith(_INSIDE):
            return True
        # A name without a dot, such as localhost, cannot be registered.
        return _is_address(name) or "." not in name


def host_refusal(host: str) -> str:
    """Return the error message for a host that is not allowed."""
    shown = "".join(letter for letter in host[:100] if letter.isprintable())
    return (
        f"Unknown host {shown!r} in this request. If it is a name of this exporter, start the exporter with "
        f"--web.external-url=http://{shown} (or https)."
    )


def _host_name(name: str) -> str:
    return name.strip("[]").rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


class Access:
    """The access rules of a web configuration. ``open_paths`` can be read with any ``Host``."""

    def __init__(
        self,
        passwords: Passwords,
        known_hosts: Hosts | None = None,
        open_paths: Collection[str] = (),
    ) -> None:
        self._passwords = passwords
        self._hosts = known_hosts or Hosts()
        self._open_paths = frozenset(open_paths)
        self._allowed_names: frozenset[str] = frozenset()
        self._headers: Mapping[str, str] = {}
        self._context: ssl.SSLContext | None = None

    def apply(self, configuration: WebConfiguration, context: ssl.SSLContext | None) -> None:
        """Replace the rules. Passwords of unchanged users stay verified.

        A connection that was not made with ``context`` ends after its next response.
        """
        self._context = context
        tls = configuration.tls_server_config
        self._allowed_names = frozenset(map(_plain, tls.client_allowed_sans if tls else ()))
        self._headers = configuration.http_server_config.headers.by_name()
        self._passwords.apply(
            {
                user.encode(): known.get_secret_value()
                for user, known in configuration.basic_auth_users.items()
            }
        )

    def guard(self, application: web.Application) -> None:
        """Apply the rules to every request of an application, also for paths that do not exist."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._refusal(request) or await handler(request)

        async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
            response.headers.update(self._headers)
            if request.get_extra_info("sslcontext") is not self._context:
                response.force_close()
                response.headers[hdrs.CONNECTION] = "close"

        application.middlewares.append(guarded)
        application.on_response_prepare.append(add_headers)

    async def _refusal(self, request: web.Request) -> web.Response | None:
        certificate = request.get_extra_info("peercert") or {}
        if self._allowed_names and not self._allowed_names & certificate_names(certificate):
            refusal = _plain_text(
                HTTPStatus.FORBIDDEN, "The client certificate has no name that client_allowed_sans contains."
            )
            refusal.force_close()
            return refusal
        if self._passwords.needed and request.path != HEALTHY:
            refused = await self._without_password(request)
            if refused is not None:
                return refused
        if self._is_of_unknown_host(request):
            return _plain_text(HTTPStatus.FORBIDDEN, host_refusal(request.headers[hdrs.HOST]))
        if request.method not in _READING and self._is_of_another_site(request):
            return _plain_text(
                HTTPStatus.FORBIDDEN,
                "Cross-site request: a page of another site made the browser send it.",
            )
        return None

    def _is_of_unknown_host(self, request: web.Request) -> bool:
        """Return whether another site may have made the browser send the request, by DNS rebinding.

        TLS and passwords prevent this on their own: for the name of the other site, the browser rejects the
        certificate, or has no password.
        """
        is_protected = self._passwords.needed or request.get_extra_info("sslcontext") is not None
        is_open = request.method in _READING and request.path in self._open_paths
        return not (is_protected or is_open or self._hosts.allows(request.headers.get(hdrs.HOST)))

    def _is_of_another_site(self, request: web.Request) -> bool:
        """Return whether a page of another site made a browser send this.

        Clients other than browsers normally send neither ``Sec-Fetch-Site`` nor ``Origin``.
        """
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None:
            return site not in {"same-origin", "none"}
        # Older browsers, and browsers over HTTP from another machine, send only Origin.
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or origin.lower() == self._hosts.external_origin:
            return False
        try:
            return urlsplit(origin).netloc.lower() != request.host.lower()
        except ValueError:
            return True

    async def _without_password(self, request: web.Request) -> web.Response | None:
        given = credentials(request.headers.get(hdrs.AUTHORIZATION, ""))
        verdict = await self._passwords.verdict(given, request.remote or "") if given else Verdict.WRONG
        if verdict is Verdict.RIGHT:
            return None
        if verdict is Verdict.BUSY:
            return _plain_text(
                HTTPStatus.TOO_MANY_REQUESTS,
                "Too many passwords are waiting to be checked. Try again.",
                {hdrs.RETRY_AFTER: "1"},
            )
        return _plain_text(
            HTTPStatus.UNAUTHORIZED,
            "A valid user and password are required (see basic_auth_users in --web.config.file).",
            {hdrs.WWW_AUTHENTICATE: 'Basic realm="softswitch-exporter", charset="UTF-8"'},
        )


def _plain_text(status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=f"{sentence}\n", headers=headers)


def certificate_names(certificate: Mapping[str, Any]) -> set[str]:
    """Return the subject alternative names of a certificate in Python's format."""
    return {_plain(name) for kind, name in certificate.get("subjectAltName", ()) if kind in _SAN_KINDS}


def _plain(name: str) -> str:
    """Return an IP address in its short form, as Go compares it, and any other name unchanged."""
    try:
        return str(ipaddress.ip_address(name.strip()))
    except ValueError:
        return name
