import pytest

from exporter.alerting import monitoring_rules, rules, state
from exporter.alerting.engine import INTERVAL, RESOLVED_FOR, Alert, Alerts, Engine, State
from exporter.alerting.inputs import SwitchSnapshot
from exporter.alerting.rule import Due, Rule
from exporter.metrics import catalogue
from exporter.model import Query, Scope, Target
from exporter.store import Store

_BALANCE = Target(Query.BALANCE, Scope.TENANT, "ACME")


def _evaluate(engine: Engine, store: Store | None, minute: float) -> set[str]:
    """Evaluate; return the names of the alerts that fire."""
    looks = {"pbx": SwitchSnapshot(store, up=True, breaker_open=False, offset=0)} if store else {}
    for _ in engine.evaluate(looks, minute * INTERVAL):
        pass
    return {rule.name for rule in rules.RULES if engine.alerts.firing(rule.name)}


def _store(balance: float) -> Store:
    store = Store("pbx", stale_after=3, max_series=1000)
    store.set_info("ACME", "", {})
    store.set(catalogue.TENANT_BALANCE_THRESHOLD, "ACME", {"critical": 10.0})
    store.put(_BALANCE, {catalogue.TENANT_BALANCE: balance}, interval=300, now=0)
    return store


def test_the_watchdog_fires_from_the_first_evaluation_on() -> None:
    """Also without any switch."""
    assert _evaluate(Engine(), None, 0) == {monitoring_rules.WATCHDOG.name}


def test_missed_evaluations_are_caught_up() -> None:
    """A pending alert stays pending meanwhile, as long as its values count."""
    engine, store = Engine(), _store(5)
    _evaluate(engine, store, 0)

    assert rules.BALANCE_LOW.name in _evaluate(engine, store, 12)

    engine = Engine()
    _evaluate(engine, store, 0)
    assert rules.BALANCE_LOW.name not in _evaluate(engine, store, 120)
    (alert,) = [a for a in engine.alerts.by_identity.values() if a.identity[0] is rules.BALANCE_LOW]
    assert (alert.state, alert.since) == (State.PENDING, 120 * INTERVAL)


def _teams(engine: Engine) -> list[tuple[State, str | None]]:
    alerts = [a for a in engine.alerts.by_identity.values() if a.identity[0] is rules.BALANCE_LOW]
    return [(alert.state, alert.labels.get("team")) for alert in alerts]


def test_a_tenant_changes_its_team_while_its_alert_fires() -> None:
    """The alert keeps the team of its first message, also after a restart; the next alert has the new team.

    With the team in its identity, two ends were sent, and nothing fired for 20 of 24 minutes (2026-11).
    """
    engine, store = Engine(), _store(5)
    store.set_info("ACME", "", {"team": "voice"})
    for minute in range(11):
        _evaluate(engine, store, minute)
    assert _teams(engine) == [(State.FIRING, "voice")]
    store.set_info("ACME", "", {"team": "noc"})
    for minute in range(11, 30):
        _evaluate(engine, store, minute)
        assert _teams(engine) == [(State.FIRING, "voice")]
    engine, _ = state.restore(state.dump(engine))
    for minute in range(30, 40):
        _evaluate(engine, store, minute)
        assert _teams(engine) == [(State.FIRING, "voice")]

    store.put(_BALANCE, {catalogue.TENANT_BALANCE: 50}, interval=300, now=0)
    _evaluate(engine, store, 40)
    assert _teams(engine) == [(State.RESOLVED, "voice")]
    store.put(_BALANCE, {catalogue.TENANT_BALANCE: 5}, interval=300, now=0)
    for minute in range(41, 52):
        _evaluate(engine, store, minute)
    assert _teams(engine) == [(State.FIRING, "noc")]


def test_a_tenant_changes_its_team_while_its_alert_is_pending() -> None:
    """It fires on time with the new team; without a team it has no such label."""
    engine, store = Engine(), _store(5)
    for minute, team in enumerate(["voice", "voice", "noc", "noc", "", "", "", "", "", "noc"]):
        store.set_info("ACME", "", {"team": team})
        _evaluate(engine, store, minute)
        assert _teams(engine) == [(State.PENDING, team or None)]
    _evaluate(engine, store, 10)
    assert _teams(engine) == [(State.FIRING, "noc")]


@pytest.mark.parametrize("minutes", [3, 12])
def test_a_discovered_tenant_keeps_its_alert_over_a_restart(minutes: int) -> None:
    """After a start, neither the tenant nor its thresholds are known until the switch has listed it."""
    engine, store = Engine(), _store(5)
    for minute in range(minutes):
        _evaluate(engine, store, minute)
    before = {alert.identity[1]: (alert.state, alert.since) for alert in engine.alerts.by_identity.values()}

    engine, _ = state.restore(list(state.dump(engine)))
    for minute in range(minutes, minutes + 3):
        _evaluate(engine, Store("pbx", stale_after=3, max_series=1000), minute)
    after = {alert.identity[1]: (alert.state, alert.since) for alert in engine.alerts.by_identity.values()}
    assert after == before
    assert len(after) == 2  # the watchdog, and the tenant


def test_the_same_moment_twice_is_once() -> None:
    """After a quick restart a moment is evaluated again: nothing counts twice."""
    engine, store = Engine(), _store(5)
    for minute in (0, 5, 5, 9):
        assert rules.BALANCE_LOW.name not in _evaluate(engine, store, minute)
    assert rules.BALANCE_LOW.name in _evaluate(engine, store, 10)


def test_a_removed_switch_is_dropped() -> None:
    """Its alerts last as long as its values count."""
    engine = Engine()
    for minute in range(12):
        _evaluate(engine, _store(5), minute)
    assert rules.BALANCE_LOW.name in _evaluate(engine, None, 13)
    for minute in range(14, 100):
        _evaluate(engine, None, minute)

    assert _evaluate(engine, None, 100) == {monitoring_rules.WATCHDOG.name}
    assert engine.switches == {}


_MINUTE = 60.0
LABELS = (("switch", "pbx"),)


def _step(alerts: Alerts, minute: float, *due: tuple[Rule, Due]) -> list[tuple[str, State]]:
    """Evaluate; return the alerts and their states."""
    for rule, found in due:
        alerts.due(rule, [found], minute * _MINUTE)
    alerts.advance(minute * _MINUTE)
    return [(alert.identity[0].name, alert.state) for alert in alerts.by_identity.values()]


def _found(rule: Rule, value: float = 0.0) -> tuple[Rule, Due]:
    return rule, Due(LABELS, value)


def _only(alerts: Alerts) -> Alert:
    (alert,) = alerts.by_identity.values()
    return alert


def test_an_alert_is_pending_then_firing_then_resolved() -> None:
    """It fires after its ``for`` and ends with its condition; a pending alert is not in ``changed``."""
    alerts = Alerts()
    node = _found(rules.NODE_MISSING)
    name = rules.NODE_MISSING.name

    assert _step(alerts, 0, node) == _step(alerts, 2.9, node) == [(name, State.PENDING)]
    assert alerts.changed == []
    assert alerts.firing(rules.NODE_MISSING.name) == []
    assert _step(alerts, 3, node) == [(name, State.FIRING)]
    assert [alert.state for alert in alerts.changed] == [State.FIRING]
    assert alerts.firing(rules.NODE_MISSING.name) == [LABELS]
    assert alerts.firing(monitoring_rules.API_DOWN.name) == []
    assert (_only(alerts).since, _only(alerts).fired_at) == (180, 180)
    assert _step(alerts, 4) == [(name, State.RESOLVED)]
    assert [alert.state for alert in alerts.changed] == [State.RESOLVED]
    assert (_only(alerts).since, _only(alerts).fired_at) == (240, 180)


def test_an_interruption_restarts_pending() -> None:
    """After an evaluation at which it was not due, an alert is pending for its whole ``for`` again."""
    alerts = Alerts()
    node = _found(rules.NODE_MISSING)
    _step(alerts, 0, node)
    assert _step(alerts, 1) == []
    _step(alerts, 2, node)

    assert _step(alerts, 4, node) == [(rules.NODE_MISSING.name, State.PENDING)]
    assert _step(alerts, 5, node) == [(rules.NODE_MISSING.name, State.FIRING)]


def test_keep_firing_for_bridges_an_interruption() -> None:
    """The alert ends after its condition was false for that long without interruption."""
    alerts = Alerts()
    down = _found(monitoring_rules.API_DOWN)
    for minute in range(3):
        _step(alerts, minute, down)
    for minute in (3, 4):
        assert _step(alerts, minute) == [(monitoring_rules.API_DOWN.name, State.FIRING)]
    _step(alerts, 5, down)
    for minute in range(6, 11):
        assert _step(alerts, minute) == [(monitoring_rules.API_DOWN.name, State.FIRING)]

    assert _step(alerts, 11) == [(monitoring_rules.API_DOWN.name, State.RESOLVED)]


def test_an_ended_alert_is_kept_for_15_minutes() -> None:
    """Its end is sent for as long."""
    alerts = Alerts()
    _step(alerts, 0, _found(monitoring_rules.WATCHDOG))
    _step(alerts, 1)

    assert _step(alerts, 1 + RESOLVED_FOR / _MINUTE) == [(monitoring_rules.WATCHDOG.name, State.RESOLVED)]
    assert _step(alerts, 2 + RESOLVED_FOR / _MINUTE) == []


def test_an_alert_that_is_due_again_after_its_end_is_another() -> None:
    """It is pending first, and starts at another time."""
    alerts = Alerts()
    node = _found(rules.NODE_MISSING)
    for minute in range(4):
        _step(alerts, minute, node)
    _step(alerts, 4)

    assert _step(alerts, 5, node) == [(rules.NODE_MISSING.name, State.PENDING)]
    _step(alerts, 8, node)
    assert _only(alerts).fired_at == 8 * _MINUTE


def test_the_value_is_the_newest_at_which_it_was_due() -> None:
    """While it only keeps firing, the value stays."""
    alerts = Alerts()
    for minute, share in enumerate((0.96, 0.97, 0.98)):
        _step(alerts, minute, _found(rules.NODE_CHANNELS_AT_LIMIT, share))
    _step(alerts, 3)

    assert (_only(alerts).state, _only(alerts).value) == (State.FIRING, 0.98)
