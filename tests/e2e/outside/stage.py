"""What stands around the program: switches, an Alertmanager, and a client that looks at it.

What is seen goes to files of one directory as it is; ``recording`` normalizes it afterwards.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from tests.e2e.fake_switch import REFUSAL, Exchange, FakeSwitch, Fault, Listener, Request, head
from tests.e2e.outside.virtual_time import START, monotonic

OFFSET = 0.3719
"""Seconds by which looks at the program lie beside whole seconds: nothing else happens at the same moment."""

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
    """Listen already before there is an event loop: whoever connects early waits."""
    return socket.create_server(("127.0.0.1", 0))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Switch(FakeSwitch):
    """A switch that answers as ``said`` has it, and with the truth of its tenants otherwise."""

    said: dict[Request, object] = field(default_factory=dict)
    listener: Listener = field(init=False)

    def __post_init__(self) -> None:
        listening = _listen()
        self.listener = Listener(self.serve, listening.getsockname()[1], listening)
        self.url = f"http://127.0.0.1:{self.listener.port}/pbx/proxyapi.php"

    def truth(self, operation: str, tenant: str = "") -> bytes:
        """Return the body of an answer without a fault."""
        said = self.said.get((operation, tenant))
        if said is None:
            return super().truth(operation, tenant) if tenant in {"", *self.tenants} else b"No such tenant"
        return said.encode() if isinstance(said, str) else json.dumps(said).encode()

    def break_down(
        self, fault: Fault, operations: Iterable[str] = OPERATIONS, tenants: Iterable[str] = ()
    ) -> None:
        """Apply a fault to these operations of these tenants; of all where no tenant is named."""
        for operation in operations:
            for tenant in tenants or ("", *self.tenants):
                self.faults[operation, tenant] = fault


def locked(valid: set[str]) -> Fault:
    """Refuse every key that is not in ``valid`` at the moment, as the switch does."""

    async def fault(exchange: Exchange) -> None:
        is_valid = dict(parse_qsl(exchange.query_string)).get("key") in valid
        body = exchange.truth if is_valid else REFUSAL.encode()
        await exchange.send(head(len(body)) + body)

    return fault


def late(seconds: float) -> Fault:
    """Answer with the truth, so many seconds later."""

    async def fault(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await exchange.send(head(len(exchange.truth)) + exchange.truth)

    return fault


def times(count: int, fault: Fault) -> Fault:
    """Apply a fault to the first ``count`` requests; then send the correct response."""
    left = [count]

    async def limited(exchange: Exchange) -> None:
        left[0] -= 1
        if left[0] >= 0:
            await fault(exchange)
        else:
            await exchange.send(head(len(exchange.truth)) + exchange.truth)

    return limited


@dataclass
class Alertmanager:
    """Accepts alerts and keeps them; with ``status`` it answers something else than 200."""

    listening: socket.socket = field(default_factory=_listen)
    status: str = "200 OK"
    posted: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self.listening.getsockname()[1]
        return port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request after another."""
        try:
            while True:
                first = (await reader.readuntil(b"\r\n\r\n")).decode()
                lengths = [
                    int(line.partition(":")[2])
                    for line in first.splitlines()
                    if line.lower().startswith("content-length:")
                ]
                body = (await reader.readexactly(lengths[0])).decode() if lengths else ""
                self.posted.append((monotonic() - START, first, body))
                writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@dataclass
class Stage:
    """One scenario at work. Everything that is seen goes to ``raw``."""

    raw: Path
    switches: list[Switch] = field(default_factory=list)
    alertmanager: Alertmanager = field(default_factory=Alertmanager)
    port: int = field(default_factory=free_port)
    simulator_port: int = field(default_factory=free_port)
    configuration: Path = Path("config.yaml")
    _looks: int = 0

    def __post_init__(self) -> None:
        self.raw.mkdir(parents=True)

    @property
    def switch(self) -> Switch:
        """The first switch."""
        return self.switches[0]

    def add_switch(self, *tenants: str) -> Switch:
        """Put up a switch with these tenants."""
        self.switches.append(Switch(tenants))
        return self.switches[-1]

    def configure(self, text: str) -> None:
        """Write the configuration file."""
        self.configuration.write_text(text, encoding="utf-8")

    def alerting(self, **more: object) -> dict[str, object]:
        """Return the section that has alerts sent to this Alertmanager."""
        return {"alertmanagers": [{"url": f"http://127.0.0.1:{self.alertmanager.port}"}], **more}

    async def open(self) -> None:
        """Let everything around the program listen."""
        for switch in self.switches:
            await switch.listener.open()
        await asyncio.start_server(self.alertmanager.serve, sock=self.alertmanager.listening)

    def addresses(self) -> dict[str, str]:
        """Return the names by which ``recording`` replaces the ports of this run."""
        ports = {switch.listener.port: f"SWITCH{number}" for number, switch in enumerate(self.switches)}
        ports |= {
            self.alertmanager.port: "ALERTMANAGER",
            self.port: "EXPORTER",
            self.simulator_port: "SIMULATOR",
        }
        return {f"127.0.0.1{colon}{port}": name for port, name in ports.items() for colon in (":", "%3A")}

    def signal_reload(self) -> None:
        """Let the program load its configuration anew."""
        signal.raise_signal(signal.SIGHUP)

    async def get(self, path: str, *, method: str = "GET", port: int = 0, accept: str = "*/*") -> str:
        """Return the head and the body of an answer, as they are sent."""
        port = port or self.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = (f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Accept: {accept}")
        writer.write("".join(f"{line}\r\n" for line in (*lines, "Connection: close", "", "")).encode())
        answer = (await reader.read()).decode()
        writer.close()
        return answer

    async def look(self, label: str, *, everything: bool = True) -> None:
        """Record the metrics and the status; with ``everything``, OpenMetrics and the page as well."""
        self._looks += 1
        name = f"{self._looks:03}-{label.replace(' ', '-').replace('/', '-')}"
        self.write(f"{name}.metrics", await self.get("/metrics"))
        self.write(f"{name}.status", await self.get("/api/v1/status"))
        if everything:
            self.write(f"{name}.openmetrics", await self.get("/metrics", accept=OPENMETRICS))
            self.write(f"{name}.page", await self.get("/"))
            self.write(f"{name}.health", await self.get("/-/healthy") + await self.get("/-/ready"))

    def write(self, name: str, text: str) -> None:
        """Keep a text as it is."""
        (self.raw / name).write_text(text, encoding="utf-8", errors="surrogateescape", newline="")

    def close(self) -> None:
        """Write down what arrived at the servers."""
        for number, switch in enumerate(self.switches):
            heard = [(round(at - START, 3), text) for at, text in switch.received]
            self.write(f"switch{number}.requests", json.dumps(heard))
        self.write("alertmanager.posts", json.dumps(self.alertmanager.posted))
        self.write("addresses.json", json.dumps(self.addresses()))


def companion(
    stage: Stage, story: Callable[[Stage], Awaitable[None]] | None
) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return what runs beside the program: the servers and the story, and a SIGTERM after the story."""

    async def run() -> None:
        try:
            await stage.open()
            if story is None:
                return
            await asyncio.sleep(OFFSET)
            await story(stage)
        except Exception:  # noqa: BLE001 -- the program must not go on without its story
            sys.excepthook(*sys.exc_info())
            os._exit(9)
        signal.raise_signal(signal.SIGTERM)

    return run
