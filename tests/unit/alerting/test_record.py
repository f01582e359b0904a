from exporter.alerting import monitoring_rules, rules
from exporter.alerting.engine import Alert, State
from exporter.alerting.groups import Sources
from exporter.alerting.status import record
from exporter.clock import Clock
from exporter.storage.timeline import Timeline
from tests.unit.alerting.conftest import alert

_LOST, _LOW, _FEW = rules.TENANT_REGISTRATIONS_LOST, rules.BALANCE_LOW, rules.TENANT_REGISTRATIONS_LOW


def _recorded(*changed: Alert, firing: tuple[Alert, ...] = ()) -> list[str]:
    """Return the entries, oldest first. ``firing``: what fires and has not changed."""
    timeline, sources = Timeline(Clock(lambda: 0.0, lambda: 1e9)), Sources()
    for one in (*changed, *firing):
        if one.state is State.FIRING:
            sources.add(one)
    assert [*record(timeline, changed, sources)] == []
    assert {entry["switch"] for entry in timeline.newest()} <= {"pbx"}
    return [f"{entry['kind']}: {entry['text']}" for entry in reversed(timeline.newest())]


def test_alerts_that_began_and_ended() -> None:
    """Those of one summary, severity and switch are one entry; the watchdog is none."""
    changed = [
        alert(monitoring_rules.WATCHDOG, State.FIRING),
        alert(_LOST, State.FIRING),
        alert(_LOW, State.FIRING, "BOREAL", "critical"),
        alert(_LOW, State.FIRING, "CINDER", "warning"),
        alert(_LOST, State.FIRING, "CINDER"),
        alert(_LOST, State.RESOLVED, "DELTA"),
        alert(rules.TRUNK_DOWN, State.FIRING),
    ]

    assert _recorded(*changed) == [
        "alert_firing: a tenant lost all its registrations (critical): tenant ACME; tenant CINDER",
        "alert_firing: a tenant's balance is low (critical): tenant BOREAL",
        "alert_firing: a tenant's balance is low (warning): tenant CINDER",
        "alert_resolved: a tenant lost all its registrations (critical), resolved: tenant DELTA",
        "alert_firing: a trunk is down (critical): tenant ACME, trunk 1",
    ]


def test_an_alert_that_a_worse_one_covers() -> None:
    """It has no entry beside that of the other, when they fire and when they resolve."""
    for state, end in ((State.FIRING, ""), (State.RESOLVED, ", resolved")):
        both = alert(_LOW, state, severity="warning"), alert(_LOW, state, severity="critical")
        (entry,) = _recorded(*both)
        assert entry.endswith(f"a tenant's balance is low (critical){end}: tenant ACME")
        (entry,) = _recorded(alert(_FEW, state, severity="warning"), alert(_LOST, state))
        assert "lost all" in entry
    warning = alert(_LOW, State.FIRING, severity="warning")
    assert _recorded(warning, firing=(alert(_LOW, State.FIRING, severity="critical"),)) == []
    assert len(_recorded(warning, firing=(alert(_LOW, State.FIRING, "BOREAL", severity="critical"),))) == 1
    assert len(_recorded(alert(_LOW, State.RESOLVED, severity="critical"), firing=(warning,))) == 1


def test_many_alerts() -> None:
    """They are one entry with a count, and the event loop runs in between."""
    timeline = Timeline(Clock(lambda: 0.0, lambda: 1e9))
    changed = [alert(_LOST, State.FIRING, f"T{number}") for number in range(5000)]
    steps = [*record(timeline, changed, Sources())]

    (entry,) = timeline.newest()
    assert entry["text"].endswith("tenant T0; tenant T1; tenant T2; tenant T3; tenant T4 and 4,995 more")
    assert len(steps) == 10


def test_an_alert_on_a_switch() -> None:
    """Its entry has no names."""
    down = alert(monitoring_rules.API_DOWN, State.FIRING)
    down.identity = (monitoring_rules.API_DOWN, (("switch", "pbx"),))
    assert _recorded(down) == ["alert_firing: the API of a soft-switch is down (critical)"]
