from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from exporter.activity import Activity, State
from exporter.clock import Clock
from exporter.metrics.self_metrics import Instruments
from exporter.storage.timeline import Timeline


class _Told:
    """An activity, and what it reports."""

    def __init__(self) -> None:
        self.now = 100.0
        clock = Clock(monotonic=lambda: self.now, wall=lambda: 1_700_000_000.0 + self.now)
        self.registry = CollectorRegistry()
        self.timeline = Timeline(clock)
        self.activity = Activity(Instruments(self.registry), self.timeline, clock, "mon-1")

    @property
    def metric(self) -> list[str]:
        lines = generate_latest(self.registry).decode().splitlines()
        return [line for line in lines if line.startswith("softswitch_exporter_active")]

    @property
    def texts(self) -> list[str]:
        return [entry["text"] for entry in self.timeline.newest()]


def test_an_exporter_that_is_alone() -> None:
    """It polls, and reports nothing about that: no metric, no entry, no line in the log."""
    told = _Told()
    with capture_logs() as logs:
        told.activity.change(State.ACTIVE, "this exporter is alone")

    assert (told.metric, told.texts, logs) == ([], [], [])
    assert told.activity.status()["state"] == "active"


def test_a_change_is_reported_once() -> None:
    """In the metric, the timeline and the log, with its reason; the age begins again."""
    told = _Told()
    told.activity.is_shared = True
    told.activity.change(State.ACTIVE, "high_availability.start is active")
    told.now += 60.0
    with capture_logs() as logs:
        told.activity.change(State.STANDBY, "POST /-/standby")
        told.now += 5.0
        told.activity.change(State.STANDBY, "POST /-/standby")

    assert told.metric == ["softswitch_exporter_active 0.0"]
    assert told.texts == [
        "the exporter on mon-1 stands by now: POST /-/standby",
        "the exporter on mon-1 polls now: high_availability.start is active",
    ]
    assert [log["event"] for log in logs] == ["standing by now"]
    assert told.activity.status() == {
        "state": "standby",
        "reason": "POST /-/standby",
        "age_seconds": 5.0,
        "holder": None,
        "lease_reachable": None,
    }
