"""Listen on addresses and accept connections, with or without TLS.

asyncio's own server accepts without a limit, and logs each failure 128 times (Python 3.11).
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from aiohttp.http_exceptions import HttpProcessingError

from exporter.errors import StartError
from exporter.web.limits import Connection, Connections

EVERY_INTERFACE = frozenset({None, "::", "0.0.0.0"})  # noqa: S104 -- recognized, not bound here
"""The hosts that mean every interface."""

_NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})
_BACKLOG = 128
_ACCEPTED_AT_ONCE = 16
"""Connections accepted before yielding to the event loop."""
_PAUSE = 0.5
"""Seconds to wait when the system has no resources for another connection."""
_HANDSHAKE_TIMEOUT = 10.0
_TLS_SHUTDOWN_TIMEOUT = 1.0
"""Seconds. With asyncio's default of 30, a client that reads nothing would delay the stop."""
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

Protocol = Callable[[], asyncio.BaseProtocol]


class Listener:
    """Accepts connections for a protocol, with TLS if ``context`` is set when they are accepted."""

    def __init__(self, protocol: Protocol, connections: Connections, context: ssl.SSLContext | None) -> None:
        self.context = context
        self._protocol = protocol
        self._connections = connections
        self._log = logging.getLogger("exporter.web.connection")
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._paused: dict[socket.socket, asyncio.TimerHandle] = {}
        self._opening: set[asyncio.Task[None]] = set()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The real (host, port) of each socket."""
        return [sock.getsockname()[:2] for sock in self._sockets]

    async def start(self, addresses: Sequence[tuple[str | None, int]]) -> None:
        """Listen on each (host, port); host None, :: and 0.0.0.0 are every interface.

        Raises StartError if one address cannot be bound; then none stays bound.
        """
        for host, port in addresses:
            try:
                is_every = host in EVERY_INTERFACE
                where = {"sock": every_interface(port)} if is_every else {"host": host, "port": port}
                for sock in await self._bound(**where):
                    self._sockets.append(sock)
                    sock.setblocking(False)  # noqa: FBT003 -- of the standard library
                    sock.listen(_BACKLOG)
                    self._resume(sock)
            except OSError as error:
                self.close()
                shown = f"[{host}]" if host and ":" in host else host or ""
                raise StartError(
                    f"cannot listen on {shown}:{port}: {_cause(error)}; "
                    "choose another address with --web.listen-address"
                ) from error

    def close(self) -> None:
        """Stop accepting. Open connections stay open."""
        for sock in self._sockets:
            if sock in self._paused:
                self._paused.pop(sock).cancel()
            self._loop.remove_reader(sock)
            sock.close()
        self._sockets = []

    async def _bound(self, **where: Any) -> list[socket.socket]:  # noqa: ANN401 -- asyncio's own
        # asyncio resolves and binds the addresses; its server owns its sockets, so these are duplicates.
        server = await self._loop.create_server(self._protocol, start_serving=False, **where)
        sockets = [sock.dup() for sock in server.sockets]
        server.close()
        return sockets

    def _resume(self, sock: socket.socket) -> None:
        self._paused.pop(sock, None)
        self._loop.add_reader(sock, self._accept, sock)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:
                self._pause(listening, error)
                return
            sock.setblocking(False)  # noqa: FBT003 -- likewise
            connection = self._connections.admit(sock, str(address[0]))
            if connection is None:
                sock.close()
                continue
            task = self._loop.create_task(self._open(sock, connection))
            connection.end = task.cancel
            self._opening.add(task)
            task.add_done_callback(partial(self._opened, sock))

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """Stop accepting for a while, because the socket stays readable as long as a client waits."""
        self._log.error("cannot accept connections: no file descriptors or memory left")
        if error.errno in _EXHAUSTED:
            self._connections.end_one()
        self._loop.remove_reader(listening)
        self._paused[listening] = self._loop.call_later(_PAUSE, self._resume, listening)

    def _opened(self, sock: socket.socket, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if task.cancelled():
            sock.close()

    async def _open(self, sock: socket.socket, connection: Connection) -> None:
        with contextlib.suppress(OSError):  # ssl.SSLError is an OSError: clients send anything
            transport, _ = await self._loop.connect_accepted_socket(
                self._protocol,
                sock,
                ssl=self.context,
                ssl_handshake_timeout=_HANDSHAKE_TIMEOUT if self.context else None,
                ssl_shutdown_timeout=_TLS_SHUTDOWN_TIMEOUT if self.context else None,
            )
            connection.end = transport.abort


def every_interface(port: int, *, dual_stack: bool | None = None) -> socket.socket:
    """Return a socket bound to a port on every interface: IPv4 and IPv6, or IPv4 if there is no IPv6.

    ``:10390``, ``[::]:10390`` and ``0.0.0.0:10390`` mean the same, as in Go and every Prometheus exporter
    (seen 2026-11, Alertmanager 0.25), unlike in asyncio. ``dual_stack`` overrides the detection of IPv6.
    Raises OSError.
    """
    if dual_stack if dual_stack is not None else socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return socket.create_server(("0.0.0.0", port))  # noqa: S104 -- the operator has asked for it


def connection_logger() -> logging.Logger:
    """Return the logger for aiohttp's server, which drops errors about malformed requests.

    Anyone can send them, and aiohttp logs the line at fault (seen, 3.14), which may be an Authorization
    header with a password.
    """
    logger = logging.getLogger("exporter.web.connection")
    logger.addFilter(_is_no_bad_request)
    return logger


def _is_no_bad_request(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _cause(error: OSError) -> str:
    # asyncio and socket wrap the system's message in one that repeats the address.
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error)
