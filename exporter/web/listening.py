"""The sockets that are listened on, and how TLS on them is exchanged without refusing a connection."""

import asyncio
import errno
import os
import ssl
from collections.abc import Sequence
from typing import Any

from exporter.errors import StartError
from exporter.web.accepting import Accepting, Protocol, bound_sockets
from exporter.web.addresses import EVERY_INTERFACE, every_interface
from exporter.web.connections import Connections


class Listening:
    """Listens on addresses and gives each connection to a protocol, through TLS where there is a context."""

    def __init__(self, protocol: Protocol, connections: Connections) -> None:
        self._protocol = protocol
        self._connections = connections
        self._servers: list[Accepting] = []

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

    def exchange(self, context: ssl.SSLContext | None) -> None:
        """Use this context, or none, for the connections that come from now on.

        Whoever waits to be accepted is served as well.
        """
        for server in self._servers:
            server.context = context

    def close(self) -> None:
        """Accept nothing any more. Connections that are open stay open."""
        for server in self._servers:
            server.close()
        self._servers = []

    async def _serve(self, context: ssl.SSLContext | None, **where: Any) -> Accepting:  # noqa: ANN401 -- asyncio's own
        server = await asyncio.get_running_loop().create_server(self._protocol, start_serving=False, **where)
        return Accepting(bound_sockets(server), self._protocol, context, self._connections)


def _cause(error: OSError) -> str:
    # asyncio and socket wrap the system's words into sentences of their own that repeat the address.
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error)
