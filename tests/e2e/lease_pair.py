"""Two exporters with one Lease, and a switch for each that counts what it receives."""

import contextlib
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.e2e.full_configuration import configuration, switch
from tests.e2e.lease_server import LeaseServer, lease_server_in_thread
from tests.e2e.programs import Exporter, Start, get_json, running_programs, start_exporter, wait_until
from tests.e2e.stub_switch import stub_switch

LEASE, PERIOD = 5.0, 1.0
"""The duration of the Lease, and the time between two attempts."""

FIRST = 0.5
"""The first sweep: there is one query, with this interval."""

BUSY = 6.0
"""Seconds that a busy machine may add."""

_OFF = {"interval": "off"}
_QUERIES = {
    "peers": _OFF,
    "channels": {**_OFF, "tenant_interval": "off"},
    "calls": {"interval": "500ms", "tenant_interval": "off"},
    "license": _OFF,
    "balance": {"tenant_interval": "off"},
    "registrations": {"tenant_interval": "off"},
}
SECTION = {"lease": {"name": "softswitch-exporter", "namespace": "telephony", "duration": f"{LEASE:g}s"}}


@dataclass
class LeasePair:
    """The exporters `a` and `b`. ``polled``: when the switch received a request, and from which one.

    ``settings``: those of the switch that both poll, instead of the default. ``flags``: those of both.
    """

    server: LeaseServer
    directory: Path
    run: Start
    urls: dict[str, str]
    polled: list[tuple[float, str]] = field(default_factory=list)
    exporters: dict[str, Exporter] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()

    def start(self, name: str, *, address: str = "", **environment: str) -> None:
        """Start an exporter, and wait until it serves, also at this address."""
        settings = {"queries": _QUERIES, **self.settings}
        text = configuration(switch("pbx", self.urls[name], **settings), high_availability=SECTION)
        kubeconfig = str(self.server.kubeconfig(self.directory / f"kubeconfig-{name}", name))
        self.exporters[name] = start_exporter(
            self.run,
            self.directory / f"{name}.yaml",
            text,
            *self.flags,
            *([f"--web.listen-address={address}"] if address else []),
            KUBECONFIG=kubeconfig,
            POD_NAME=f"softswitch-{name}",
            **environment,
        )

    def start_both(self, **environments: dict[str, str]) -> None:
        """Start both exporters at the same time."""
        with ThreadPoolExecutor() as threads:
            for started in [threads.submit(self.start, name, **environments.get(name, {})) for name in "ab"]:
                started.result()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to an exporter."""
        self.exporters[name].program.process.send_signal(number)

    @property
    def holder(self) -> str:
        """The exporter that holds the Lease, or ""."""
        return self.server.holder.removeprefix("softswitch-").partition("_")[0]

    def roles(self) -> tuple[str, str]:
        """Return the exporter that holds the Lease, and the other one, once the switch is polled."""
        wait_until(lambda: self.holder and self.pollers(time.monotonic() - 1) == {self.holder}, 30, self.told)
        return (self.holder, "b" if self.holder == "a" else "a")

    def pollers(self, since: float) -> set[str]:
        """Return the exporters that have polled since then."""
        return {name for at, name in [*self.polled] if at >= since}

    def gap(self, since: float) -> float:
        """Return the longest time without a request since then, also up to now."""
        times = [since, *(at for at, _ in [*self.polled] if at >= since), time.monotonic()]
        return max(after - before for before, after in pairwise(times))

    def wait_for(self, *names: str, seconds: float = LEASE + 2 * PERIOD + BUSY) -> float:
        """Wait until exactly these exporters poll, for a second; return how long it took."""
        began = time.monotonic()
        wait_until(lambda: self.pollers(time.monotonic() - 1) == {*names}, seconds + 1, self.told)
        return time.monotonic() - began - 1

    def active(self, name: str) -> float | None:
        """Return the metric that says whether an exporter polls."""
        return self.exporters[name].value("softswitch_exporter_active")

    def value(self, name: str, metric: str, **labels: str) -> float | None:
        """Return a metric of the Lease, such as ``reachable``."""
        return self.exporters[name].value(f"softswitch_exporter_lease_{metric}", **labels)

    def status(self, name: str) -> dict[str, Any]:
        """Return the status of an exporter."""
        return get_json(f"{self.exporters[name].base_url}/api/v1/status")

    def series(self, name: str) -> int:
        """Return how many series of the switch an exporter serves."""
        return self.exporters[name].metrics().count('switch="pbx"')

    def told(self) -> str:
        """Return what is known, for the error of a failed test."""
        logs = {name: exporter.program.text() for name, exporter in self.exporters.items()}
        last = [(round(at - time.monotonic(), 1), name) for at, name in self.polled[-10:]]
        return f"the Lease of {self.server.holder!r}, polled {last}, " + "\n".join(map(str, logs.items()))


@contextlib.contextmanager
def lease_pair(directory: Path) -> Iterator[LeasePair]:
    """Serve a Lease and two switches while the context is open; the exporters are not started."""
    polled: list[tuple[float, str]] = []

    def respond(name: str) -> str:
        polled.append((time.monotonic(), name))
        return "3"

    with (
        lease_server_in_thread() as server,
        running_programs(directory) as run,
        stub_switch(lambda _: respond("a")) as a,
        stub_switch(lambda _: respond("b")) as b,
    ):
        yield LeasePair(server, directory, run, {"a": a.url, "b": b.url}, polled)
