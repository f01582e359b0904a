"""A switch that says the same for ever, and that can do to an answer whatever a server can do to it.

It speaks HTTP by hand, because no library lets a server be as wrong as these have to be. It never reads what
is asked but to look the answer up, and knows nothing of the exporter.
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

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Asked = tuple[str, str]
"""What was asked (``COUNTPEERS``, ``INFO balance``), and of which tenant; "" for the whole installation."""


@dataclass(frozen=True)
class Exchange:
    """One request. ``truth`` is the body it is due, and ``sent`` its query string as it came."""

    sent: str
    truth: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        """Send bytes as they are."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def wait(self) -> None:
        """Do nothing until the client goes."""
        await self.reader.read()

    def reset(self) -> None:
        """Break the connection off."""
        self.writer.transport.abort()


Befall = Callable[[Exchange], Awaitable[None]]
"""What a fault does with a request, in place of the true answer."""


def head(length: int | None, status: str = "200 OK", *more: str) -> bytes:
    """Return the first part of an answer, up to the body."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: text/html; charset=UTF-8", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


@dataclass
class OddSwitch:
    """The truth of each tenant, and the faults in force.

    ``befallen``: when, by the clock of the loop, each victim was met by its fault. ``heard``: when
    each request came, and its head.
    """

    tenants: tuple[str, ...]
    faults: dict[Asked, Befall] = field(default_factory=dict)
    befallen: defaultdict[Asked, list[float]] = field(default_factory=lambda: defaultdict(list))
    heard: list[tuple[float, str]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while line := (await reader.readuntil(b"\r\n\r\n")).decode():
                self.heard.append((asyncio.get_running_loop().time(), line))
                await self._answer(urlsplit(line.split()[1]).query, reader, writer)
                await writer.drain()
        writer.transport.abort()

    async def _answer(self, sent: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parameters = dict(parse_qsl(sent))
        asked = " ".join(filter(None, map(parameters.get, ("reqtype", "info")))), parameters.get("tenant", "")
        exchange = Exchange(sent, self.truth(*asked), reader, writer)
        fault = self.faults.get(asked)
        if fault is None:
            writer.write(head(len(exchange.truth)) + exchange.truth)
        else:
            self.befallen[asked].append(asyncio.get_running_loop().time())
            await fault(exchange)

    def truth(self, operation: str, tenant: str = "") -> bytes:
        """Return what is true of a tenant, or of the whole installation."""
        of = self.tenants.index(tenant) + 10 if tenant else 50
        numbers = ("100", "101")
        said: dict[str, object] = {
            "COUNTPEERS": {"pbx1": of, "pbx2": 2 * of, "Total": 3 * of},
            "COUNTCHANNELS": {"pbx1": of, "pbx2": 0, "Total": of},
            "COUNTCALLS": 3000 + of,
            "LICENSEDAYS": 200,
            "INFO balance": of + 0.5,
            "INFO regstate": "Registered",
            "INFO config": {"maxchannels": 10 * of, "maxextensions": "-1"},
        }
        if operation == "INFO extensions":
            said[operation] = [{"ex_number": number, "st_state": "NOT_INUSE"} for number in numbers]
        if operation == "MANAGEDB":
            said[operation] = [{"te_code": code, "te_name": f"{code} Ltd"} for code in self.tenants]
        if operation == "CHANSIPPEERS":
            said[operation] = [
                {"node": "pbx1", "Name": f"{number}-{code}/x", "Status": "OK (10 ms)"}
                for code in self.tenants
                for number in numbers
            ]
        return json.dumps(said[operation]).encode()


@dataclass
class Door:
    """Where a switch is reached. What is behind it may change; the address stays.

    ``listening``: a socket that listens by now, for the first time that it is opened.
    """

    serve: Serve
    port: int = 0
    listening: socket.socket | None = None
    _server: asyncio.Server | None = None
    _connections: set[asyncio.StreamWriter] = field(default_factory=set)

    async def open(self, serve: Serve | None = None, context: ssl.SSLContext | None = None) -> None:
        """Listen, with TLS where there is a context. Connections from before are broken off."""
        self.shut()
        serve = serve or self.serve

        async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections.add(writer)
            try:
                await serve(reader, writer)
            finally:
                self._connections.discard(writer)

        listening, self.listening = self.listening, None
        address = {"sock": listening} if listening else {"host": "127.0.0.1", "port": self.port}
        self._server = await asyncio.start_server(enter, **address, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Refuse connections, and break those off that there are."""
        if self._server:
            self._server.close()
            self._server = None
        for writer in self._connections:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def odd_switch(*tenants: str) -> AsyncIterator[OddSwitch]:
    """Answer for these tenants for as long as the context is open."""
    switch = OddSwitch(tenants)
    door = Door(switch.serve)
    await door.open()
    switch.url = f"http://127.0.0.1:{door.port}/pbx/proxyapi.php"
    try:
        yield switch
    finally:
        door.shut()
