"""What befalls a whole switch, at every query and scope: no connection, no TLS, no name, another day.

A fleet of as many switches as there are queries, each of which asks for one thing alone, and one beside them
that is well. All of the others are reached at one address, through TLS. The clock is fast.
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
from tests.e2e.fast_clock import FastLoop
from tests.e2e.fast_fleet import FastFleet, fast_fleet
from tests.e2e.programs import Series
from tests.e2e.response_faults import COLUMNS, QUERIES, Column

MINUTE = 60.0
DAY = 86_400.0
TIMEOUT = 10.0
FAILURES = 5
"""After so many in a row the breaker opens (design, section 5)."""

LAST_SUCCESS = "softswitch_query_last_success_timestamp_seconds"
_TENANTS = tuple(sorted({"T0", "T1", "T2", "T3", "T4", "T5", "T6", "L0"}))


@dataclass(frozen=True)
class Certificates:
    """The server's sides of TLS. All but ``unknown`` are signed by what is in ``file``."""

    file: Path
    contexts: Mapping[str, ssl.SSLContext]


@pytest.fixture(scope="module")
def certificates(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Certificates:
    """Make certificates, each signed by itself, and trust all of them but one."""
    openssl = require_program("openssl", "openssl")
    folder = tmp_path_factory.mktemp("tls")

    def make(name: str, address: str = "IP:127.0.0.1", days: int = 2) -> ssl.SSLContext:
        key, request, certificate = (folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        extensions = folder / "extensions"
        extensions.write_text(f"subjectAltName={address}\n")
        sign = "x509 -req -days"
        new = "req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        for command in (
            [*new.split(), "-subj", f"/CN={name}", "-keyout", key, "-out", request],
            [
                *sign.split(),
                str(days),
                "-in",
                request,
                "-signkey",
                key,
                "-extfile",
                extensions,
                "-out",
                certificate,
            ],
        ):
            subprocess.run([openssl, *map(str, command)], check=True, capture_output=True)
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


def _configuration(url: str, sound: str, trusted: Path) -> str:
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
    switches.append({"name": "sound", "url": sound, "tenants": [{"code": "L0"}], **common})
    return json.dumps({"switches": switches})


@dataclass
class Street:
    """What runs throughout."""

    runner: asyncio.Runner
    listener: Listener
    fast: FastFleet
    file: Path
    good: str
    certificates: Certificates


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Street]:
    """Poll all switches, while all is well."""
    file = tmp_path_factory.mktemp("street") / "config.yaml"
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        switch = FakeSwitch(_TENANTS)
        listener, sound = Listener(switch.serve), Listener(switch.serve)
        runner.run(listener.open(context=certificates.contexts["good"]))
        runner.run(sound.open())
        good = _configuration(
            f"https://127.0.0.1:{listener.port}/api", f"http://127.0.0.1:{sound.port}/api", certificates.file
        )
        file.write_text(good)
        fleets = fast_fleet(lambda: load(file, {}), Mask())
        fast = runner.run(fleets.__aenter__())
        runner.run(asyncio.sleep(6 * MINUTE))
        yield Street(runner, listener, fast, file, good, certificates)
        runner.run(fleets.__aexit__(None, None, None))
        listener.close()
        sound.close()


async def _silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing at all."""
    await reader.read()
    writer.close()


async def _without_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer TLS as a web server without it does."""
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


async def _shut(street: Street) -> None:
    street.listener.close()


_UNKNOWN = ".".join(["pbx" * 20] * 5)
"""A name that the resolver does not know, and need not ask anybody: it is too long."""


async def _to_another_name(street: Street) -> None:
    street.file.write_text(street.good.replace(f"127.0.0.1:{street.listener.port}", _UNKNOWN))
    await street.fast.reload()


def _shows(certificate: str) -> Callable[[Street], Any]:
    return lambda street: street.listener.open(context=street.certificates.contexts[certificate])


FAULTS: dict[str, tuple[Callable[[Street], Any], str]] = {
    "refuses": (_shut, "connect"),
    "its name is not known": (_to_another_name, "connect"),
    "hangs before TLS": (lambda street: street.listener.open(_silence), "timeout"),
    "no TLS": (lambda street: street.listener.open(_without_tls), "tls"),
    "expired": (_shows("expired"), "tls"),
    "wrong name": (_shows("wrong name"), "tls"),
    "self-signed": (_shows("self-signed"), "tls"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_switch_that_cannot_be_reached(
    fault: str, street: Street, caplog: pytest.LogCaptureFixture
) -> None:
    """Each query tells why and keeps its value, it is only probed, nobody else notices; then it is over."""
    caplog.set_level(logging.ERROR, "asyncio")
    street.runner.run(_live_through(street, *FAULTS[fault]))
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def _live_through(street: Street, begin: Callable[[Street], Any], reason: str) -> None:
    fast = street.fast
    before = fast.scrape()
    assert _statuses(before) == {**dict.fromkeys(COLUMNS, 1.0), "sound": 1.0}
    await begin(street)
    # Who times out is asked more slowly: five times are over after 1 + 1 + 2 + 4 + 8 turns.
    await _until(lambda: COLUMNS.keys() - _only_probed(fast), 20 * MINUTE)

    during = fast.scrape()
    assert _switches(during, "softswitch_breaker_open") == COLUMNS.keys()
    assert _statuses(during) == {**dict.fromkeys(COLUMNS, 0.0), "sound": 1.0}
    assert _switches(during, "softswitch_up") == {"sound"}
    for name, column in COLUMNS.items():
        of = dict(column.status("")[1]) | {"switch": name, "reason": reason}
        assert during["softswitch_query_failure", frozenset(of.items())] == 1
    assert _values(during) == _values(before)
    assert _counted(before, during) == {(name, reason) for name in COLUMNS}

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

    street.file.write_text(street.good)
    await fast.reload()
    await street.listener.open(context=street.certificates.contexts["good"])
    await _until(lambda: _only_probed(fast), MINUTE + TIMEOUT)
    await _until(lambda: _failing(fast), 2 * MINUTE)
    after = fast.scrape()
    assert not _switches(after, "softswitch_breaker_open")
    assert _values(after) == _values(before)


async def _until(awaited: Callable[[], object], seconds: float) -> None:
    """Let time pass until nothing is left of what is awaited."""
    end = asyncio.get_running_loop().time() + seconds
    while left := awaited():
        assert asyncio.get_running_loop().time() <= end, left
        await asyncio.sleep(TIMEOUT)


def _only_probed(fast: FastFleet) -> set[str]:
    return {poller.store.switch for poller in fast.fleet.pollers if poller.policy.breaker.is_open}


def _failing(fast: FastFleet) -> set[str]:
    return {
        poller.store.switch
        for poller in fast.fleet.pollers
        if any(attempt.failure for attempt in poller.store.attempts.values())
    }


def _switches(page: Mapping[Series, float], metric: str) -> set[str]:
    """Return the switches of which a metric is 1."""
    return {dict(labels)["switch"] for (name, labels), value in page.items() if name == metric and value == 1}


def _statuses(page: Mapping[Series, float]) -> dict[str, float]:
    """Return for each switch whether all that is asked of it succeeds."""
    statuses: dict[str, float] = {}
    for (name, labels), value in page.items():
        if name == "softswitch_query_success":
            switch = dict(labels)["switch"]
            statuses[switch] = min(value, statuses.get(switch, 1.0))
    return statuses


def _values(page: Mapping[Series, float]) -> dict[Series, float]:
    """Return the values of all columns, and everything that is held of the sound switch."""
    told = ("softswitch_query_", "softswitch_request_", "softswitch_series", "softswitch_targets_skipped")
    metrics = {column.value[0] for column in COLUMNS.values()}
    return {
        (name, labels): value
        for (name, labels), value in page.items()
        if name in metrics or (("switch", "sound") in labels and not name.startswith(told))
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


def _counted(before: Mapping[Series, float], during: Mapping[Series, float]) -> set[tuple[str, str]]:
    """Return which reasons were counted, by switch."""
    return {
        (of["switch"], of["reason"])
        for (name, labels), value in during.items()
        if name == "softswitch_request_failures_total" and value > before[name, labels]
        for of in [dict(labels)]
    }
