"""Real programs on free ports, with their output in files."""

import contextlib
import itertools
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from prometheus_client.parser import text_string_to_metric_families

Found = TypeVar("Found")
Start = Callable[..., "Program"]

EXPORTER = (sys.executable, "-m", "exporter")

STOPS_WITHIN = 15.0
"""Seconds: three times what the exporter needs at most, because the machine may be busy."""

LEFTOVERS = ("Traceback", "Task was destroyed", "never awaited", "never retrieved", "Unclosed")
"""Messages of Python and aiohttp about tasks and connections that were not closed."""

_PORTS = range(11_000, 31_000)
"""Below the ports that the system chooses for others."""


@dataclass
class Program:
    """A started program. ``output``: a file with stdout and stderr."""

    process: subprocess.Popen[bytes]
    output: Path

    def text(self) -> str:
        """Return the output so far."""
        return self.output.read_text(errors="replace")

    def wait_for(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """Wait until the output matches, and return the match."""

        def match() -> re.Match[str] | None:
            ended = self.process.poll() is not None  # first: it may write more before it ends
            found = re.search(pattern, self.text())
            if found is None and ended:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.text()}")
            return found

        return wait_until(match, seconds, f"{pattern!r} in the output of {self.process.args!r}")

    def wait_for_lines(self, text: str, count: int = 1, seconds: float = 60) -> None:
        """Wait until this text is in so many lines of the output; raise AssertionError if it is in more.

        A program may write a line after it has shown the event in another way.
        """

        def found() -> list[str]:
            return [line for line in self.text().splitlines() if text in line]

        wait_until(lambda: len(found()) >= count, seconds, lambda: f"{count} x {text!r} in:\n{self.text()}")
        assert len(found()) == count, found()

    def stop(self, signal_number: int = signal.SIGTERM, seconds: float = STOPS_WITHIN) -> int:
        """Send a signal and return the exit status. Raises subprocess.TimeoutExpired if it does not stop."""
        self.process.send_signal(signal_number)
        return self.process.wait(seconds)

    def assert_nothing_left(self) -> None:
        """Raise AssertionError if it reported a task or a connection that was not closed."""
        assert not [word for word in LEFTOVERS if word in self.text()], self.text()


@dataclass(frozen=True)
class Simulator:
    """A running simulated switch and its control API."""

    program: Program
    base_url: str

    @property
    def url(self) -> str:
        """The `url` for a configuration."""
        return f"{self.base_url}/pbx/proxyapi.php"

    def truth(self) -> dict[str, Any]:
        """Return all current values of the switch."""
        return get_json(f"{self.base_url}/simulator/truth")

    def inject_fault(self, **rule: Any) -> None:
        """Add a fault."""
        send(f"{self.base_url}/simulator/faults", rule)

    def clear_faults(self) -> None:
        """Remove all faults."""
        send(f"{self.base_url}/simulator/faults", None, method="DELETE")

    def change_world(self, **changes: Any) -> None:
        """Change the simulated world."""
        send(f"{self.base_url}/simulator/world", changes)

    def requests(self, since: int = 0) -> dict[str, Any]:
        """Return the log of requests."""
        return get_json(f"{self.base_url}/simulator/requests?since={since}")

    def assert_no_forbidden_requests(self) -> None:
        """Raise AssertionError if it received a request that is not on the allow-list."""
        announced = [line for line in self.program.text().splitlines() if "FORBIDDEN REQUEST" in line]
        assert not announced, announced


@dataclass(frozen=True)
class Exporter:
    """A running exporter."""

    program: Program
    base_url: str

    def metrics(self, **headers: str) -> str:
        """Return a scrape, in the text format unless headers select another."""
        return get(f"{self.base_url}/metrics", **headers).decode()

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of a series, or None if it is absent."""
        return samples(self.metrics()).get((name, frozenset(labels.items())))

    def resident_bytes(self) -> float:
        """Return its resident memory."""
        return samples(self.metrics())["process_resident_memory_bytes", frozenset()]


Series = tuple[str, frozenset[tuple[str, str]]]


def samples(text: str) -> dict[Series, float]:
    """Return the samples of a scrape by name and labels. Raises ValueError for a malformed line."""
    lines = (line.rpartition(" ") for line in text.split("\n") if line and not line.startswith("#"))
    return {_series(series): float(value) for series, _, value in lines}


@lru_cache(maxsize=2**17)
def _series(text: str) -> Series:
    """Parse the name and labels of a line. Cached because the parser is slow and series repeat."""
    [family] = text_string_to_metric_families(f"{text} 0\n")
    [sample] = family.samples
    return sample.name, frozenset(sample.labels.items())


def start(command: tuple[str, ...], output: Path, **environment: str) -> Program:
    """Start a program."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        )
    return Program(process, output)


@contextlib.contextmanager
def running_programs(directory: Path) -> Iterator[Start]:
    """Yield a function that starts programs; kill those that still run at the end."""
    programs: list[Program] = []
    numbers = itertools.count(1)

    def run(*command: str, **environment: str) -> Program:
        programs.append(start(command, directory / f"output-{next(numbers)}.log", **environment))
        return programs[-1]

    try:
        yield run
    finally:
        for program in programs:
            program.process.kill()
            program.process.wait()


def start_simulator(run: Start, *flags: str) -> Simulator:
    """Start a simulated switch with these flags."""
    program = run(*EXPORTER, "simulate", "--listen=127.0.0.1:0", *flags)
    return Simulator(program, program.wait_for(r"(http://127\.0\.0\.1:\d+)/")[1])


def start_exporter(run: Start, file: Path, configuration: str, *flags: str, **environment: str) -> Exporter:
    """Write the configuration to ``file`` and start an exporter with it."""
    file.write_text(configuration, encoding="utf-8")
    program = run(
        *EXPORTER, f"--config.file={file}", "--web.listen-address=127.0.0.1:0", *flags, **environment
    )
    port = program.wait_for(r'address"?[=:]\s*"?127\.0\.0\.1:(\d+)')[1]
    return Exporter(program, f"http://127.0.0.1:{port}")


def run_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run an exporter command that exits by itself; return its exit status and output."""
    return subprocess.run(
        [*EXPORTER, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, **environment},
    )


def free_port() -> int:
    """Return a free port, for programs that do not report the port they chose.

    At random, because other tests look for one at the same time.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(condition: Callable[[], Found | None], seconds: float, what: str | Callable[[], str]) -> Found:
    """Wait until a condition is true, and return its value. ``what`` is described in the error.

    After a condition that takes long, it waits as long, and leaves the processor to the programs.
    """
    end = time.monotonic() + seconds
    while True:
        started = time.monotonic()
        try:
            result = condition()
        except (urllib.error.URLError, ConnectionError):
            result = None
        if result:
            return result
        if (now := time.monotonic()) > end:
            raise AssertionError(f"not within {seconds} s: {what if isinstance(what, str) else what()}")
        time.sleep(max(0.05, now - started))


def get(url: str, **headers: str) -> bytes:
    """Fetch a page."""
    request = urllib.request.Request(url, headers={k.replace("_", "-"): v for k, v in headers.items()})
    with urllib.request.urlopen(request, timeout=30) as response:
        body: bytes = response.read()
        return body


def get_json(url: str) -> dict[str, Any]:
    """Fetch a JSON object."""
    found: dict[str, Any] = json.loads(get(url))
    return found


def send(url: str, body: Any, method: str = "POST") -> None:
    """Send JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, data=data, method=method, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        response.read()


def print_result(text: str) -> None:
    """Print a measurement, shown by ``pytest -rP``."""
    sys.stdout.write(f"\n{text}")
