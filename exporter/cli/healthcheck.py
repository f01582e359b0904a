"""``healthcheck``: asks the exporter of this machine whether it is healthy, for Docker's HEALTHCHECK.

The exit status is 0 or 1: Docker keeps 2 for itself.
"""

import argparse
import http.client
import ssl
import sys
from http import HTTPStatus
from pathlib import Path

from exporter.config import TlsServerConfiguration, load_web
from exporter.errors import ConfigurationError
from exporter.web import HEALTHY

_TIMEOUT = 5.0
_EVERY_INTERFACE = {None: "localhost", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- asked, not served

_Asked = tuple[int, str]


def run(arguments: argparse.Namespace) -> int:
    """Ask the first of the addresses, print one sentence, and return 0 where it is healthy, else 1."""
    host, port = arguments.listen_addresses[0]
    host = _EVERY_INTERFACE.get(host, host)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        status, text = _ask(host, port, arguments.web_config_file)
    except OSError as error:
        print(f"no answer from {address}: {_cause(error)}", file=sys.stderr)
        return 1
    except http.client.HTTPException as error:
        print(f"no HTTP from {address}: {type(error).__name__}", file=sys.stderr)
        return 1
    healthy = status == HTTPStatus.OK
    print(text.strip() or f"HTTP {status}", file=sys.stdout if healthy else sys.stderr)
    return 0 if healthy else 1


def _ask(host: str, port: int, web_file: Path | None) -> _Asked:
    try:
        tls = load_web(web_file).tls_server_config if web_file else None
    except ConfigurationError:
        # The exporter goes on with what was right before; so it may speak either.
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
    """Return a context that takes any certificate: what matters here is not who answers, but that it does.

    Where clients need a certificate, the exporter's own is shown.
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
