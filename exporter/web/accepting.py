"""Accepts connections. asyncio's server accepts without a limit, and logs each failure 128 times (3.11)."""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial

from exporter.web.connections import Connection, Connections

_BACKLOG = 128
_AT_A_TIME = 16
"""Connections that are accepted before everything else goes on."""
_PAUSE = 0.5
"""Seconds without accepting where the system has no resources left for a connection."""
_HANDSHAKE = 10.0
"""Seconds that a client has for it."""
_GOODBYE = 1.0
"""Seconds that a client has to end TLS. With asyncio's 30 one that reads nothing would hold up a stop."""
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

Protocol = Callable[[], asyncio.BaseProtocol]


class Accepting:
    """Accepts on sockets that are bound, and gives each connection to a protocol.

    ``context``, which may change, is for TLS of the connections that come. Raises OSError where a socket
    cannot listen.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        protocol: Protocol,
        context: ssl.SSLContext | None,
        connections: Connections,
    ) -> None:
        self.sockets = sockets
        self._protocol = protocol
        self.context = context
        self._connections = connections
        self._log = logging.getLogger("exporter.web.connection")
        self._loop = asyncio.get_running_loop()
        self._paused: dict[socket.socket, asyncio.TimerHandle] = {}
        self._opening: set[asyncio.Task[None]] = set()
        try:
            for sock in sockets:
                sock.setblocking(False)  # noqa: FBT003 -- of the standard library
                sock.listen(_BACKLOG)
                self._resume(sock)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Accept nothing any more. Connections that are open stay open."""
        for sock in self.sockets:
            if sock in self._paused:
                self._paused.pop(sock).cancel()
            if sock.fileno() >= 0:
                self._loop.remove_reader(sock)
                sock.close()

    def _resume(self, sock: socket.socket) -> None:
        self._paused.pop(sock, None)
        self._loop.add_reader(sock, self._accept, sock)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_AT_A_TIME):
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
        """Stop accepting for a moment: the system says again and again that somebody waits."""
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
                ssl_handshake_timeout=_HANDSHAKE if self.context else None,
                ssl_shutdown_timeout=_GOODBYE if self.context else None,
            )
            connection.end = transport.abort


def bound_sockets(server: asyncio.Server) -> list[socket.socket]:
    """Return the sockets of a server that does not serve yet, as sockets of our own; the server is closed.

    asyncio resolves and binds addresses; it keeps what it has bound.
    """
    made = [sock.dup() for sock in server.sockets]
    server.close()
    return made
