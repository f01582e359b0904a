"""The cost of a scrape: time, CPU, memory, and the longest step of the event loop."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measures import Reader, cpu_seconds, forget_peak, installed, resident_bytes
from benchmarks.serving import page_of
from benchmarks.stores import filled
from benchmarks.table import Row, compared, faster
from tests.e2e.programs import Exporter, Start, free_port, get, wait_until
from tests.e2e.prometheus import start_prometheus

SIZES = (1_000, 10_000, 100_000, 1_000_000)
_LARGE = 1_000_000

_GZIP_TARGETS = {100_000: (40, 100), _LARGE: (80, 0)}
"""Targets of a compressed scrape: times faster than pushgateway and prometheus_client."""

_PLAIN_TARGETS = {100_000: 1.6}
"""Targets of a plain scrape, relative to the same bytes from memory."""

_LONGEST_STEP = 0.005
"""Seconds."""

_BYTES_PER_SERIES = 300


@dataclass
class _Server:
    """A program that serves the series, and its measurements."""

    name: str
    url: str
    pid: int
    idle: int
    taken: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    cpu: dict[bool, float] = field(default_factory=dict)
    steps: list[float] = field(default_factory=list)
    size: dict[bool, int] = field(default_factory=dict)

    def scrape(self, *, gzip: bool) -> None:
        before = cpu_seconds(self.pid)
        taken, self.size[gzip] = Reader(self.url, gzip=gzip).fetch()
        self.taken[gzip].append(taken)
        self.cpu[gzip] = self.cpu.get(gzip, 0) + cpu_seconds(self.pid) - before

    def median(self, *, gzip: bool) -> float:
        return statistics.median(self.taken[gzip])

    def watch(self, *, gzip: bool) -> None:
        """Scrape once, and record the longest step of the event loop."""
        base = self.url.removesuffix("/metrics")
        get(f"{base}/watch")
        Reader(self.url, gzip=gzip).fetch()
        self.steps.append(json.loads(get(f"{base}/watched")))


def rows(run: Start, directory: Path, sizes: tuple[int, ...], rounds: int) -> Iterator[Row]:
    """Measure scrapes of each size, with the servers alternating, ``rounds`` times."""
    for series in sizes:
        with contextlib.ExitStack() as stack:
            page = directory / f"page-{series}.txt"
            page.write_bytes(page_of(filled(series)))
            servers = [
                stack.enter_context(_served(name, argument))
                for name, argument in (
                    ("exporter", str(series)),
                    ("static", str(page)),
                    ("prometheus_client", str(page)),
                )
            ]
            if installed("prometheus-pushgateway"):
                servers.append(stack.enter_context(_pushgateway(run, page)))
            else:
                print("no rows of pushgateway: apt-get install prometheus-pushgateway", file=sys.stderr)
            _measure(servers, rounds if series < _LARGE else max(2, rounds // 5))
            yield from _rows(series, {server.name: server for server in servers})
        if series == _LARGE:  # after the peers have freed their memory
            with _served("exporter", str(series)) as server:
                yield from _scraped_by_prometheus(run, directory, server)


@contextlib.contextmanager
def _served(how: str, argument: str) -> Iterator[_Server]:
    command = [sys.executable, "-m", "benchmarks.serving", how, argument]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 -- for the type checker
            idle = int(process.stdout.readline().removeprefix("idle "))
            url = process.stdout.readline().removeprefix("ready ").strip()
            yield _Server(how, url, process.pid, idle)
        finally:
            process.kill()


@contextlib.contextmanager
def _pushgateway(run: Start, page: Path) -> Iterator[_Server]:
    port = free_port()
    program = run("prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{port}", "--persistence.file=")
    base = f"http://127.0.0.1:{port}"
    wait_until(lambda: get(f"{base}/-/ready"), 20, "pushgateway")
    idle = resident_bytes(program.process.pid)
    push = urllib.request.Request(f"{base}/metrics/job/benchmark", page.read_bytes(), method="PUT")  # noqa: S310 -- loopback
    urllib.request.urlopen(push, timeout=300).close()  # noqa: S310 -- likewise
    try:
        yield _Server("pushgateway", f"{base}/metrics", program.process.pid, idle)
    finally:
        program.process.kill()


def _measure(servers: list[_Server], rounds: int) -> None:
    for server in servers:
        Reader(server.url, gzip=True).fetch()  # the first scrape fills caches
        forget_peak(server.pid)
    for _ in range(rounds):
        for server in servers:
            for gzip in (True, False):
                server.scrape(gzip=gzip)
    for _ in range(max(3, rounds // 3)):
        servers[0].watch(gzip=True)
        servers[0].watch(gzip=False)


def _rows(series: int, servers: dict[str, _Server]) -> Iterator[Row]:
    ours, static = servers["exporter"], servers["static"]
    peers = [servers[name] for name in ("pushgateway", "prometheus_client") if name in servers]
    what = f"scrape {series:,} series"
    for peer in peers:
        targets = dict(
            zip(("pushgateway", "prometheus_client"), _GZIP_TARGETS.get(series, (0, 0)), strict=True)
        )
        yield faster(
            f"{what}, gzip: median", ours.median(gzip=True), peer.name, peer.median(gzip=True), "ms",
            at_least=targets[peer.name],
        )  # fmt: skip
    for peer in peers:
        yield faster(f"{what}, gzip: CPU", *_cpu(ours, peer, gzip=True))
    yield compared(f"{what}, gzip: p99 of its own median", _p99(ours), "median", ours.median(gzip=True), "ms")
    for peer in peers:
        yield faster(
            f"{what}, plain: median", ours.median(gzip=False), peer.name, peer.median(gzip=False), "ms"
        )
    yield compared(
        f"{what}, plain: median",
        ours.median(gzip=False),
        "same bytes from memory",
        static.median(gzip=False),
        "ms",
        at_most=_PLAIN_TARGETS.get(series, 0),
    )
    yield compared(
        f"{what}: longest step of the event loop", max(ours.steps), "5 ms", _LONGEST_STEP, "ms", at_most=1
    )
    yield compared(
        f"{what}: peak memory per series above idle",
        _memory(ours, series),
        "300 bytes",
        _BYTES_PER_SERIES,
        "bytes",
        at_most=1 if series == _LARGE else 0,
    )
    for peer in peers:
        yield faster(
            f"{what}: peak memory per series",
            _memory(ours, series),
            peer.name,
            _memory(peer, series),
            "bytes",
        )


def _cpu(ours: _Server, peer: _Server, *, gzip: bool) -> tuple[float, str, float, str]:
    times = len(ours.taken[gzip])
    tick = 1 / os.sysconf("SC_CLK_TCK")
    return max(ours.cpu[gzip], tick) / times, peer.name, peer.cpu[gzip] / times, "ms"


def _p99(server: _Server) -> float:
    taken = sorted(server.taken[True])
    return taken[min(len(taken) - 1, int(len(taken) * 0.99))]


def _memory(server: _Server, series: int) -> float:
    return (resident_bytes(server.pid, peak=True) - server.idle) / series


def _scraped_by_prometheus(run: Start, directory: Path, server: _Server) -> Iterator[Row]:
    """Scrape with a real Prometheus, with its default timeout of 10 s."""
    if not installed("prometheus"):
        print("no row of Prometheus: apt-get install prometheus", file=sys.stderr)
        return
    exporter = Exporter(None, server.url.removesuffix("/metrics"))  # type: ignore[arg-type]  # only its URL is used
    prometheus = start_prometheus(
        run, "prometheus", directory, exporter, interval="15s", scrape={"scrape_timeout": "10s"}
    )
    scraped = "min_over_time(up[10m]) == 1 and count_over_time(up[10m]) >= 3"
    wait_until(lambda: prometheus.series(scraped), 120, "three scrapes by Prometheus within the timeout")
    first = prometheus.series("max_over_time(scrape_duration_seconds[10m])")
    median = prometheus.series("quantile_over_time(0.5, scrape_duration_seconds[10m])")
    prometheus.program.stop()
    what = "real Prometheus, 1,000,000 series"
    # The first scrape includes the index of all series, which does not count for the timeout: `up` is 1.
    yield compared(f"{what}: first scrape", next(iter(first.values())), "its timeout", 10, "s")
    yield compared(f"{what}: median scrape", next(iter(median.values())), "its timeout", 10, "s", at_most=1)
