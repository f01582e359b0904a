"""Measurements: resources of a process, the time of a scrape, steps of the event loop."""

import asyncio
import http.client
import os
import re
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of a process, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int, *, peak: bool = False) -> int:
    """Return the memory of a process, or its peak since ``forget_peak``."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+) kB", status)
    if found is None:
        raise RuntimeError(f"process {pid} has ended")
    return int(found[1]) * 1024


def forget_peak(pid: int) -> None:
    """Reset the peak memory of a process."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def installed(program: str) -> bool:
    """Return whether a program is installed."""
    return shutil.which(program) is not None


class Reader:
    """Fetches one URL repeatedly over one connection, and discards the responses."""

    def __init__(self, url: str, *, gzip: bool) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(address.netloc, timeout=120)
        self._path = f"{address.path}?{address.query}" if address.query else address.path
        self._headers = {"Accept": "text/plain", "Accept-Encoding": "gzip" if gzip else "identity"}
        self._buffer = bytearray(2**20)

    def fetch(self) -> tuple[float, int]:
        """Return the duration of one scrape in seconds, and the size of its response."""
        size = 0
        started = time.perf_counter()
        self._connection.request("GET", self._path, headers=self._headers)
        response = self._connection.getresponse()
        while count := response.readinto(self._buffer):
            size += count
        taken = time.perf_counter() - started
        if response.status != http.client.OK:
            raise RuntimeError(f"{self._path}: expected status 200, got {response.status}")
        return taken, size


class Watch:
    """Measures the longest step of the event loop in seconds of CPU time, without other programs."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start a measurement."""
        self.longest = 0.0
        self._task = asyncio.create_task(self._run())

    def stop(self) -> float:
        """Stop, and return the longest step."""
        if self._task:
            self._task.cancel()
        return self.longest

    async def _run(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)  # each iteration is one step of the loop
            now = time.thread_time()
            self.longest = max(self.longest, now - before)
            before = now
