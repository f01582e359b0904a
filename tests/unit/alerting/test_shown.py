import pytest

from exporter.alerting import rules
from exporter.alerting.alerts import Alert, State
from exporter.alerting.engine import Engine
from exporter.alerting.messages import Now
from exporter.alerting.rules import Rule
from exporter.alerting.shown import shown
from exporter.config import AlertingConfiguration

_CONFIGURATION = AlertingConfiguration.model_validate(
    {"alertmanagers": [{"url": "http://127.0.0.1:9093"}], "labels": {"site": "eu"}}
)
_NOW = Now(600.0, 1_700_000_000.0)


def _alert(rule: Rule, state: State, tenant: str = "ACME") -> Alert:
    found = () if rule is rules.WATCHDOG else (("switch", "pbx"), ("tenant", tenant))
    return Alert((rule, found), state, 480.0, 0.0, 20.0)


def _engine(*alerts: Alert) -> Engine:
    engine = Engine()
    engine.alerts.restore(alerts)
    engine.evaluated_at = 540.0
    return engine


def test_what_fires_and_what_is_critical_comes_first() -> None:
    """Then by labels; what ended is not shown, and the watchdog not counted."""
    lost, near = rules.TENANT_REGISTRATIONS_LOST, rules.TENANT_CHANNELS_NEAR_LIMIT
    engine = _engine(
        _alert(lost, State.PENDING, "CINDER"),
        _alert(near, State.FIRING),
        _alert(rules.WATCHDOG, State.FIRING),
        _alert(lost, State.FIRING, "BOREAL"),
        _alert(lost, State.FIRING),
        _alert(near, State.RESOLVED, "BOREAL"),
    )

    told = shown(_CONFIGURATION, engine, _NOW)

    assert told["alerting"] == {"dry_run": False, "firing": 3, "pending": 1}
    assert [
        (alert["state"], alert["labels"]["alertname"], alert["labels"].get("tenant"))
        for alert in told["alerts"]
    ] == [
        ("firing", lost.name, "ACME"),
        ("firing", lost.name, "BOREAL"),
        ("firing", near.name, "ACME"),
        ("firing", rules.WATCHDOG.name, None),
        ("pending", lost.name, "CINDER"),
    ]


@pytest.mark.parametrize(("speed", "age"), [(1.0, 120.0), (60.0, 2.0)])
def test_an_alert(speed: float, age: float) -> None:
    """Its labels with the configured ones, its texts, and for how long it has been in its state."""
    alert = _alert(rules.TENANT_REGISTRATIONS_LOST, State.FIRING)

    (told,) = shown(_CONFIGURATION, _engine(alert), Now(600.0, 0.0, speed))["alerts"]

    assert told["labels"] == {"site": "eu", **alert.labels}
    assert told["annotations"]["description"] == "None of the 20 extensions of ACME on pbx is registered."
    assert told["age_seconds"] == age


def test_before_the_first_evaluation_nothing_is_known() -> None:
    """That nothing fires is not said before anything was judged."""
    told = shown(_CONFIGURATION, Engine(), _NOW)

    assert told == {"alerting": {"dry_run": False, "firing": None, "pending": None}, "alerts": []}


def test_many_alerts_are_counted_and_not_listed() -> None:
    """A bad night does not make the status larger without bound."""
    rule = rules.TENANT_REGISTRATIONS_LOST
    engine = _engine(*(_alert(rule, State.PENDING, f"T{number}") for number in range(501)))

    told = shown(_CONFIGURATION, engine, _NOW)

    assert (told["alerting"]["pending"], len(told["alerts"])) == (501, 500)
