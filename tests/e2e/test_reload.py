"""Reloads during polling and scrapes: a reload applies completely or not at all, and no scrape fails."""

import itertools
import json
import random
import re
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.full_configuration import configuration, queries, switch, wait_until_healthy
from tests.e2e.programs import Exporter, Series, Simulator, print_result, samples, wait_until

SCRAPES = 400
RELOADS = 20

SUCCESSFUL = "softswitch_exporter_config_last_reload_successful"
SUCCESS_TIME = "softswitch_exporter_config_last_reload_success_timestamp_seconds"

# Every valid file has the switch `stays` with the tenants ACME and BOREAL: no reload may remove their series.
_TRANSIENT = {
    "softswitch_query_failure",
    "softswitch_request_failures_total",
    "softswitch_query_cycle_seconds",
}
_CHANGED = ("threshold", "tenant_info", "query_interval", "channels_limit", "softswitch_tenant_node")
_TOGGLED = "limits"


def _post(exporter: Exporter, path: str = "/-/reload") -> tuple[int, str]:
    request = urllib.request.Request(f"{exporter.base_url}{path}", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@dataclass
class _Files:
    """The configurations to load. ``urls`` are those of two simulators with the same world."""

    path: Path
    urls: tuple[str, str]
    random: random.Random

    def valid(self, number: int) -> str:
        """Return a valid file with many changes, which keeps two tenants of the switch `stays`."""
        choose = self.random.choice
        tenants: list[dict[str, Any]] = [
            {
                "code": "ACME",
                "extensions": ["100", "101"],
                "labels": {"team": choose(["noc", "voice"])},
            },
            {"code": "BOREAL", "extensions": ["100"], "watch": ["101"]},
        ]
        tenants += [{"code": code} for code in self.random.sample(["FJORD", "CINDER", "DELTA9"], 2)]
        interval = choose(["300ms", "400ms", "500ms"])
        section = queries(interval)
        if number % 2:
            section[_TOGGLED]["tenant_interval"] = "off"
        stays = switch(
            "stays",
            self.urls[number // 4 % 2],
            max_concurrency=choose([4, 8]),
            tenants=tenants,
            queries=section,
            stale_after=choose([20, 30]),
            thresholds={"balance": {"warning": choose([50, 60]), "critical": 10}},
        )
        guest = switch("guest", self.urls[0], tenants=[{"code": "ACME"}])
        return configuration(stays, *([guest] if number % 3 else []))

    def invalid(self) -> str:
        """Return an invalid file."""
        return self.random.choice(
            ["switches: [", '{"switches": []}', '{"switches": [{"name": "stays", "colour": "red"}]}']
        )


@dataclass
class _Scraper:
    """Scrapes repeatedly, and records scrapes that failed or lack one of the series in ``kept``."""

    exporter: Exporter
    scrapes: int = 0
    problems: list[str] = field(default_factory=list)
    slowest: float = 0.0
    kept: set[Series] = field(default_factory=set)

    def has(self, scrapes: int) -> bool:
        """Return whether it has scraped this often."""
        return self.scrapes >= scrapes

    def run(self) -> None:
        """Scrape ``SCRAPES`` times."""
        while self.scrapes < SCRAPES:
            started = time.monotonic()
            try:
                found = samples(self.exporter.metrics())
            except Exception as error:  # noqa: BLE001 -- any error is a failed scrape
                self.problems.append(repr(error))
                found = {}
            self.slowest = max(self.slowest, time.monotonic() - started)
            self.scrapes += 1
            missing = self.kept - found.keys()
            if missing:
                self.problems.append(f"missing: {sorted(map(str, missing))[:3]}")


def _stays(series: Series) -> bool:
    name, labels = series
    label = dict(labels)
    return (
        label.get("switch") == "stays"
        and label.get("tenant", "") in {"", "ACME", "BOREAL"}
        and label.get("query") != _TOGGLED
        and name not in _TRANSIENT
        and not any(word in name for word in _CHANGED)
    )


def _descriptors(exporter: Exporter) -> int:
    return len(list(Path(f"/proc/{exporter.program.process.pid}/fd").iterdir()))


def _reload_by_signal(exporter: Exporter, *, valid: bool) -> None:
    """Send SIGHUP and wait for the log line with the result."""
    results = len(_results(exporter))
    exporter.program.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(_results(exporter)) > results, 60, "the reload")
    assert _results(exporter)[-1] == ("configuration loaded" if valid else "reload failed")


def _results(exporter: Exporter) -> list[str]:
    """Return the result of each reload that was logged so far."""
    return re.findall("configuration loaded|reload failed", exporter.program.text())


def _reload_by_post(exporter: Exporter, *, valid: bool) -> None:
    status, text = _post(exporter)
    assert status == (200 if valid else 500), text


def _assert_reload_metrics(exporter: Exporter, *, valid: bool, before: float) -> float:
    """Compare both metrics with the last reload; return the time of the last success."""
    at = exporter.value(SUCCESS_TIME)
    assert exporter.value(SUCCESSFUL) == valid
    assert at is not None
    assert abs(at - time.time()) < 5 if valid else at == before
    return at


def _assert_removed(exporter: Exporter, text: str) -> None:
    """No series has a switch, tenant or query that is not in the file."""
    found = samples(exporter.metrics())
    served = [dict(labels) for _, labels in found]
    assert ('"guest"' in text) is any(labels.get("switch") == "guest" for labels in served)
    for code in ("FJORD", "CINDER", "DELTA9"):
        if f'"{code}"' not in text:
            assert not [labels for labels in served if labels.get("tenant") == code]
    if json.loads(text)["switches"][0]["queries"][_TOGGLED]["tenant_interval"] == "off":
        off = {("switch", "stays"), ("query", _TOGGLED)}
        left = {name for name, labels in found if off <= labels and name.startswith("softswitch_query_")}
        assert not left


def _two_equal_simulators(run_simulator: StartSimulator) -> tuple[Simulator, Simulator]:
    simulators = run_simulator("--tenants=9"), run_simulator("--tenants=9")
    for simulator in simulators:
        calls = {code: {"calls": 2} for code in ("ACME", "BOREAL", "FJORD", "CINDER", "DELTA9")}
        simulator.change_world(freeze=True, tenants=calls)
    return simulators


@pytest.mark.timeout(180)
def test_no_scrape_fails_during_reloads(
    run_simulator: StartSimulator, run_exporter: StartExporter, tmp_path: Path
) -> None:
    """Of valid and invalid files, by SIGHUP and POST: no series that stays configured is ever missing."""
    first, second = _two_equal_simulators(run_simulator)
    choices = random.Random(1)  # noqa: S311 -- reproducible, and not a secret
    files = _Files(tmp_path / "config-1.yaml", (first.url, second.url), choices)
    exporter = run_exporter(files.valid(1), "--web.enable-lifecycle")
    wait_until_healthy(exporter)
    kept = {series for series in samples(exporter.metrics()) if _stays(series)}
    assert len(kept) > 200
    scraper = _Scraper(exporter, kept=kept)
    descriptors = _descriptors(exporter)
    success = exporter.value(SUCCESS_TIME) or 0.0

    thread = threading.Thread(target=scraper.run)
    thread.start()
    ways: itertools.cycle[Callable[..., None]] = itertools.cycle([_reload_by_post, _reload_by_signal])
    for number, valid in zip(range(RELOADS), itertools.cycle([True, True, False, False])):
        text = files.valid(number) if valid else files.invalid()
        files.path.write_text(text)
        next(ways)(exporter, valid=valid)
        success = _assert_reload_metrics(exporter, valid=valid, before=success)
        if valid:
            _assert_removed(exporter, text)
        # Spread the reloads evenly over the scrapes.
        wait_until(partial(scraper.has, (number + 1) * SCRAPES // RELOADS), 60, "scrapes")
    thread.join()

    print_result(f"{scraper.scrapes} scrapes during {RELOADS} reloads; slowest {scraper.slowest:.3f} s")
    assert scraper.problems == []
    assert "Traceback" not in exporter.program.text(), exporter.program.text()
    files.path.write_text(files.valid(1))
    _reload_by_post(exporter, valid=True)
    wait_until_healthy(exporter)
    # Slower responses use more connections, up to 8 to one switch and 4 to the other. Each of 11 reloads
    # could leave one.
    most = descriptors + 10
    wait_until(lambda: _descriptors(exporter) <= most, 60, "old connections to be closed")
    assert exporter.program.stop() == 0
