"""Connection faults at every query and scope: refused, TLS, unknown name; and wall clock jumps.

A fleet has one switch for each query, all at one address with TLS, and one healthy switch. The clock is fast.
"""

import asyncio
import json
import logging
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exporter.config import load
from exporter.masking import Mask
from tests.e2e.fake_switch import FakeSwitch, Listener
from tests.e2e.fast_clock import FastLoop, wait_until_empty
from tests.e2e.fast_fleet import FastFleet, fast_fleet
from tests.e2e.programs import Series
from tests.e2e.response_faults import COLUMNS, QUERIES, Column

MINUTE = 60.0
DAY = 86_400.0
TIMEOUT = 10.0
FAILURES = 5
"""Consecutive failures that open the circuit breaker."""

LAST_SUCCESS = "softswitch_query_last_success_timestamp_seconds"
_NEW_KEY = "req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
_TENANTS = tuple(sorted({"T0", "T1", "T2", "T3", "T4", "T5", "T6", "L0"}))


@dataclass(frozen=True)
class Certificates:
    """TLS contexts of servers. ``file``: the trusted certificates, all but ``unknown``."""

    file: Path
    contexts: Mapping[str, ssl.SSLContext]


@pytest.fixture(scope="module")
def certificates(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Certificates:
    """Create self-signed certificates, and trust all but one."""
    openssl = require_program("openssl", "openssl")
    folder = tmp_path_factory.mktemp("tls")

    def make(name: str, address: str = "IP:127.0.0.1", days: int = 2) -> ssl.SSLContext:
        key, request, certificate = (folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        extensions = folder / "extensions"
        extensions.write_text(f"subjectAltName={address}\n")
        for command in (
            f"{_NEW_KEY} -subj /CN={name} -keyout {key} -out {request}",
            f"x509 -req -days {days} -in {request} -signkey {key} -extfile {extensions} -out {certificate}",
        ):
            subprocess.run([openssl, *command.split()], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    contexts = {
        "good": make("good"),
        "expired": make("expired", days=-1),
        "wrong name": make("other", "DNS:other.example.com"),
        "self-signed": make("unknown"),
    }
    trusted = folder / "trusted.pem"
    trusted.write_text("".join((folder / f"{name}.pem").read_text() for name in ("good", "expired", "other")))
    return Certificates(trusted, contexts)


def _queries(column: Column) -> dict[str, Any]:
    queries: dict[str, Any] = {query: dict.fromkeys(intervals, "off") for query, intervals in QUERIES.items()}
    by_peers = column.operation == "CHANSIPPEERS"
    key = "tenant_interval" if column.tenant or by_peers else "interval"
    queries[column.query][key] = "1m"
    if column.query == "registrations":
        source = {"INFO regstate": "regstate", "INFO extensions": "extensions"}
        queries["registrations"]["source"] = source.get(column.operation, "peers")
    if column.query == "extensions":
        queries["registrations"] = {"tenant_interval": "1m"}
    return queries


def _configuration(url: str, healthy: str, trusted: Path) -> str:
    common = {"key": "demo-admin", "timeout": f"{TIMEOUT:.0f}s", "stale_after": 60}
    switches = [
        {
            "name": name,
            "url": url,
            "tls": {"ca_file": str(trusted)},
            "queries": _queries(column),
            "discover_tenants": {"enabled": column.query == "tenants"},
            "tenants": [
                {
                    "code": column.tenant or "L0",
                    "extensions": "all" if column.query == "extensions" else ["100"],
                }
            ],
            **common,
        }
        for name, column in COLUMNS.items()
    ]
    switches.append({"name": "healthy", "url": healthy, "tenants": [{"code": "L0"}], **common})
    return json.dumps({"switches": switches})


@dataclass
class Setup:
    """The running fleet."""

    runner: asyncio.Runner
    listener: Listener
    fast: FastFleet
    file: Path
    good: str
    certificates: Certificates


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Setup]:
    """Poll all switches without faults."""
    file = tmp_path_factory.mktemp("setup") / "config.yaml"
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        switch = FakeSwitch(_TENANTS)
        listener, healthy = Listener(switch.serve), Listener(switch.serve)
        runner.run(listener.open(context=certificates.contexts["good"]))
        runner.run(healthy.open())
        good = _configuration(
            f"https://127.0.0.1:{listener.port}/api",
            f"http://127.0.0.1:{healthy.port}/api",
            certificates.file,
        )
        file.write_text(good)
        fleets = fast_fleet(lambda: load(file, {}), Mask())
        fast = runner.run(fleets.__aenter__())
        runner.run(asyncio.sleep(6 * MINUTE))
        yield Setup(runner, listener, fast, file, good, certificates)
        runner.run(fleets.__aexit__(None, None, None))
        listener.close()
        healthy.close()


async def _silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send nothing."""
    await reader.read()
    writer.close()


async def _without_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Respond to TLS as a web server without TLS."""
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


async def _shut(setup: Setup) -> None:
    setup.listener.close()


_UNKNOWN = ".".join(["pbx" * 20] * 5)
"""A name that is too long to be looked up."""


async def _use_unknown_name(setup: Setup) -> None:
    setup.file.write_text(setup.good.replace(f"127.0.0.1:{setup.listener.port}", _UNKNOWN))
    await setup.fast.reload()


def _present(certificate: str) -> Callable[[Setup], Any]:
    return lambda setup: setup.listener.open(context=setup.certificates.contexts[certificate])


FAULTS: dict[str, tuple[Callable[[Setup], Any], str]] = {
    "refuses connections": (_shut, "connect"),
    "unknown name": (_use_unknown_name, "connect"),
    "hangs before TLS": (lambda setup: setup.listener.open(_silence), "timeout"),
    "no TLS": (lambda setup: setup.listener.open(_without_tls), "tls"),
    "expired": (_present("expired"), "tls"),
    "wrong name": (_present("wrong name"), "tls"),
    "self-signed": (_present("self-signed"), "tls"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_connection_faults_are_reported_isolated_and_recovered_from(
    fault: str, setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    """Each query has its reason and keeps its value, only probes are sent, and all recovers."""
    caplog.set_level(logging.ERROR, "asyncio")
    setup.runner.run(_run_fault(setup, *FAULTS[fault]))
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def _run_fault(setup: Setup, begin: Callable[[Setup], Any], reason: str) -> None:
    fast = setup.fast
    before = fast.scrape()
    assert _statuses(before) == {**dict.fromkeys(COLUMNS, 1.0), "healthy": 1.0}
    await begin(setup)
    # With backoff, five timeouts take 1 + 1 + 2 + 4 + 8 intervals.
    await wait_until_empty(lambda: COLUMNS.keys() - _with_open_breaker(fast), 20 * MINUTE, step=TIMEOUT)

    during = fast.scrape()
    assert _switches(during, "softswitch_breaker_open") == COLUMNS.keys()
    assert _statuses(during) == {**dict.fromkeys(COLUMNS, 0.0), "healthy": 1.0}
    assert _switches(during, "softswitch_up") == {"healthy"}
    for name, column in COLUMNS.items():
        of = dict(column.status("")[1]) | {"switch": name, "reason": reason}
        assert during["softswitch_query_failure", frozenset(of.items())] == 1
    assert _values(during) == _values(before)
    assert _counted_failures(before, during) == {(name, reason) for name in COLUMNS}

    fast.ahead -= DAY
    later = fast.scrape()
    assert _values(later) == _values(before)
    assert all(
        later[series] - value == pytest.approx(-DAY, abs=1)
        for series, value in during.items()
        if series[0] == LAST_SUCCESS
    )
    await asyncio.sleep(5 * MINUTE)
    probes = _failures(fast.scrape(), reason)
    assert all(probes[name] - count <= FAILURES + 1 for name, count in _failures(later, reason).items())

    setup.file.write_text(setup.good)
    await fast.reload()
    await setup.listener.open(context=setup.certificates.contexts["good"])
    await wait_until_empty(lambda: _with_open_breaker(fast), MINUTE + TIMEOUT, step=TIMEOUT)
    await wait_until_empty(lambda: _with_failures(fast), 2 * MINUTE, step=TIMEOUT)
    after = fast.scrape()
    assert not _switches(after, "softswitch_breaker_open")
    assert _values(after) == _values(before)


def _with_open_breaker(fast: FastFleet) -> set[str]:
    return {poller.store.switch for poller in fast.fleet.pollers if poller.policy.breaker.is_open}


def _with_failures(fast: FastFleet) -> set[str]:
    return {
        poller.store.switch
        for poller in fast.fleet.pollers
        if any(attempt.failure for attempt in poller.store.attempts.values())
    }


def _switches(page: Mapping[Series, float], metric: str) -> set[str]:
    """Return the switches whose metric is 1."""
    return {dict(labels)["switch"] for (name, labels), value in page.items() if name == metric and value == 1}


def _statuses(page: Mapping[Series, float]) -> dict[str, float]:
    """Return for each switch whether all of its queries succeed."""
    statuses: dict[str, float] = {}
    for (name, labels), value in page.items():
        if name == "softswitch_query_success":
            switch = dict(labels)["switch"]
            statuses[switch] = min(value, statuses.get(switch, 1.0))
    return statuses


def _values(page: Mapping[Series, float]) -> dict[Series, float]:
    """Return the values of all columns, and all values of the healthy switch."""
    excluded = ("softswitch_query_", "softswitch_request_", "softswitch_series", "softswitch_targets_skipped")
    metrics = {column.value[0] for column in COLUMNS.values()}
    return {
        (name, labels): value
        for (name, labels), value in page.items()
        if name in metrics or (("switch", "healthy") in labels and not name.startswith(excluded))
    }


def _failures(page: Mapping[Series, float], reason: str) -> dict[str, float]:
    """Return how many requests to each switch failed for this reason."""
    failures = dict.fromkeys(COLUMNS, 0.0)
    for (name, labels), value in page.items():
        of = dict(labels)
        if (
            name == "softswitch_request_failures_total"
            and of["reason"] == reason
            and of["switch"] in failures
        ):
            failures[of["switch"]] += value
    return failures


def _counted_failures(before: Mapping[Series, float], during: Mapping[Series, float]) -> set[tuple[str, str]]:
    """Return the switches and reasons of the counted failures."""
    return {
        (of["switch"], of["reason"])
        for (name, labels), value in during.items()
        if name == "softswitch_request_failures_total" and value > before[name, labels]
        for of in [dict(labels)]
    }
