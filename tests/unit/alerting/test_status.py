from pathlib import Path

import pytest

from exporter.alerting import monitoring_rules, queue_rules, rules
from exporter.alerting.engine import Alert, Now, State
from exporter.alerting.groups import Sources
from exporter.alerting.rule import Rule
from exporter.alerting.status import Summary, record, status, summarize
from exporter.clock import Clock
from exporter.config import AlertingConfiguration
from exporter.config.fields import ValidationContext
from exporter.storage.timeline import Timeline
from tests.unit.alerting.conftest import alert

_LOST, _NEAR = rules.TENANT_REGISTRATIONS_LOST, rules.TENANT_CHANNELS_NEAR_LIMIT


def _shown(*alerts: Alert) -> list[tuple[str, str, str | None]]:
    return [
        (one["state"], one["labels"]["alertname"], one["labels"].get("tenant"))
        for _, one in summarize(alerts).listed
    ]


def test_firing_and_critical_alerts_are_listed_first() -> None:
    """Then by name and labels; ended alerts are not listed."""
    assert _shown(
        alert(_LOST, State.PENDING, "CINDER"),
        alert(_NEAR, State.FIRING),
        alert(monitoring_rules.WATCHDOG, State.FIRING),
        alert(_LOST, State.FIRING, "BOREAL"),
        alert(rules.BALANCE_LOW, State.FIRING, severity="warning"),
        alert(rules.BALANCE_LOW, State.FIRING, severity="critical"),
        alert(_LOST, State.FIRING),
        alert(_NEAR, State.RESOLVED, "BOREAL"),
    ) == [
        ("firing", rules.BALANCE_LOW.name, "ACME"),
        ("firing", _LOST.name, "ACME"),
        ("firing", _LOST.name, "BOREAL"),
        ("firing", rules.BALANCE_LOW.name, "ACME"),
        ("firing", _NEAR.name, "ACME"),
        ("firing", monitoring_rules.WATCHDOG.name, None),
        ("pending", _LOST.name, "CINDER"),
    ]


def test_many_alerts_of_a_kind_hide_no_other_kind() -> None:
    """Five of each kind are listed before more of a kind, and at most fifty of a kind."""
    many = [alert(_LOST, State.FIRING, f"T{number:02}") for number in range(60)]
    few = [alert(rules.BALANCE_LOW, State.FIRING, f"B{number}", "critical") for number in range(6)]

    tenants = [tenant for _, _, tenant in _shown(*many, *few)]

    assert tenants == [
        *(f"B{number}" for number in range(5)),
        *(f"T{number:02}" for number in range(5)),
        "B5",
        *(f"T{number:02}" for number in range(5, 50)),
    ]


def test_the_list_is_bounded() -> None:
    """At most 500 alerts are listed, and all are counted."""
    alerts = [
        alert(rule, state, f"T{number}", severity)
        for rule in rules.RULES
        if rule.scope == "tenant"
        for severity in ([""] if rule.severity else ["warning", "critical"])
        for state in (State.FIRING, State.PENDING)
        for number in range(51)
    ]

    made = summarize(alerts)

    assert len(made.listed) == 500
    assert sum(made.counts.values()) == len(alerts) > 700


def test_pending_alerts_are_not_sent() -> None:
    """Firing and ended ones are."""
    firing, ended = alert(_LOST, State.FIRING), alert(_NEAR, State.RESOLVED)

    made = summarize([firing, ended, alert(_LOST, State.PENDING, "BOREAL")])

    assert made.to_send == [firing, ended]


_CONFIGURATION = AlertingConfiguration.model_validate(
    {"alertmanagers": [{"url": "http://127.0.0.1:9093"}], "labels": {"site": "eu"}},
    context=ValidationContext(Path("/"), {}),
)
_NOW = Now(600.0, 1_700_000_000.0)


def test_firing_and_pending_alerts_are_counted() -> None:
    """Ended ones are not, nor is the watchdog, which is listed."""
    lost = rules.TENANT_REGISTRATIONS_LOST
    told = status(
        _CONFIGURATION,
        summarize(
            [
                alert(lost, State.PENDING, "CINDER"),
                alert(lost, State.FIRING),
                alert(lost, State.FIRING, "BOREAL"),
                alert(lost, State.RESOLVED, "DELTA"),
                alert(monitoring_rules.WATCHDOG, State.FIRING),
            ]
        ),
        _NOW,
    )

    assert told["alerting"] == {
        "delivery": "on",
        "dry_run": False,
        "firing": 2,
        "pending": 1,
        "failing_alertmanagers": {},
    }
    assert [one["labels"]["alertname"] for one in told["alerts"]].count(monitoring_rules.WATCHDOG.name) == 1


@pytest.mark.parametrize(("speed", "age"), [(1.0, 120.0), (60.0, 2.0)])
def test_an_alert(speed: float, age: float) -> None:
    """It has the configured labels, its texts, and the age of its state."""
    lost = alert(rules.TENANT_REGISTRATIONS_LOST, State.FIRING)

    (told,) = status(_CONFIGURATION, summarize([lost]), Now(600.0, 0.0, speed))["alerts"]

    assert told["state"] == "firing"
    assert told["labels"] == {"site": "eu", **lost.labels}
    assert told["annotations"]["description"] == "None of the 20 extensions of ACME on pbx is registered."
    assert told["age_seconds"] == age


def test_before_the_first_evaluation_the_counts_are_none() -> None:
    """After it they are 0 if nothing fires."""
    on = {"delivery": "on", "dry_run": False}
    told = status(_CONFIGURATION, None, _NOW)
    assert told == {
        "alerting": {**on, "firing": None, "pending": None, "failing_alertmanagers": {}},
        "alerts": [],
    }

    told = status(_CONFIGURATION, Summary(), _NOW)
    assert told == {"alerting": {**on, "firing": 0, "pending": 0, "failing_alertmanagers": {}}, "alerts": []}


@pytest.mark.parametrize(
    ("configuration", "delivery"),
    [
        (None, {"delivery": "off", "dry_run": False}),
        (_CONFIGURATION.model_copy(update={"dry_run": True}), {"delivery": "dry_run", "dry_run": True}),
    ],
)
def test_alerts_that_are_not_sent(
    configuration: AlertingConfiguration | None, delivery: dict[str, object]
) -> None:
    """They are shown, and the status has why they are not sent."""
    told = status(configuration, summarize([alert(_LOST, State.FIRING)]), _NOW)

    assert told["alerting"] == {**delivery, "firing": 1, "pending": 0, "failing_alertmanagers": {}}
    (shown,) = told["alerts"]
    assert shown["labels"]["alertname"] == _LOST.name


@pytest.mark.parametrize(
    ("rule", "severity", "figures"),
    [
        (rules.BALANCE_LOW, "critical", (0.0, 20.0)),
        (rules.NODE_CHANNELS_AT_LIMIT, "", (0.0, 20.0)),
        (queue_rules.UNATTENDED, "", (0.0, None)),
        (rules.TRUNK_DOWN, "", (None, None)),
        (_LOST, "", (None, None)),
    ],
)
def test_figures_of_an_alert(rule: Rule, severity: str, figures: tuple[float | None, float | None]) -> None:
    """It has a value if its description has one, and a threshold if the value is compared with it."""
    one = alert(rule, State.FIRING, severity=severity)
    one.identity = (rule, (*one.identity[1], ("node", "n1")))

    (told,) = status(None, summarize([one]), _NOW)["alerts"]

    assert (told["value"], told["threshold"]) == figures


_BALANCE, _FEW = rules.BALANCE_LOW, rules.TENANT_REGISTRATIONS_LOW


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
        alert(_BALANCE, State.FIRING, "BOREAL", "critical"),
        alert(_BALANCE, State.FIRING, "CINDER", "warning"),
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
        both = (
            alert(_BALANCE, state, severity="warning"),
            alert(_BALANCE, state, severity="critical"),
        )
        (entry,) = _recorded(*both)
        assert entry.endswith(f"a tenant's balance is low (critical){end}: tenant ACME")
        (entry,) = _recorded(alert(_FEW, state, severity="warning"), alert(_LOST, state))
        assert "lost all" in entry
    warning = alert(_BALANCE, State.FIRING, severity="warning")
    assert _recorded(warning, firing=(alert(_BALANCE, State.FIRING, severity="critical"),)) == []
    assert (
        len(_recorded(warning, firing=(alert(_BALANCE, State.FIRING, "BOREAL", severity="critical"),))) == 1
    )
    assert len(_recorded(alert(_BALANCE, State.RESOLVED, severity="critical"), firing=(warning,))) == 1


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
