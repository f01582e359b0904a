"""Real programs on free ports, each with its output in a file that tests can search."""

import contextlib
import itertools
import json
import os
import re
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


@dataclass
class Program:
    """A program that was started; its output, both streams, goes to a file."""

    process: subprocess.Popen[bytes]
    output: Path

    def text(self) -> str:
        """Return what it has said so far."""
        return self.output.read_text(errors="replace")

    def wait_for(self, pattern: str, seconds: float = 20) -> re.Match[str]:
        """Wait until its output matches, and return the match."""

        def match() -> re.Match[str] | None:
            found = re.search(pattern, self.text())
            if found is None and self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.text()}")
            return found

        return wait_until(match, seconds, f"{pattern!r} in the output of {self.process.args!r}")

    def stop(self, signal_number: int = signal.SIGTERM, seconds: float = 10) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(signal_number)
        return self.process.wait(seconds)


@dataclass(frozen=True)
class Simulator:
    """A running simulated switch and its control interface."""

    program: Program
    base_url: str

    @property
    def url(self) -> str:
        """The URL for a configuration."""
        return f"{self.base_url}/pbx/proxyapi.php"

    def truth(self) -> dict[str, Any]:
        """Return everything a perfect exporter would say."""
        return get_json(f"{self.base_url}/simulator/truth")

    def inject_fault(self, **rule: Any) -> None:
        """Switch a fault on."""
        send(f"{self.base_url}/simulator/faults", rule)

    def clear_faults(self) -> None:
        """Switch all faults off."""
        send(f"{self.base_url}/simulator/faults", None, method="DELETE")

    def change_world(self, **changes: Any) -> None:
        """Change the simulated world."""
        send(f"{self.base_url}/simulator/world", changes)

    def requests(self, since: int = 0) -> dict[str, Any]:
        """Return the log of requests it was sent."""
        return get_json(f"{self.base_url}/simulator/requests?since={since}")

    def assert_no_forbidden_requests(self) -> None:
        """Fail where it was ever sent what is not on the allow-list. It may have ended already."""
        announced = [line for line in self.program.text().splitlines() if "FORBIDDEN REQUEST" in line]
        assert not announced, announced


@dataclass(frozen=True)
class Exporter:
    """A running exporter."""

    program: Program
    base_url: str

    def metrics(self, **headers: str) -> str:
        """Scrape it once, in the text format unless the headers say otherwise."""
        return get(f"{self.base_url}/metrics", **headers).decode()

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of one series, or None where it is not served."""
        return samples(self.metrics()).get((name, frozenset(labels.items())))


Series = tuple[str, frozenset[tuple[str, str]]]


def samples(text: str) -> dict[Series, float]:
    """Return every sample of a scrape by name and labels. Raises ValueError for a malformed line."""
    lines = (line.rpartition(" ") for line in text.split("\n") if line and not line.startswith("#"))
    return {_series(series): float(value) for series, _, value in lines}


@lru_cache(maxsize=2**17)
def _series(text: str) -> Series:
    """Parse the name and labels of a line. The parser is slow, and most lines differ in value only."""
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
    """Give a function that starts any program; whatever still runs at the end is killed."""
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
    """Start an exporter with this configuration text, which is written to ``file``, and these flags."""
    file.write_text(configuration, encoding="utf-8")
    program = run(
        *EXPORTER, f"--config.file={file}", "--web.listen-address=127.0.0.1:0", *flags, **environment
    )
    port = program.wait_for(r'address"?[=:]\s*"?127\.0\.0\.1:(\d+)')[1]
    return Exporter(program, f"http://127.0.0.1:{port}")


def run_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the exporter that ends by itself; return its exit status and both outputs."""
    return subprocess.run(
        [*EXPORTER, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, **environment},
    )


def free_port() -> int:
    """Return a port that was free a moment ago, for programs that cannot be asked which one they took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], Found | None], seconds: float, what: str | Callable[[], str]) -> Found:
    """Wait until a condition gives something that is not false, and return it. ``what`` may be told late."""
    end = time.monotonic() + seconds
    while True:
        try:
            result = condition()
        except (urllib.error.URLError, ConnectionError):
            result = None
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.05)


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


def print_result(figure: str) -> None:
    """Print what was measured; ``pytest -s`` or ``-rP`` shows it."""
    sys.stdout.write(f"\n{figure}")
