"""Two exporters under keepalived on machines of their own, and a simulated switch on a third one."""

import contextlib
import json
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt

from tests.certificates import Authority
from tests.e2e.full_configuration import configuration
from tests.e2e.machines import Machine, network
from tests.e2e.programs import EXPORTER, Program, Start, wait_until
from tests.e2e.requests_seen import RequestsSeen

DEPLOY = Path(__file__).parents[2] / "deploy/keepalived"
PAGE = DEPLOY.parents[1] / "docs/high-availability.md"
DROP_IN = DEPLOY / "keepalived.service.d/softswitch-exporter.conf"

OPTIONS = "/etc/keepalived/softswitch-exporter.curl"
_TEST_OPTIONS = "/etc/keepalived/test.curl"
PASSWORD = "correct-horse-battery"

KILL, TERM, STOP, CONTINUE = signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP, signal.SIGCONT

FIRST = 1.0
"""Seconds until the first request of an exporter that begins to poll: each query has an interval of 1 s."""

CHECK_EVERY = 2.0
"""The interval of the check in the shipped configuration."""

CHECKED = 2 * CHECK_EVERY + 0.6
"""Seconds until a dead exporter is replaced: two checks, then VRRP, as keepalived says that it leaves."""

HUNG = CHECKED + 4
"""Seconds until an exporter that hangs is replaced: each check takes up to 2 s longer."""

VRRP = 3.6
"""Seconds until a silent keepalived is replaced."""

BUSY = 3.0
"""Seconds that a busy machine may add."""

_OTHER = re.compile(r"\S+( +# other machine: (\S+))$", re.MULTILINE)
"""A value of the shipped keepalived.conf that differs on the other machine."""

_SWITCH = "http://192.0.2.1:10391"


class Node:
    """A machine with an exporter and keepalived. ``url`` is that of the exporter."""

    exporter: Program
    keepalived: Program

    def __init__(self, machine: Machine, url: str) -> None:
        self.machine = machine
        self.url = url
        self._environment = {"SOFTSWITCH_EXPORTER_URL": url}

    @property
    def client(self) -> str:
        """The address that the switch sees."""
        return self.machine.address.partition("/")[0]

    def start_exporter(self) -> None:
        """Start the exporter, as systemd does."""
        self.exporter = self.machine.start(
            *EXPORTER,
            "--config.file=/etc/keepalived/config.yaml",
            "--web.config.file=/etc/keepalived/web.yml",
            "--web.enable-lifecycle",
            f"--web.listen-address=:{self.url.rpartition(':')[2]}",
        )

    def start_keepalived(self) -> None:
        """Start keepalived, as its unit in Debian does."""
        self.keepalived = self.machine.start(
            "keepalived", "--dont-fork", "--log-console", **self._environment
        )

    def end_keepalived(self, signal_number: int, *, with_child: bool = False) -> None:
        """End keepalived, then do what systemd does with the shipped drop-in, except for the restart."""
        if with_child:
            # Stopped first: a child that sees its parent end says goodbye to the other machine.
            self.signal_keepalived(STOP)
            self.signal_keepalived(signal_number)
        self.keepalived.stop(signal_number)
        wait_until(lambda: not self.machine.find("keepalived "), 60, "the end of keepalived's child")
        # Until init has reaped the child, keepalived believes that it still runs. systemd waits for that.
        self.machine.call("sh", "-c", "rm -f /run/keepalived*.pid")
        [after] = re.findall(r"^ExecStopPost=-(.*)$", DROP_IN.read_text(), re.MULTILINE)
        with contextlib.suppress(AssertionError):  # the "-": the exporter may have ended, too
            self._call(after)

    def lose_power(self) -> None:
        """Kill the exporter and keepalived at once. Nothing runs afterwards, and /run is empty."""
        self.exporter.process.kill()
        self.signal_keepalived(STOP)
        self.signal_keepalived(KILL)
        self.exporter.process.wait()
        self.keepalived.process.wait()
        self.machine.call("sh", "-c", "rm -r /run/*")

    def signal_keepalived(self, signal_number: int) -> None:
        """Send a signal to keepalived and its child, which speaks VRRP."""
        self.machine.signal(signal_number, "keepalived ")

    def fetch(self, path: str, *options: str) -> str:
        """Fetch a page of the exporter from its own machine."""
        return self.machine.fetch(self.url + path, "--config", _TEST_OPTIONS, *options)

    def set_password(self, password: str) -> None:
        """Write the password that keepalived sends to the exporter."""
        (self.machine.directory / Path(OPTIONS).name).write_text(
            f'user = "keepalived:{password}"\ncacert = "/etc/keepalived/ca.pem"\n'
        )

    def check(self) -> str:
        """Run the check of keepalived, which must fail, and return what it prints."""
        return self._call("! /etc/keepalived/softswitch-exporter-pair check 2>&1")

    def _call(self, command: str) -> str:
        environment = (f"{name}={value}" for name, value in self._environment.items())
        return self.machine.call("env", *environment, "sh", "-c", command)

    def is_ready_to_take_over(self) -> bool:
        """Return whether keepalived is in state BACKUP."""
        states = re.findall(r"Entering (\w+) STATE", self.keepalived.text())
        return states[-1:] == ["BACKUP"]

    def is_active(self) -> bool | None:
        """Return whether the exporter says that it polls, or None if it does not respond."""
        try:
            return "\nsoftswitch_exporter_active 1.0\n" in self.fetch("/metrics")
        except AssertionError:
            return None


@dataclass
class Pair:
    """Two nodes, and the machine with the switch."""

    center: Machine
    nodes: tuple[Node, Node]
    results: list[str] = field(default_factory=list)

    def roles(self) -> tuple[Node, Node]:
        """Wait until one exporter polls and the other one could take over, and return them."""

        def found() -> tuple[Node, Node] | None:
            first, second = self.nodes
            active = [node.is_active() for node in self.nodes]
            if active == [True, False] and second.is_ready_to_take_over():
                return first, second
            if active == [False, True] and first.is_ready_to_take_over():
                return second, first
            return None

        return wait_until(found, 60, self._outputs)

    def _outputs(self) -> str:
        programs = [program for node in self.nodes for program in (node.exporter, node.keepalived)]
        return "\n\n".join(program.text()[-1500:] for program in programs)

    def wait_until_polled_by(self, *nodes: Node, seconds: float = 20) -> None:
        """Wait until the exporters of exactly these nodes poll."""
        wait_until(
            lambda: (
                [node for node in self.nodes if node.is_active()]
                == [node for node in self.nodes if node in nodes]
            ),
            seconds,
            f"polling by {[node.client for node in nodes]}",
        )

    @contextlib.contextmanager
    def observed(
        self, what: str, silence: float, together: float = 0, lasting: float = FIRST
    ) -> Iterator[None]:
        """Fail if nobody polls or both poll for longer than this, until ``lasting`` seconds afterwards."""
        start = time.time()
        yield
        end = time.time() + lasting
        wait_until(lambda: any(at > end for at, _ in self._requests(start)), 60, "further requests")
        seen = RequestsSeen(start, end, self._requests(start))
        row = f"{what:<44} {seen.longest_silence():5.1f} {seen.together():5.1f}  {seen.counts()}"
        self.results.append(row)
        assert seen.longest_silence() < silence, row
        assert seen.together() <= together, row

    def _requests(self, since: float) -> list[tuple[float, str]]:
        log = json.loads(self.center.fetch(f"{_SWITCH}/simulator/requests"))["requests"]
        return [(entry["time"], entry["client"]) for entry in log if entry["time"] >= since]


@contextlib.contextmanager
def running_pair(run: Start, directory: Path, authority: Authority) -> Iterator[Pair]:
    """Start the switch and both nodes, keepalived before the exporter, and yield them when one polls.

    The second one has TLS, and not the default URL.
    """
    with network(run, directory, switch="192.0.2.1/24", a="192.0.2.11/24", b="192.0.2.12/24") as machines:
        center, *others = machines
        switch = center.start(
            *(*EXPORTER, "simulate", "--listen=192.0.2.1:10391", "--tenants=1", "--allow-remote-control")
        )
        switch.wait_for(r"192\.0\.2\.1:10391")
        urls = ("http://127.0.0.1:10390", "https://127.0.0.1:10399")
        first, second = (Node(machine, url) for machine, url in zip(others, urls, strict=True))
        pair = Pair(center, (first, second))
        shipped = (DEPLOY / "keepalived.conf").read_text()
        for node, text in ((first, shipped), (second, _OTHER.sub(r"\2\1", shipped))):
            _install(node, text, authority)
            node.start_keepalived()
            node.start_exporter()
        pair.roles()
        yield pair


def _install(node: Node, keepalived: str, authority: Authority) -> None:
    """Install the shipped files with the documented commands, and configure the exporter."""
    for command in re.findall(r"^install -m .* /etc/keepalived/$", PAGE.read_text(), re.MULTILINE):
        node.machine.call("sh", "-c", f"cd '{DEPLOY.parents[1]}' && {command}")
    directory = node.machine.directory
    (directory / "keepalived.conf").write_text(keepalived)
    node.set_password(PASSWORD)
    (directory / Path(_TEST_OPTIONS).name).write_bytes((directory / Path(OPTIONS).name).read_bytes())
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    web: dict[str, object] = {"basic_auth_users": {"keepalived": hashed}}
    (directory / "ca.pem").write_bytes(authority.certificate.read_bytes())
    if node.url.startswith("https"):
        issued = authority.issue("node")
        web["tls_server_config"] = {"cert_file": str(issued.certificate), "key_file": str(issued.key)}
    (directory / "web.yml").write_text(json.dumps(web))
    each_second = {"interval": "1s", "tenant_interval": "off"}
    queries = {
        "license": {"interval": "1s"},
        "peers": each_second,
        "channels": each_second,
        "calls": {"interval": "off", "tenant_interval": "off"},
    }
    switch = {
        "name": "north",
        "url": f"{_SWITCH}/pbx/proxyapi.php",
        "key": "demo-admin",
        "queries": queries,
    }
    (directory / "config.yaml").write_text(configuration(switch, high_availability={"start": "standby"}))
