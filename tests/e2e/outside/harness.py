"""The environment of the program: fake switches, a fake Alertmanager, and a client that records responses.

Everything is written to files unchanged; ``recording`` normalizes it afterwards.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from tests.e2e.fake_switch import REFUSAL, Exchange, FakeSwitch, Fault, Listener, Request, head
from tests.e2e.outside.virtual_time import START, monotonic
from tests.e2e.programs import free_port

OFFSET = 0.3719
"""Seconds after a whole second at which responses are recorded: nothing else happens at the same time."""

OPERATIONS = (
    "COUNTPEERS",
    "COUNTCHANNELS",
    "COUNTCALLS",
    "LICENSEDAYS",
    "INFO balance",
    "INFO regstate",
    "INFO config",
    "INFO extensions",
    "MANAGEDB",
    "CHANSIPPEERS",
)
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def _listen() -> socket.socket:
    """Listen before the event loop exists, so that early connections wait."""
    return socket.create_server(("127.0.0.1", 0))


@dataclass
class Switch(FakeSwitch):
    """A fake switch with ``responses`` by operation and tenant; all others have its default values."""

    responses: dict[Request, object] = field(default_factory=dict)
    listener: Listener = field(init=False)

    def __post_init__(self) -> None:
        listening = _listen()
        self.listener = Listener(self.serve, listening.getsockname()[1], listening)
        self.url = f"http://127.0.0.1:{self.listener.port}/pbx/proxyapi.php"

    def truth(self, operation: str, tenant: str = "") -> bytes:
        """Return the body of a response without a fault."""
        response = self.responses.get((operation, tenant))
        if response is None:
            return super().truth(operation, tenant) if tenant in {"", *self.tenants} else b"No such tenant"
        return response.encode() if isinstance(response, str) else json.dumps(response).encode()

    def fail(self, fault: Fault, operations: Iterable[str] = OPERATIONS, tenants: Iterable[str] = ()) -> None:
        """Apply a fault to these operations, for all tenants or for some."""
        for operation in operations:
            for tenant in tenants or ("", *self.tenants):
                self.faults[operation, tenant] = fault


async def _respond(exchange: Exchange, body: bytes) -> None:
    await exchange.send(head(len(body)) + body)


def refusing_keys_except(valid: set[str]) -> Fault:
    """Refuse every key that is not in ``valid`` at the time of the request."""

    async def fault(exchange: Exchange) -> None:
        is_valid = dict(parse_qsl(exchange.query_string)).get("key") in valid
        await _respond(exchange, exchange.truth if is_valid else REFUSAL.encode())

    return fault


def delayed(seconds: float) -> Fault:
    """Send the correct response with a delay."""

    async def fault(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await _respond(exchange, exchange.truth)

    return fault


def limited(fault: Fault, count: int) -> Fault:
    """Apply a fault to the first ``count`` requests only."""
    left = iter(range(count))

    async def applied(exchange: Exchange) -> None:
        await (_respond(exchange, exchange.truth) if next(left, None) is None else fault(exchange))

    return applied


@dataclass
class Alertmanager:
    """Responds with ``status``, and keeps each request: seconds since the start, head and body."""

    listening: socket.socket = field(default_factory=_listen)
    status: str = "200 OK"
    requests: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def port(self) -> int:
        """The port on which it listens."""
        port: int = self.listening.getsockname()[1]
        return port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to the requests of a connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    (int(line[15:]) for line in head.lower().split("\r\n") if line[:15] == _LENGTH), 0
                )
                body = (await reader.readexactly(length)).decode()
                self.requests.append((monotonic() - START, head, body))
                writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


_LENGTH = "content-length:"


@dataclass
class Harness:
    """The environment of one scenario. Everything that is seen goes to ``directory``."""

    directory: Path
    switches: list[Switch] = field(default_factory=list)
    alertmanager: Alertmanager = field(default_factory=Alertmanager)
    port: int = field(default_factory=free_port)
    simulator_port: int = field(default_factory=free_port)
    _looks: int = 0

    @property
    def switch(self) -> Switch:
        """The first switch."""
        return self.switches[0]

    def add_switch(self, *tenants: str) -> Switch:
        """Add a switch with these tenants."""
        self.switches.append(Switch(tenants))
        return self.switches[-1]

    def configure(self, text: str) -> None:
        """Write the configuration file."""
        Path("config.yaml").write_text(text, encoding="utf-8")

    def alerting(self, **more: object) -> dict[str, object]:
        """Return a section ``alerting`` for the Alertmanager of this scenario."""
        return {"alertmanagers": [{"url": f"http://127.0.0.1:{self.alertmanager.port}"}], **more}

    def signal_reload(self) -> None:
        """Send SIGHUP to the program."""
        signal.raise_signal(signal.SIGHUP)

    async def get(self, path: str, *, method: str = "GET", accept: str = "*/*") -> str:
        """Return the head and the body of a response, as they were sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = (f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Accept: {accept}")
        writer.write("".join(f"{line}\r\n" for line in (*lines, "Connection: close", "", "")).encode())
        response = (await reader.read()).decode()
        writer.close()
        return response

    async def look(self, label: str, *, everything: bool = True) -> None:
        """Record metrics and status; with ``everything`` also OpenMetrics, the status page and health."""
        self._looks += 1
        name = f"{self._looks:03}-{label.replace(' ', '-').replace('/', '-')}"
        self.write(f"{name}.metrics", await self.get("/metrics"))
        self.write(f"{name}.status", await self.get("/api/v1/status"))
        if everything:
            self.write(f"{name}.openmetrics", await self.get("/metrics", accept=OPENMETRICS))
            self.write(f"{name}.page", await self.get("/"))
            self.write(f"{name}.health", await self.get("/-/healthy") + await self.get("/-/ready"))

    async def look_after(self, label: str, *moments: int) -> None:
        """Record everything these many seconds after now."""
        passed = 0
        for moment in moments:
            await asyncio.sleep(moment - passed)
            passed = moment
            await self.look(f"{label} {moment}s")

    def write(self, name: str, text: str) -> None:
        """Write a text unchanged."""
        (self.directory / name).write_text(text, encoding="utf-8", errors="surrogateescape", newline="")

    async def drive(self, steps: "Steps | None") -> None:
        """Serve; if there are steps, run them and stop the program with SIGTERM."""
        try:
            for switch in self.switches:
                await switch.listener.open()
            await asyncio.start_server(self.alertmanager.serve, sock=self.alertmanager.listening)
            if steps is None:
                return
            await asyncio.sleep(OFFSET)
            await steps(self)
        except Exception:  # noqa: BLE001 -- the program must not run on without its steps
            sys.excepthook(*sys.exc_info())
            os._exit(9)
        signal.raise_signal(signal.SIGTERM)

    def close(self) -> None:
        """Write what the fake servers received, and the names that replace the ports of this run."""
        for number, switch in enumerate(self.switches):
            received = [(round(at - START, 3), text) for at, text in switch.received]
            self.write(f"switch{number}.requests", json.dumps(received))
        self.write("alertmanager.posts", json.dumps(self.alertmanager.requests))
        ports = {switch.listener.port: f"SWITCH{number}" for number, switch in enumerate(self.switches)}
        ports |= {
            self.alertmanager.port: "ALERTMANAGER",
            self.port: "EXPORTER",
            self.simulator_port: "SIMULATOR",
        }
        names = {f"127.0.0.1{colon}{port}": name for port, name in ports.items() for colon in (":", "%3A")}
        self.write("addresses.json", json.dumps(names))


Prepare = Callable[[Harness], None]
Steps = Callable[[Harness], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """A run of the program with these arguments, in which ``{port}`` is the port to listen on.

    Without steps the program must end by itself.
    """

    arguments: tuple[str, ...]
    prepare: Prepare = lambda _: None
    steps: Steps | None = None
