from exporter.alerting import monitoring_rules, rules
from exporter.alerting.engine import State
from exporter.alerting.record import record
from exporter.clock import Clock
from exporter.storage.timeline import Timeline
from tests.unit.alerting.conftest import alert

_LOST, _LOW = rules.TENANT_REGISTRATIONS_LOST, rules.BALANCE_LOW


def test_alerts_that_began_and_ended() -> None:
    """Those of one name, severity and switch are one entry; the watchdog is none."""
    timeline = Timeline(Clock(lambda: 0.0, lambda: 1e9))
    changed = [
        alert(monitoring_rules.WATCHDOG, State.FIRING),
        alert(_LOST, State.FIRING),
        alert(_LOW, State.FIRING, "BOREAL", "critical"),
        alert(_LOW, State.FIRING, "BOREAL", "warning"),
        alert(_LOST, State.FIRING, "CINDER"),
        alert(_LOST, State.RESOLVED, "DELTA"),
        alert(rules.TRUNK_DOWN, State.FIRING),
    ]

    assert [*record(timeline, changed)] == []

    assert [(entry["kind"], entry["switch"], entry["text"]) for entry in reversed(timeline.newest())] == [
        (
            "alert_firing",
            "pbx",
            "SoftswitchTenantRegistrationsLost (critical) fires: tenant ACME; tenant CINDER",
        ),
        ("alert_firing", "pbx", "SoftswitchBalanceLow (critical) fires: tenant BOREAL"),
        ("alert_firing", "pbx", "SoftswitchBalanceLow (warning) fires: tenant BOREAL"),
        ("alert_resolved", "pbx", "SoftswitchTenantRegistrationsLost (critical) resolved: tenant DELTA"),
        ("alert_firing", "pbx", "SoftswitchTrunkDown (critical) fires: tenant ACME, trunk 1"),
    ]


def test_many_alerts() -> None:
    """They are one entry with a count, and the event loop runs in between."""
    timeline = Timeline(Clock(lambda: 0.0, lambda: 1e9))
    steps = [*record(timeline, [alert(_LOST, State.FIRING, f"T{number}") for number in range(5000)])]

    (entry,) = timeline.newest()
    assert entry["text"].endswith("tenant T0; tenant T1; tenant T2; tenant T3; tenant T4 and 4,995 more")
    assert len(steps) == 5


def test_an_alert_on_a_switch() -> None:
    """Its entry has no names."""
    timeline = Timeline(Clock(lambda: 0.0, lambda: 1e9))
    down = alert(monitoring_rules.API_DOWN, State.FIRING)
    down.identity = (monitoring_rules.API_DOWN, (("switch", "pbx"),))
    assert [*record(timeline, [down])] == []
    assert [entry["text"] for entry in timeline.newest()] == ["SoftswitchApiDown (critical) fires"]
