"""Machines in one network: Linux namespaces, each with its own interfaces, /run and /etc/keepalived.

The namespaces have no names, so they end with their processes, even if the test is killed.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.programs import Program, Start

_LIFETIME = "300"
"""Seconds until a machine ends by itself."""


@dataclass(frozen=True)
class Machine:
    """A machine with a network. ``directory`` is its /etc/keepalived."""

    name: str
    address: str
    directory: Path
    holder: Program
    run: Start

    def command(self, *command: str) -> tuple[str, ...]:
        """Return a command that runs this command on the machine."""
        return ("nsenter", f"--target={self.holder.process.pid}", "--net", "--mount", *command)

    def start(self, *command: str, **environment: str) -> Program:
        """Start a program. It ends with the test."""
        return self.run(*self.command("setpriv", "--pdeathsig=KILL", *command), **environment)

    def call(self, *command: str) -> str:
        """Run a command and return its output. Raises AssertionError if it fails."""
        done = subprocess.run(self.command(*command), capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, f"{self.name}: {command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def fetch(self, url: str, *options: str) -> str:
        """Fetch a page from this machine."""
        return self.call("curl", "--silent", "--show-error", "--fail", "--max-time", "5", *options, url)

    def processes(self) -> Iterator[tuple[int, str]]:
        """Yield the id and the command line of each process of the machine."""
        own = Path(f"/proc/{self.holder.process.pid}/ns/net")
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended
                if own.samefile(entry / "ns/net"):
                    yield int(entry.name), (entry / "cmdline").read_text().replace("\0", " ").strip()

    def find(self, start: str) -> list[int]:
        """Return the id of each process whose command line begins with this text."""
        return [pid for pid, line in self.processes() if line.startswith(start)]

    def signal(self, signal_number: int, start: str) -> None:
        """Send a signal to each of these processes; there must be one."""
        pids = self.find(start)
        assert pids, f"{start} does not run on {self.name}: {list(self.processes())}"
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # ended with its parent
                os.kill(pid, signal_number)


@contextlib.contextmanager
def network(run: Start, directory: Path, **addresses: str) -> Iterator[list[Machine]]:
    """Yield machines with these names and addresses, as 192.0.2.1/24. Each has a link to the first one.

    Their processes are killed at the end.
    """
    machines: list[Machine] = []
    try:
        for name, address in addresses.items():
            machines.append(_machine(run, directory / name, name, address))
        center, *others = machines
        for command in (
            ("ip", "link", "add", "lan", "type", "bridge"),
            ("ip", "address", "add", center.address, "dev", "lan"),
            ("ip", "link", "set", "dev", "lan", "up"),
        ):
            center.call(*command)
        for machine in others:
            _link(machine, center)
        yield machines
    finally:
        for machine in machines:
            for pid, _ in list(machine.processes()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _machine(run: Start, directory: Path, name: str, address: str) -> Machine:
    directory.mkdir()
    setup = (
        "mount -t tmpfs tmpfs /run",
        f"mount --bind '{directory}' /etc/keepalived",
        "ip link set dev lo up",
        "echo is up",
        f"exec sleep {_LIFETIME}",
    )
    holder = run(
        *("setpriv", "--pdeathsig=KILL", "unshare", "--net", "--mount", "--propagation=private"),
        *("sh", "-ec", "\n".join(setup)),
    )
    holder.wait_for("is up", seconds=20)
    return Machine(name, address, directory, holder, run)


def _link(machine: Machine, center: Machine) -> None:
    machine.call(
        *("ip", "link", "add", "eth0", "type", "veth"),
        *("peer", "name", machine.name, "netns", str(center.holder.process.pid)),
    )
    machine.call("ip", "address", "add", machine.address, "dev", "eth0")
    machine.call("ip", "link", "set", "dev", "eth0", "up")
    center.call("ip", "link", "set", "dev", machine.name, "master", "lan")
    center.call("ip", "link", "set", "dev", machine.name, "up")


def isolate(center: Machine, *machines: Machine, isolated: bool) -> None:
    """Let these machines reach only the center, or each other again."""
    for machine in machines:
        center.call("bridge", "link", "set", "dev", machine.name, "isolated", "on" if isolated else "off")
