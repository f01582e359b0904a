"""Requests per second of CPU time, including decoding and storing the responses."""

import asyncio
import contextlib
import gc
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit

import aiohttp
from prometheus_client import CollectorRegistry

from benchmarks.measures import cpu_seconds, installed
from benchmarks.table import Row, compared
from exporter.app import collect_garbage_less
from exporter.client import open_client
from exporter.clock import Clock
from exporter.config import load
from exporter.masking import Mask
from exporter.metrics.self_metrics import Instruments
from exporter.model import Query, Scope
from exporter.poll import Poller, SwitchContext
from tests.e2e.programs import Start, free_port, get, wait_until

_TENANTS = 1000
_IN_FLIGHT = 16
_QUERIES = {
    Query.CHANNELS: "reqtype=COUNTCHANNELS&format=json",
    Query.CALLS: "reqtype=COUNTCALLS",
    Query.BALANCE: "reqtype=INFO&info=balance",
}
_PROBES = 500
_TARGET = 0.5


def rows(run: Start, directory: Path, rounds: int) -> Iterator[Row]:
    """Poll the same stub with the poller, a bare loop and blackbox_exporter, alternately."""
    with stub() as url:
        seconds = asyncio.run(_alternately(url, directory, rounds))
        requests = _TENANTS * len(_QUERIES)
        ours, bare = (requests / statistics.median(each) for each in zip(*seconds, strict=True))
        ratio = statistics.median(theirs / own for own, theirs in seconds)
        unit = "requests per CPU second"
        row = compared("poll: request, decode, store", ours, "bare aiohttp loop", bare, unit)
        yield replace(row, ratio=ratio, target=">= 0.5", holds=ratio >= _TARGET)
        if not installed("prometheus-blackbox-exporter"):
            print(
                "no row of blackbox_exporter: apt-get install prometheus-blackbox-exporter",
                file=sys.stderr,
            )
            return
        blackbox = _blackbox(run, directory, url, rounds)
        yield compared("poll: request, decode, store", ours, "blackbox_exporter", blackbox, unit, at_least=4)


@contextlib.contextmanager
def stub(*arguments: str) -> Iterator[str]:
    """Run a switch that responds immediately, and return its URL."""
    command = [sys.executable, "-m", "benchmarks.stub", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 -- for the type checker
            yield process.stdout.readline().strip()
        finally:
            process.kill()


async def _alternately(url: str, directory: Path, rounds: int) -> list[tuple[float, float]]:
    """Return the CPU seconds of the poller and of a bare loop, for all queries of each round.

    Both take turns with each query, and with being the first: a busy machine slows down both alike.
    """
    python_default = gc.get_threshold()
    collect_garbage_less()  # as the daemon does
    daemon_default = gc.get_threshold()
    seconds = []
    async with _poller(url, directory) as poller, aiohttp.ClientSession() as session:
        for number in range(rounds):
            ours = theirs = 0.0
            for query, parameters in _QUERIES.items():
                for is_ours in (True, False) if number % 2 else (False, True):
                    gc.set_threshold(*(daemon_default if is_ours else python_default))
                    started = time.process_time()
                    if is_ours:
                        await _poll(poller, query)
                        ours += time.process_time() - started
                    else:
                        await _bare(session, f"{url}?{parameters}")
                        theirs += time.process_time() - started
            seconds.append((ours, theirs))
    return seconds


async def _poll(poller: Poller, query: Query) -> None:
    await poller.sweep(query, Scope.TENANT)
    while poller.requests_in_flight:  # noqa: ASYNC110 -- a poller has no event for it
        await asyncio.sleep(0.001)


async def _bare(session: aiohttp.ClientSession, url: str) -> None:
    numbers = iter(range(_TENANTS))

    async def worker() -> None:
        for number in numbers:
            async with session.get(f"{url}&tenant=T{number:05}&key=key") as response:
                await response.read()

    await asyncio.gather(*(worker() for _ in range(_IN_FLIGHT)))


@contextlib.asynccontextmanager
async def _poller(url: str, directory: Path) -> AsyncIterator[Poller]:
    file = directory / "poll.yaml"
    switch = {
        "name": "pbx",
        "url": url,
        "key": "key",
        "max_concurrency": _IN_FLIGHT,
        "max_requests_per_second": 10_000,
        # So short that a sweep never waits.
        "queries": {query: {"tenant_interval": "5ms"} for query in _QUERIES},
        "tenants": [{"code": f"T{number:05}", "extensions": "none"} for number in range(_TENANTS)],
    }
    file.write_text(json.dumps({"switches": [switch]}))
    # Above the maximum of the configuration, to measure the fastest possible polling.
    configuration = load(file, {}).switches[0].model_copy(update={"max_requests_per_second": 1e6})
    poller = Poller(
        SwitchContext(
            configuration, open_client(configuration), Instruments(CollectorRegistry()), Mask(), Clock()
        )
    )
    try:
        yield poller
    finally:
        await poller.stop()


def _blackbox(run: Start, directory: Path, url: str, rounds: int) -> float:
    """Return blackbox_exporter's probes per CPU second."""
    file = directory / "blackbox.yml"
    file.write_text("modules: {http_2xx: {prober: http, http: {preferred_ip_protocol: ip4}}}")
    port = free_port()
    program = run(
        "prometheus-blackbox-exporter", f"--config.file={file}", f"--web.listen-address=127.0.0.1:{port}"
    )
    base = f"http://127.0.0.1:{port}"
    wait_until(lambda: get(f"{base}/-/healthy"), 20, "blackbox_exporter")
    probe = (
        f"{base}/probe?module=http_2xx&target={quote(f'{url}?reqtype=COUNTCALLS&tenant=T1&key=key', safe='')}"
    )
    rates = []
    for _ in range(rounds):
        before = cpu_seconds(program.process.pid)
        threads = [threading.Thread(target=_fetch, args=(probe, _PROBES // 4)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rates.append(_PROBES / (cpu_seconds(program.process.pid) - before))
    return statistics.median(rates)


def _fetch(url: str, times: int) -> None:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc)
    for _ in range(times):
        connection.request("GET", f"{address.path}?{address.query}")
        if b"probe_success 1" not in connection.getresponse().read():
            raise RuntimeError(f"{url}: the probe failed")
