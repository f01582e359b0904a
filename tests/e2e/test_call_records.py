"""Calls by outcome: the counters equal the history of the switch."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.full_configuration import configuration, switch
from tests.e2e.programs import Series, Simulator, get_json, samples, wait_until

ZONE = ZoneInfo("Asia/Kolkata")
"""Of the switch. It is none of this machine."""

_NAMES = {"ANSWERED": "answered", "NO ANSWER": "no_answer", "FAILED": "failed", "CONGESTION": "congestion"}
_EACH_SECOND = {"number": 3600, "seconds": 3600, "ago": 1200}
"""A call in each second of the last 20 minutes and of the next 40."""

_CALLS, _SECONDS = "softswitch_tenant_call_records_total", "softswitch_tenant_call_records_seconds_total"


def _configuration(simulator: Simulator) -> str:
    off = {query: {"interval": "off"} for query in ("peers", "channels", "calls")}
    records = {"interval": "1s", "timezone": str(ZONE), "delay": "1s"}
    tenants = [{"code": "ACME"}, {"code": "BOREAL"}]
    return configuration(
        switch("pbx", simulator.url, tenants=tenants, queries={"call_records": records, **off})
    )


def _windows(simulator: Simulator) -> list[tuple[int, int]]:
    """Return the start and end of each window that was requested, in seconds since 1970."""
    requests = [request["parameters"] for request in simulator.requests()["requests"]]
    return [(_seconds(found["start"]), _seconds(found["end"])) for found in requests if "start" in found]


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


def test_counters_equal_the_call_history(run_simulator: StartSimulator, run_exporter: StartExporter) -> None:
    """Each call after the first window is counted once, through failed requests as well."""
    # It lists a call as soon as it begins, so that the test need not wait for its end.
    options = ("--option=call_recorded=start", f"--option=time_zone={ZONE}")
    simulator = run_simulator("--tenants=3", "--extensions=30", *options)
    failed = {"direction": "IN", "disposition": "FAILED", "duration": 0}
    simulator.change_world(
        tenants={
            "ACME": {"add_calls": {**_EACH_SECOND, "direction": "OUT"}},
            "BOREAL": {"add_calls": {**_EACH_SECOND, **failed}},
        }
    )
    exporter = run_exporter(_configuration(simulator))
    wait_until(lambda: len(_windows(simulator)) >= 3, 60, "three windows")
    simulator.inject_fault(kind="reset", info="simplecdrs", limit=2)

    def agree() -> dict[Any, float] | None:
        windows = _windows(simulator)
        counted = _counted(samples(exporter.metrics()))
        if len(_windows(simulator)) > len(windows):
            return None  # a request is on its way
        (_, first_end), (_, last_end) = windows[0], windows[-1]
        return counted if counted == _truth(simulator, first_end + 1, last_end + 1) else None

    # The first, two others, two that failed, and the one that catches up.
    wait_until(lambda: len(_windows(simulator)) >= 8, 60, "more windows")
    counted = wait_until(agree, 60, "the counters to equal the history")
    assert counted["ACME", "out", "answered"] > 3
    assert counted["BOREAL", "in", "failed"] > 3
    assert counted["ACME", "out"] > 30
