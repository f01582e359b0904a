"""``healthcheck``: asks the exporter of this machine whether it is healthy, for Docker's HEALTHCHECK.

The exit status is 0 or 1: Docker keeps 2 for itself.
"""

import argparse
import http.client
import socket
import ssl
import sys
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path

from exporter.config import TlsServerConfiguration, load_web
from exporter.errors import ConfigurationError
from exporter.web import EVERY_INTERFACE, HEALTHY

_TIMEOUT = 5.0

_Asked = tuple[int, str]


def run(arguments: argparse.Namespace) -> int:
    """Ask every address, print one sentence, and return 0 if each answers that it is healthy, else 1."""
    sentence = ""
    for host, port in _asked(arguments.listen_addresses):
        try:
            sentence = _healthy(host, port, arguments.web_config_file)
        except _UnhealthyError as problem:
            print(problem, file=sys.stderr)
            return 1
    print(sentence)
    return 0


class _UnhealthyError(Exception):
    """An address does not answer that the exporter is healthy. The text is the reason."""


def _asked(addresses: Iterable[tuple[str | None, int]]) -> Iterator[tuple[str, int]]:
    """Yield the addresses to ask; every interface means IPv4 and IPv6, as far as this machine has them."""
    for host, port in addresses:
        if host is None or host in EVERY_INTERFACE:
            yield from ((loopback, port) for loopback in ("127.0.0.1", "::1") if _has(loopback))
        else:
            yield host, port


def _has(address: str) -> bool:
    """Return whether this machine has an address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _healthy(host: str, port: int, web_file: Path | None) -> str:
    """Return the answer of a healthy exporter at an address. Raises _UnhealthyError for any other."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        status, text = _ask(host, port, web_file)
    except OSError as error:
        raise _UnhealthyError(f"no answer from {address}: {_cause(error)}") from None
    except http.client.HTTPException as error:
        raise _UnhealthyError(f"no HTTP from {address}: {type(error).__name__}") from None
    sentence = text.strip() or f"HTTP {status}"
    if status != HTTPStatus.OK:
        raise _UnhealthyError(sentence)
    return sentence


def _ask(host: str, port: int, web_file: Path | None) -> _Asked:
    try:
        tls = load_web(web_file).tls_server_config if web_file else None
    except ConfigurationError:
        # The exporter keeps the last valid file, so it may serve HTTP or HTTPS.
        try:
            return _ask_with(_https(host, port, None))
        except OSError:
            tls = None
    plain = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    return _ask_with(_https(host, port, tls) if tls else plain)


def _https(host: str, port: int, tls: TlsServerConfiguration | None) -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT, context=_context(tls))


def _ask_with(connection: http.client.HTTPConnection) -> _Asked:
    try:
        connection.request("GET", HEALTHY)
        response = connection.getresponse()
        return response.status, response.read(1000).decode(errors="replace")
    finally:
        connection.close()


def _context(tls: TlsServerConfiguration | None) -> ssl.SSLContext:
    """Return a context that accepts any certificate: this asks whether the exporter answers, not who it is.

    Where clients need a certificate, it presents the exporter's own.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if tls and tls.client_ca_file:
        context.load_cert_chain(tls.cert_file, tls.key_file, password="")
    return context


def _cause(error: OSError) -> str:
    if isinstance(error, ssl.SSLError | ConnectionResetError):
        return (
            "it closed the connection; see that --web.config.file is the exporter's own, and, where clients "
            "need a certificate, that client_ca_file issued cert_file, for clients as well"
        )
    return error.strerror or str(error)
