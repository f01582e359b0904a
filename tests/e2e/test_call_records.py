"""Calls by outcome: the counters equal the history of the switch, and no output has a caller in it."""

import signal
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from exporter.cli import main
from tests.e2e.conftest import StartExporter, StartPrometheus
from tests.e2e.full_configuration import configuration, switch
from tests.e2e.programs import (
    Series,
    Simulator,
    Start,
    get,
    get_json,
    running_programs,
    start_simulator,
    wait_until,
)

ZONE = ZoneInfo("Asia/Kolkata")
"""Of the switch. It is none of this machine."""

CALLERS = ("CALLER-MUST-NOT-SHOW", "+999007")
"""A part of every name and of every outside number in the call history of the simulator."""

_NAMES = {"ANSWERED": "answered", "NO ANSWER": "no_answer", "FAILED": "failed", "CONGESTION": "congestion"}
_EACH_SECOND = {"number": 3600, "seconds": 3600, "ago": 1200}
_CALLS, _SECONDS = "softswitch_tenant_call_records_total", "softswitch_tenant_call_records_seconds_total"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Start a switch that lists a call as soon as it begins, so that the test need not wait for its end."""
    with running_programs(tmp_path_factory.mktemp("switch")) as run:
        started = _simulator(run)
        yield started
        started.assert_no_forbidden_requests()


def _simulator(run: Start) -> Simulator:
    options = ("--option=call_recorded=start", f"--option=time_zone={ZONE}")
    return start_simulator(run, "--tenants=3", "--extensions=30", *options)


@pytest.fixture
def simulator(shared: Simulator) -> Simulator:
    """Return the switch without faults, with a call in each second of the last 20 and the next 40 minutes."""
    shared.clear_faults()
    shared.change_world(
        tenants={
            "ACME": {"add_calls": {**_EACH_SECOND, "direction": "OUT"}},
            "BOREAL": {
                "add_calls": {**_EACH_SECOND, "direction": "IN", "disposition": "FAILED", "duration": 0}
            },
        }
    )
    return shared


def _configuration(simulator: Simulator, **query: str) -> str:
    section = {"interval": "2s", "timezone": str(ZONE), "delay": "2s", **query}
    off = {query: {"interval": "off"} for query in ("peers", "channels", "calls")}
    tenants = [{"code": "ACME"}, {"code": "BOREAL"}]
    return configuration(
        switch("pbx", simulator.url, tenants=tenants, queries={"call_records": section, **off})
    )


def _windows(simulator: Simulator) -> list[tuple[int, int]]:
    """Return the start and end of each window that was requested, in seconds since 1970."""
    requests = [request["parameters"] for request in simulator.requests()["requests"]]
    return [(_seconds(found["start"]), _seconds(found["end"])) for found in requests if "start" in found]


def _wait_for_windows(simulator: Simulator, count: int) -> None:
    before = len(_windows(simulator))
    wait_until(lambda: len(_windows(simulator)) >= before + count, 60, f"{count} windows")


def _seconds(local: str) -> int:
    return int(datetime.fromisoformat(local).replace(tzinfo=ZONE).timestamp())


def _truth(simulator: Simulator, start: int, end: int) -> dict[Any, float]:
    """Return the counters for a period, its end exclusive."""
    found: dict[Any, float] = {}
    history = get_json(f"{simulator.base_url}/simulator/calls?start={start}&end={end}")
    for tenant in ("ACME", "BOREAL"):
        for each in history["tenants"][tenant]:
            direction = each["direction"].lower()
            found[tenant, direction, _NAMES[each["disposition"]]] = each["calls"]
            if each["disposition"] == "ANSWERED":
                found[tenant, direction] = each["seconds"]
    return {key: value for key, value in found.items() if value}


def _counted(series: Mapping[Series, float]) -> dict[Any, float]:
    """Return the counters that are not zero."""
    found: dict[Any, float] = {}
    for (name, labels), value in series.items():
        of = dict(labels)
        if name == _CALLS:
            found[of["tenant"], of["direction"], of["disposition"]] = value
        elif name == _SECONDS:
            found[of["tenant"], of["direction"]] = value
    return {key: value for key, value in found.items() if value}


def test_counters_equal_the_call_history(
    simulator: Simulator,
    run_exporter: StartExporter,
    run_prometheus: StartPrometheus,
) -> None:
    """In Prometheus, each call after the first window is counted once, through failed requests as well."""
    earlier = len(_windows(simulator))
    exporter = run_exporter(_configuration(simulator, interval="3s"))
    prometheus = run_prometheus(exporter)
    _wait_for_windows(simulator, 3)
    simulator.inject_fault(kind="reset", info="simplecdrs", limit=2)

    def agree() -> dict[Any, float] | None:
        windows = _windows(simulator)[earlier:]
        counted = _counted(prometheus.series(_CALLS) | prometheus.series(_SECONDS))
        # The first, two others, two that failed, and the one that catches up.
        if len(windows) < 6 or len(_windows(simulator)) != len(windows) + earlier:
            return None  # a request is on its way
        (_, first_end), (_, last_end) = windows[0], windows[-1]
        return counted if counted == _truth(simulator, first_end + 1, last_end + 1) else None

    counted = wait_until(agree, 90, "the counters to equal the history")
    assert counted["ACME", "out", "answered"] > 10
    assert counted["BOREAL", "in", "failed"] > 10
    assert counted["ACME", "out"] > 100


def test_no_output_has_a_caller(
    simulator: Simulator, run_exporter: StartExporter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither metrics, status, log nor probe, for valid and for damaged lists."""
    text = _configuration(simulator, interval="1s")
    exporter = run_exporter(text, "--log.level=debug")
    faults: list[dict[str, str]] = [
        {},
        {"kind": "truncate"},
        {"kind": "php_warning"},
        {"kind": "sentence", "text": f"No call of {CALLERS[0]}"},
        {},
    ]
    texts: dict[str, str] = {}
    for number, fault in enumerate(faults):
        simulator.clear_faults()
        if fault:
            simulator.inject_fault(info="simplecdrs", **fault)
        body = get(f"{simulator.url}?key=demo-admin&reqtype=INFO&info=simplecdrs&tenant=%25").decode()
        assert any(caller in body for caller in CALLERS)
        _wait_for_windows(simulator, 2)  # the response to the first one is known
        texts[f"metrics {number}"] = exporter.metrics()
        texts[f"status {number}"] = get(f"{exporter.base_url}/api/v1/status").decode()
        texts[f"page {number}"] = get(f"{exporter.base_url}/").decode()
        file = tmp_path / "probed.yaml"
        for zone in (str(ZONE), "UTC"):
            file.write_text(_configuration(simulator, timezone=zone))
            main(["probe", f"--config.file={file}", "--query=call_records"])
            texts[f"probe {number} {zone}"] = "".join(capsys.readouterr())
    exporter.program.stop(signal.SIGTERM)
    texts["log"] = exporter.program.text()

    assert "verdict   valid list of" in texts["probe 0 Asia/Kolkata"]
    assert "the time zone Asia/Kolkata fits" in texts["probe 0 Asia/Kolkata"]
    assert "at UTC+05:30 now" in texts["probe 0 UTC"], texts["probe 0 UTC"]
    assert "query failing" in texts["log"]
    assert [name for name, output in texts.items() for caller in CALLERS if caller in output] == []
