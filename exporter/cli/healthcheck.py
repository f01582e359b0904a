"""``healthcheck``: check whether the local exporter is healthy, for Docker's HEALTHCHECK.

The exit status is 0 or 1: Docker reserves 2.
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


def run(arguments: argparse.Namespace) -> int:
    """Check every address and print one sentence. Return 0 if all are healthy, else 1."""
    sentence = ""
    for host, port in _targets(arguments.web_listen_address):
        is_healthy, sentence = _check(host, port, arguments.web_config_file)
        if not is_healthy:
            print(sentence, file=sys.stderr)
            return 1
    print(sentence)
    return 0


def _targets(addresses: Iterable[tuple[str | None, int]]) -> Iterator[tuple[str, int]]:
    """Yield the addresses to check. Every interface means IPv4 and IPv6, if the machine has them."""
    for host, port in addresses:
        if host is None or host in EVERY_INTERFACE:
            yield from ((loopback, port) for loopback in ("127.0.0.1", "::1") if _exists(loopback))
        else:
            yield host, port


def _exists(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _check(host: str, port: int, web_file: Path | None) -> tuple[bool, str]:
    """Return whether the exporter is healthy at one address, and its response or the reason."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        status, text = _get(host, port, web_file)
    except OSError as error:
        return False, f"no response from {address}: {_cause(error)}"
    except http.client.HTTPException as error:
        return False, f"expected HTTP from {address}, got {type(error).__name__}"
    return status == HTTPStatus.OK, text.strip() or f"HTTP {status}"


def _get(host: str, port: int, web_file: Path | None) -> tuple[int, str]:
    try:
        tls = load_web(web_file).tls_server_config if web_file else None
    except ConfigurationError:
        # The exporter keeps the last valid file, so it may serve HTTP or HTTPS.
        try:
            return _send(_https(host, port, None))
        except OSError:
            tls = None
    return _send(_https(host, port, tls) if tls else http.client.HTTPConnection(host, port, timeout=_TIMEOUT))


def _send(connection: http.client.HTTPConnection) -> tuple[int, str]:
    try:
        connection.request("GET", HEALTHY)
        response = connection.getresponse()
        return response.status, response.read(1000).decode(errors="replace")
    finally:
        connection.close()


def _https(host: str, port: int, tls: TlsServerConfiguration | None) -> http.client.HTTPSConnection:
    """Return a connection that accepts any certificate: the check is only whether the exporter responds.

    If the exporter requires a client certificate, the connection presents the exporter's own certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if tls and tls.client_ca_file:
        context.load_cert_chain(tls.cert_file, tls.key_file, password="")
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT, context=context)


def _cause(error: OSError) -> str:
    if isinstance(error, ssl.SSLError | ConnectionResetError):
        return (
            "the connection was closed; use the exporter's own --web.config.file. If clients need a "
            "certificate, client_ca_file must have issued cert_file, and allow client authentication with it"
        )
    return error.strerror or str(error)
