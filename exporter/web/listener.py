"""Listens on the addresses, and accepts connections with TLS or without.

asyncio's server accepts without a limit, and logs each failure 128 times (3.11).
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
"""The hosts that stand for every interface."""

_NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})
_BACKLOG = 128
_ACCEPTED_AT_ONCE = 16
"""Connections that are accepted before the event loop goes on."""
_PAUSE = 0.5
"""Seconds without accepting where the system has no resources left for a connection."""
_HANDSHAKE_TIMEOUT = 10.0
_TLS_SHUTDOWN_TIMEOUT = 1.0
"""Seconds. With asyncio's 30 a client that reads nothing would delay the stop."""
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

Protocol = Callable[[], asyncio.BaseProtocol]


class Listener:
    """Listens on addresses and gives each connection to a protocol, through TLS where there is a context.

    ``context`` can be exchanged: it is used for the connections that come from then on.
    """

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
        """Listen on each (host, port), where host None, :: and 0.0.0.0 are every interface.

        Raises StartError where one cannot be listened on; then none is.
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
        """Stop accepting. Connections that are open stay open."""
        for sock in self._sockets:
            if sock in self._paused:
                self._paused.pop(sock).cancel()
            self._loop.remove_reader(sock)
            sock.close()
        self._sockets = []

    async def _bound(self, **where: Any) -> list[socket.socket]:  # noqa: ANN401 -- asyncio's own
        # asyncio resolves and binds addresses; it keeps what it has bound, so duplicates are served.
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
        """Stop accepting for a moment: the socket stays readable while a client waits."""
        self._log.error("connections cannot be accepted: no file descriptor or memory is left for them")
        if error.errno in _EXHAUSTED:
            self._connections.end_one()
        self._loop.remove_reader(listening)
        self._paused[listening] = self._loop.call_later(_PAUSE, self._resume, listening)

    def _opened(self, sock: socket.socket, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if task.cancelled():
            sock.close()

    async def _open(self, sock: socket.socket, connection: Connection) -> None:
        with contextlib.suppress(OSError):  # an ssl.SSLError is an OSError: whatever a client sends
            transport, _ = await self._loop.connect_accepted_socket(
                self._protocol,
                sock,
                ssl=self.context,
                ssl_handshake_timeout=_HANDSHAKE_TIMEOUT if self.context else None,
                ssl_shutdown_timeout=_TLS_SHUTDOWN_TIMEOUT if self.context else None,
            )
            connection.end = transport.abort


def every_interface(port: int, *, dual_stack: bool | None = None) -> socket.socket:
    """Return a socket that is bound to a port on every interface; IPv4 alone where the machine has no IPv6.

    ``dual_stack`` says whether the machine can do both on one socket; None is to find out. Raises OSError.
    As Go does it, and so every exporter of the Prometheus project: ``:10390``, ``[::]:10390`` and
    ``0.0.0.0:10390`` all mean one socket for both (seen 2026-11, Alertmanager 0.25), unlike in asyncio.
    """
    if dual_stack if dual_stack is not None else socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return socket.create_server(("0.0.0.0", port))  # noqa: S104 -- the operator has asked for it


def connection_logger() -> logging.Logger:
    """Return the logger for aiohttp's server: it passes on defects of ours, not bad requests.

    Anyone can send what is not HTTP. aiohttp logs each with the line at fault (seen, 3.14), which may be an
    Authorization header with a password.
    """
    logger = logging.getLogger("exporter.web.connection")
    logger.addFilter(_is_no_bad_request)
    return logger


def _is_no_bad_request(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _cause(error: OSError) -> str:
    # asyncio and socket wrap the system's words into sentences of their own that repeat the address.
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error)
