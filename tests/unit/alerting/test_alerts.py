import pytest

from exporter.alerting import rules
from exporter.alerting.alerts import RESOLVED_FOR, Alert, Alerts, State
from exporter.alerting.conditions import Found
from exporter.alerting.rules import Rule

_MINUTE = 60.0
LABELS = (("switch", "pbx"),)


def _step(alerts: Alerts, minute: float, *due: Found) -> list[tuple[str, State]]:
    """Evaluate; return what there is then."""
    for _ in alerts.step(due, minute * _MINUTE):
        pass
    return [(alert.identity[0].name, alert.state) for alert in alerts.by_identity.values()]


def _found(rule: Rule, value: float = 0.0) -> Found:
    return Found((rule, LABELS), value)


def _only(alerts: Alerts) -> Alert:
    (alert,) = alerts.by_identity.values()
    return alert


def test_an_alert_pends_fires_and_resolves() -> None:
    """It fires once it was due for its ``for`` and ends with its condition; to pend is no change."""
    alerts = Alerts()
    node = _found(rules.NODE_MISSING)
    name = rules.NODE_MISSING.name

    assert _step(alerts, 0, node) == _step(alerts, 2, node) == [(name, State.PENDING)]
    assert alerts.changed == []
    assert alerts.firing(rules.NODE_MISSING) == []
    assert _step(alerts, 3, node) == [(name, State.FIRING)]
    assert [alert.state for alert in alerts.changed] == [State.FIRING]
    assert alerts.firing(rules.NODE_MISSING) == [LABELS]
    assert alerts.firing(rules.API_DOWN) == []
    assert (_only(alerts).since, _only(alerts).fired_at) == (180, 180)
    assert _step(alerts, 4) == [(name, State.RESOLVED)]
    assert [alert.state for alert in alerts.changed] == [State.RESOLVED]
    assert (_only(alerts).since, _only(alerts).fired_at) == (240, 180)


def test_an_interruption_starts_pending_anew() -> None:
    """An alert that is not due for one evaluation has to hold its whole ``for`` again."""
    alerts = Alerts()
    node = _found(rules.NODE_MISSING)
    _step(alerts, 0, node)
    assert _step(alerts, 1) == []
    _step(alerts, 2, node)

    assert _step(alerts, 4, node) == [(rules.NODE_MISSING.name, State.PENDING)]
    assert _step(alerts, 5, node) == [(rules.NODE_MISSING.name, State.FIRING)]


def test_keep_firing_for_bridges_a_moment_of_health() -> None:
    """It ends when its condition was away for that long in one piece."""
    alerts = Alerts()
    down = _found(rules.API_DOWN)
    for minute in range(3):
        _step(alerts, minute, down)
    for minute in (3, 4):
        assert _step(alerts, minute) == [(rules.API_DOWN.name, State.FIRING)]
    _step(alerts, 5, down)
    for minute in range(6, 11):
        assert _step(alerts, minute) == [(rules.API_DOWN.name, State.FIRING)]

    assert _step(alerts, 11) == [(rules.API_DOWN.name, State.RESOLVED)]


def test_an_end_is_told_for_a_quarter_of_an_hour() -> None:
    """A resolved alert is kept that long and then forgotten."""
    alerts = Alerts()
    _step(alerts, 0, _found(rules.WATCHDOG))
    _step(alerts, 1)

    assert _step(alerts, 1 + RESOLVED_FOR / _MINUTE) == [(rules.WATCHDOG.name, State.RESOLVED)]
    assert _step(alerts, 2 + RESOLVED_FOR / _MINUTE) == []


def test_what_ended_and_is_due_again_is_another_alert() -> None:
    """It pends first, and begins at another time."""
    alerts = Alerts()
    node = _found(rules.NODE_MISSING)
    for minute in range(4):
        _step(alerts, minute, node)
    _step(alerts, 4)

    assert _step(alerts, 5, node) == [(rules.NODE_MISSING.name, State.PENDING)]
    _step(alerts, 8, node)
    assert _only(alerts).fired_at == 8 * _MINUTE


def test_the_value_is_the_newest_it_was_due_with() -> None:
    """Of what only keeps firing the value stays: what it says was true when it was due."""
    alerts = Alerts()
    for minute, share in enumerate((0.96, 0.97, 0.98)):
        _step(alerts, minute, _found(rules.NODE_CHANNELS_AT_LIMIT, share))
    _step(alerts, 3)

    assert (_only(alerts).state, _only(alerts).value) == (State.FIRING, 0.98)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: f"{rule.name} {rule.severity}")
def test_every_for_is_met_to_the_second(rule: Rule) -> None:
    """Just before its ``for`` an alert pends, at it it fires."""
    alerts = Alerts()
    found = _found(rule)
    _step(alerts, 0, found)
    before = _step(alerts, (rule.pending_for - 1) / _MINUTE, found) if rule.pending_for else []
    assert before == ([(rule.name, State.PENDING)] if rule.pending_for else [])
    assert _step(alerts, rule.pending_for / _MINUTE, found) == [(rule.name, State.FIRING)]
