"""Reloading while everything goes on: whole or not at all, and a scrape shows no more than the change."""

import itertools
import json
import random
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
from tests.e2e.programs import Exporter, Series, Simulator, get, print_result, samples, wait_until

SCRAPES = 1000
RELOADS = 50

SUCCESSFUL = "softswitch_exporter_config_last_reload_successful"
SUCCESS_TIME = "softswitch_exporter_config_last_reload_success_timestamp_seconds"

# What no reload changes: the switch `stays` and its tenants ACME and BOREAL are in every good file.
_PASSING = {"softswitch_query_failure", "softswitch_request_failures_total", "softswitch_query_cycle_seconds"}
_CHANGED = ("threshold", "tenant_info", "query_interval", "channels_limit", "softswitch_tenant_node")
_SWITCHED_OFF = "limits"


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
    """The configurations that are reloaded, one after the other."""

    path: Path
    urls: tuple[str, str]
    """Two simulators that show the same world."""
    chance: random.Random

    def good(self, number: int) -> str:
        """Return a valid file, which changes much and keeps the two tenants of the switch `stays`."""
        chance = self.chance
        tenants: list[dict[str, Any]] = [
            {
                "code": "ACME",
                "extensions": ["100", "101"],
                "labels": {"team": chance.choice(["noc", "voice"])},
            },
            {"code": "BOREAL", "extensions": ["100"], "watch": ["101"]},
        ]
        tenants += [{"code": code} for code in chance.sample(["FJORD", "CINDER", "DELTA9"], 2)]
        interval = chance.choice(["300ms", "400ms", "500ms"])
        asked = queries(interval)
        if number % 2:
            asked[_SWITCHED_OFF]["tenant_interval"] = "off"
        stays = switch(
            "stays",
            self.urls[number // 4 % 2],
            max_concurrency=chance.choice([4, 8]),
            tenants=tenants,
            queries=asked,
            stale_after=chance.choice([20, 30]),
            thresholds={"balance": {"warning": chance.choice([50, 60]), "critical": 10}},
        )
        comes_and_goes = switch("guest", self.urls[0], tenants=[{"code": "ACME"}])
        return configuration(stays, *([comes_and_goes] if number % 3 else []))

    def bad(self) -> str:
        """Return a file that must change nothing."""
        return self.chance.choice(
            ["switches: [", '{"switches": []}', '{"switches": [{"name": "stays", "colour": "red"}]}']
        )


@dataclass
class _Scraper:
    """Scrapes again and again; notes what failed to parse, and which series of what stayed were missing."""

    exporter: Exporter
    scrapes: int = 0
    problems: list[str] = field(default_factory=list)
    slowest: float = 0.0
    kept: set[Series] = field(default_factory=set)

    def has(self, scrapes: int) -> bool:
        """Tell whether it has scraped so often."""
        return self.scrapes >= scrapes

    def run(self) -> None:
        """Scrape until there were enough."""
        while self.scrapes < SCRAPES:
            started = time.monotonic()
            try:
                found = samples(self.exporter.metrics())
            except Exception as error:  # noqa: BLE001 -- whatever goes wrong is a scrape that failed
                self.problems.append(repr(error))
                found = {}
            self.slowest = max(self.slowest, time.monotonic() - started)
            self.scrapes += 1
            missing = self.kept - found.keys()
            if missing:
                self.problems.append(f"missing: {sorted(map(str, missing))[:3]}")


def _stays(series: Series) -> bool:
    name, labels = series
    of = dict(labels)
    return (
        of.get("switch") == "stays"
        and of.get("tenant", "") in {"", "ACME", "BOREAL"}
        and of.get("query") != _SWITCHED_OFF
        and name not in _PASSING
        and not any(word in name for word in _CHANGED)
    )


def _descriptors(exporter: Exporter) -> int:
    return len(list(Path(f"/proc/{exporter.program.process.pid}/fd").iterdir()))


def _reload_by_signal(exporter: Exporter, *, good: bool) -> None:
    """Send SIGHUP and wait until its outcome shows."""
    said = exporter.program.text().count("configuration ")
    exporter.program.process.send_signal(signal.SIGHUP)
    wait_until(lambda: exporter.program.text().count("configuration ") > said, 20, "the reload")
    last = [line for line in exporter.program.text().splitlines() if "configuration " in line][-1]
    assert ("configuration loaded" in last) is good, last


def _reload_by_post(exporter: Exporter, *, good: bool) -> None:
    status, text = _post(exporter)
    assert status == (200 if good else 500), text


def _assert_reload_told(exporter: Exporter, *, good: bool, before: float) -> float:
    """Compare both metrics with what just happened; return the time of the last success."""
    told = exporter.value(SUCCESSFUL)
    at = exporter.value(SUCCESS_TIME)
    assert told == good
    assert at is not None
    assert abs(at - time.time()) < 5 if good else at == before
    return at


def _assert_gone_at_once(exporter: Exporter, text: str) -> None:
    """Nothing is served of a switch, tenant or query that the file does not have."""
    found = samples(exporter.metrics())
    of = [dict(labels) for _, labels in found]
    assert ('"guest"' in text) is any(labels.get("switch") == "guest" for labels in of)
    for code in ("FJORD", "CINDER", "DELTA9"):
        if f'"{code}"' not in text:
            assert not [labels for labels in of if labels.get("tenant") == code]
    if json.loads(text)["switches"][0]["queries"][_SWITCHED_OFF]["tenant_interval"] == "off":
        off = {("switch", "stays"), ("query", _SWITCHED_OFF)}
        held = {name for name, labels in found if off <= labels and name.startswith("softswitch_query_")}
        assert not held


def _two_alike(run_simulator: StartSimulator) -> tuple[Simulator, Simulator]:
    simulators = run_simulator("--tenants=9"), run_simulator("--tenants=9")
    for simulator in simulators:
        calls = {code: {"calls": 2} for code in ("ACME", "BOREAL", "FJORD", "CINDER", "DELTA9")}
        simulator.change_world(freeze=True, tenants=calls)
    return simulators


@pytest.mark.timeout(180)
def test_a_thousand_scrapes_during_fifty_reloads(
    run_simulator: StartSimulator, run_exporter: StartExporter, tmp_path: Path
) -> None:
    """Good and bad files, by signal and by POST: no scrape fails, and nothing that stays is missing."""
    first, second = _two_alike(run_simulator)
    chance = random.Random(1)  # noqa: S311 -- the same choices each time, and no secret
    files = _Files(tmp_path / "config-1.yaml", (first.url, second.url), chance)
    exporter = run_exporter(files.good(1), "--web.enable-lifecycle")
    wait_until_healthy(exporter)
    kept = {series for series in samples(exporter.metrics()) if _stays(series)}
    assert len(kept) > 200
    scraper = _Scraper(exporter, kept=kept)
    descriptors = _descriptors(exporter)
    success = exporter.value(SUCCESS_TIME) or 0.0

    thread = threading.Thread(target=scraper.run)
    thread.start()
    ways: itertools.cycle[Callable[..., None]] = itertools.cycle([_reload_by_post, _reload_by_signal])
    for number, good in zip(range(RELOADS), itertools.cycle([True, True, False, False])):
        text = files.good(number) if good else files.bad()
        files.path.write_text(text)
        next(ways)(exporter, good=good)
        success = _assert_reload_told(exporter, good=good, before=success)
        if good:
            _assert_gone_at_once(exporter, text)
        # Spread over the scrapes: the next reload comes when its share of them is through.
        wait_until(partial(scraper.has, (number + 1) * SCRAPES // RELOADS), 60, "scrapes")
    thread.join()

    print_result(f"{scraper.scrapes} scrapes during {RELOADS} reloads; slowest {scraper.slowest:.3f} s")
    assert scraper.problems == []
    assert "Traceback" not in exporter.program.text(), exporter.program.text()
    files.path.write_text(files.good(1))
    _reload_by_post(exporter, good=True)
    wait_until_healthy(exporter)
    wait_until(lambda: _descriptors(exporter) <= descriptors + 2, 20, "the old connections to be closed")
    assert exporter.program.stop() == 0


def test_values_that_stay_are_those_of_the_switch(
    run_simulator: StartSimulator, run_exporter: StartExporter, tmp_path: Path
) -> None:
    """A reload keeps what is known while the switch hangs: values are neither lost nor invented."""
    simulator = run_simulator("--tenants=3")
    simulator.change_world(freeze=True)
    text = configuration(
        switch("pbx", simulator.url, stale_after=100, tenants=[{"code": "ACME", "extensions": ["100"]}])
    )
    exporter = run_exporter(text, "--web.enable-lifecycle")
    wait_until_healthy(exporter)
    simulator.inject_fault(kind="hang")
    names = ("softswitch_tenant_balance", "softswitch_peers", "softswitch_extension_registered")
    before = {series: value for series, value in samples(exporter.metrics()).items() if series[0] in names}
    assert len(before) == 3

    (tmp_path / "config-1.yaml").write_text(text.replace('"timeout": "5s"', '"timeout": "4s"'))
    assert _post(exporter)[0] == 200

    after = samples(exporter.metrics())
    assert {series: after.get(series) for series in before} == before


def test_a_bad_file_is_told_and_changes_nothing(
    run_simulator: StartSimulator, run_exporter: StartExporter, tmp_path: Path
) -> None:
    """Status 500, with every problem and its path, and without the key that stands in the file."""
    simulator = run_simulator("--tenants=3")
    text = configuration(switch("pbx", simulator.url, tenants=[{"code": "ACME"}]))
    exporter = run_exporter(text, "--web.enable-lifecycle")
    wait_until_healthy(exporter)
    wrong = text.replace('"timeout": "5s"', '"timeout": "soon", "colour": "red"').replace(
        "demo-admin", "s3cret"
    )
    (tmp_path / "config-1.yaml").write_text(wrong)

    status, told = _post(exporter)

    assert status == 500
    assert "switches[0].timeout" in told
    assert "switches[0].colour" in told
    assert "s3cret" not in told + exporter.program.text()
    assert exporter.value(SUCCESSFUL) == 0
    assert exporter.value("softswitch_tenants", switch="pbx") == 1


def test_only_where_it_is_allowed(run_simulator: StartSimulator, run_exporter: StartExporter) -> None:
    """Without --web.enable-lifecycle there is no such page; with it, a GET reloads nothing."""
    simulator = run_simulator("--tenants=1")
    text = configuration(switch("pbx", simulator.url))
    closed, opened = run_exporter(text), run_exporter(text, "--web.enable-lifecycle")

    assert _post(closed)[0] in {404, 405}
    with pytest.raises(urllib.error.HTTPError, match="405") as refused:
        get(f"{opened.base_url}/-/reload")
    refused.value.close()
    assert "configuration loaded" not in opened.program.text()
    assert "configuration loaded" not in closed.program.text()
