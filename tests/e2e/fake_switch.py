"""A fake switch whose values never change, and whose responses can be broken in any way.

It speaks HTTP by hand because no server library allows responses this broken.
"""

import asyncio
import contextlib
import json
import socket
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

REFUSAL = "Too bad... you mistaken the security api key.\n"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Request = tuple[str, str]
"""An operation (``COUNTPEERS``, ``INFO balance``) and the tenant; "" for the installation."""


@dataclass(frozen=True)
class Exchange:
    """One request, with the body of the correct response."""

    query_string: str
    truth: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        """Send raw bytes."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def wait(self) -> None:
        """Send nothing until the client closes the connection."""
        await self.reader.read()

    def reset(self) -> None:
        """Abort the connection."""
        self.writer.transport.abort()


Fault = Callable[[Exchange], Awaitable[None]]
"""Responds to a request in place of the correct response."""


def head(length: int | None, status: str = "200 OK", *more: str) -> bytes:
    """Return the status line and headers of a response."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: text/html; charset=UTF-8", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


@dataclass
class FakeSwitch:
    """The tenants and the active faults.

    ``applied``: when each request met its fault. ``received``: when each request arrived, and its head.
    Times are those of the event loop.
    """

    tenants: tuple[str, ...]
    faults: dict[Request, Fault] = field(default_factory=dict)
    applied: defaultdict[Request, list[float]] = field(default_factory=lambda: defaultdict(list))
    received: list[tuple[float, str]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to the requests of one connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while line := (await reader.readuntil(b"\r\n\r\n")).decode():
                self.received.append((asyncio.get_running_loop().time(), line))
                await self._respond(urlsplit(line.split()[1]).query, reader, writer)
                await writer.drain()
        writer.transport.abort()

    async def _respond(
        self, query_string: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        parameters = dict(parse_qsl(query_string))
        operation = " ".join(filter(None, map(parameters.get, ("reqtype", "info"))))
        request = operation, parameters.get("tenant", "")
        exchange = Exchange(query_string, self.truth(*request), reader, writer)
        fault = self.faults.get(request)
        if fault is None:
            writer.write(head(len(exchange.truth)) + exchange.truth)
        else:
            self.applied[request].append(asyncio.get_running_loop().time())
            await fault(exchange)

    def truth(self, operation: str, tenant: str = "") -> bytes:
        """Return the correct body for a tenant, or for the installation."""
        count = self.tenants.index(tenant) + 10 if tenant else 50
        numbers = ("100", "101")
        bodies: dict[str, object] = {
            "COUNTPEERS": {"pbx1": count, "pbx2": 2 * count, "Total": 3 * count},
            "COUNTCHANNELS": {"pbx1": count, "pbx2": 0, "Total": count},
            "COUNTCALLS": 3000 + count,
            "LICENSEDAYS": 200,
            "INFO balance": count + 0.5,
            "INFO regstate": "Registered",
            "INFO config": {"maxchannels": 10 * count, "maxextensions": "-1"},
        }
        if operation == "INFO extensions":
            bodies[operation] = [{"ex_number": number, "st_state": "NOT_INUSE"} for number in numbers]
        if operation == "MANAGEDB":
            bodies[operation] = [{"te_code": code, "te_name": f"{code} Ltd"} for code in self.tenants]
        if operation == "CHANSIPPEERS":
            bodies[operation] = [
                {"node": "pbx1", "Name": f"{number}-{code}/x", "Status": "OK (10 ms)"}
                for code in self.tenants
                for number in numbers
            ]
        return json.dumps(bodies[operation]).encode()


@dataclass
class Listener:
    """A stable address of a switch; the handler behind it can change.

    ``listening``: a socket that listens already, used by the first ``open``.
    """

    handler: Handler
    port: int = 0
    listening: socket.socket | None = None
    _server: asyncio.Server | None = None
    _connections: set[asyncio.StreamWriter] = field(default_factory=set)

    async def open(self, handler: Handler | None = None, context: ssl.SSLContext | None = None) -> None:
        """Listen, with TLS if there is a context. Aborts open connections."""
        self.close()
        chosen = handler or self.handler

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections.add(writer)
            try:
                await chosen(reader, writer)
            finally:
                self._connections.discard(writer)

        listening, self.listening = self.listening, None
        address = {"sock": listening} if listening else {"host": "127.0.0.1", "port": self.port}
        self._server = await asyncio.start_server(handle, **address, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Refuse connections and abort open ones."""
        if self._server:
            self._server.close()
            self._server = None
        for writer in self._connections:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def fake_switch(*tenants: str) -> AsyncIterator[FakeSwitch]:
    """Serve these tenants while the context is open."""
    switch = FakeSwitch(tenants)
    listener = Listener(switch.serve)
    await listener.open()
    switch.url = f"http://127.0.0.1:{listener.port}/pbx/proxyapi.php"
    try:
        yield switch
    finally:
        listener.close()
