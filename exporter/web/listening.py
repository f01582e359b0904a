"""The sockets that are listened on, and how TLS on them is exchanged without refusing a connection."""

import asyncio
import errno
import os
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from exporter.errors import StartError
from exporter.web.addresses import EVERY_INTERFACE, every_interface

_BACKLOG = 128
_HANDSHAKE = 10.0
"""Seconds that a client has for it."""
_GOODBYE = 1.0
"""Seconds that a client has to end TLS. With asyncio's 30 one that reads nothing would hold up a stop."""

Protocol = Callable[[], asyncio.BaseProtocol]


class Listening:
    """Listens on addresses and gives each connection to a protocol, through TLS where there is a context."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._servers: list[asyncio.Server] = []
        self._context: ssl.SSLContext | None = None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The real (host, port) of each socket."""
        names = [socket.getsockname() for server in self._servers for socket in server.sockets]
        return [(name[0], name[1]) for name in names]

    async def start(
        self, addresses: Sequence[tuple[str | None, int]], context: ssl.SSLContext | None
    ) -> None:
        """Listen on each (host, port), where host None, :: and 0.0.0.0 are every interface.

        Raises StartError where one cannot be listened on; then none is.
        """
        self._context = context
        for host, port in addresses:
            try:
                is_every = host in EVERY_INTERFACE
                where = {"sock": every_interface(port)} if is_every else {"host": host, "port": port}
                server = await self._serve(context, **where)
            except OSError as error:
                self.close()
                shown = f"[{host}]" if host and ":" in host else host or ""
                raise StartError(
                    f"cannot listen on {shown}:{port}: {_cause(error)}; "
                    "choose another address with --web.listen-address"
                ) from error
            self._servers.append(server)

    async def exchange(self, context: ssl.SSLContext | None) -> None:
        """Use this context, or none, for the connections that come from now on.

        The sockets stay, under new numbers: who is already in their queues is served as well. Raises OSError,
        and changes nothing, where no file can be opened any more.
        """
        if context is self._context:
            return
        after: list[asyncio.Server] = []
        try:
            for socket in [socket for server in self._servers for socket in server.sockets]:
                after.append(await self._serve(context, sock=socket.dup()))  # noqa: PERF401 -- see `except`
        except OSError:
            for server in after:
                server.close()
            raise
        self.close()
        self._servers, self._context = after, context

    def close(self) -> None:
        """Accept nothing any more. Connections that are open stay open."""
        for server in self._servers:
            server.close()
        self._servers = []

    async def _serve(self, context: ssl.SSLContext | None, **where: Any) -> asyncio.Server:  # noqa: ANN401 -- asyncio's own
        return await asyncio.get_running_loop().create_server(
            self._protocol,
            backlog=_BACKLOG,
            ssl=context,
            ssl_handshake_timeout=_HANDSHAKE if context else None,
            ssl_shutdown_timeout=_GOODBYE if context else None,
            **where,
        )


def _cause(error: OSError) -> str:
    # asyncio and socket wrap the system's words into sentences of their own that repeat the address.
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error)
