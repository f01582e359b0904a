import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from benchmarks.alerting import filled_store, let_a_minute_pass
from exporter.alerting import rules, state
from exporter.alerting.alerts import State
from exporter.alerting.engine import INTERVAL, Engine
from exporter.alerting.look import Look
from exporter.metrics import catalogue
from exporter.model import Query, Scope, Target
from exporter.store import Store

_LINES_OF_A_SLICE = 32_000
"""Of Python: some 3 ms on one core (2026-11)."""

_BALANCE = Target(Query.BALANCE, Scope.TENANT, "ACME")


def _evaluate(engine: Engine, store: Store | None, minute: float) -> set[str]:
    """Evaluate; return the names of the alerts that fire."""
    looks = {"pbx": Look(store, up=True, breaker_open=False, offset=0)} if store else {}
    for _ in engine.evaluate(looks, minute * INTERVAL):
        pass
    return {rule.name for rule in rules.RULES if engine.alerts.firing(rule)}


def _store(balance: float) -> Store:
    store = Store("pbx", stale_after=3, max_series=1000)
    store.set_info("ACME", "", {})
    store.set(catalogue.TENANT_BALANCE_THRESHOLD, "ACME", {"critical": 10.0})
    store.put(_BALANCE, {catalogue.TENANT_BALANCE: balance}, interval=300, now=0)
    return store


def test_the_watchdog_fires_from_the_first_evaluation_on() -> None:
    """Whatever else there is to judge, and also where there is nothing."""
    assert _evaluate(Engine(), None, 0) == {rules.WATCHDOG.name}


def test_evaluations_that_were_missed_are_made_up_for() -> None:
    """An alert that pended when nobody looked for a while has pended on, as far as its values still count."""
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
    """The alert goes on firing with the team that was told of it, also over a restart; the next has the new.

    With the label as a part of its identity it was told twice that it had ended, and for 20 of 24 minutes
    nothing fired (2026-11).
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


def test_a_tenant_changes_its_team_while_its_alert_pends() -> None:
    """It pends on, and fires on time with the new team; without one it has no such label."""
    engine, store = Engine(), _store(5)
    for minute, team in enumerate(["voice", "voice", "noc", "noc", "", "", "", "", "", "noc"]):
        store.set_info("ACME", "", {"team": team})
        _evaluate(engine, store, minute)
        assert _teams(engine) == [(State.PENDING, team or None)]
    _evaluate(engine, store, 10)
    assert _teams(engine) == [(State.FIRING, "noc")]


def test_the_same_moment_twice_is_once() -> None:
    """A daemon that was restarted at once judges a moment again: nothing is counted double."""
    engine, store = Engine(), _store(5)
    for minute in (0, 5, 5, 9):
        assert rules.BALANCE_LOW.name not in _evaluate(engine, store, minute)
    assert rules.BALANCE_LOW.name in _evaluate(engine, store, 10)


def test_a_switch_that_is_gone_is_forgotten() -> None:
    """As long as its values count they are judged; then there is no memory of it, and no alert."""
    engine = Engine()
    for minute in range(12):
        _evaluate(engine, _store(5), minute)
    assert rules.BALANCE_LOW.name in _evaluate(engine, None, 13)
    for minute in range(14, 100):
        _evaluate(engine, None, minute)

    assert _evaluate(engine, None, 100) == {rules.WATCHDOG.name}
    assert engine.memories == {}


def _lines(steps: Iterator[None]) -> list[int]:
    """Return how many lines of Python each slice of an evaluation takes."""
    counts = [0]

    def trace(_: FrameType, event: str, __: Any) -> Any:
        counts[-1] += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        counts.extend(0 for _ in steps)
    finally:
        sys.settrace(before)
    return counts


def test_an_evaluation_holds_up_nothing_for_long() -> None:
    """At 3,000 tenants a slice has so many lines at most; all together grow with the tenants, no faster."""
    assert _of_all(3000) < 4.4 * _of_all(750)


def _of_all(tenants: int) -> int:
    """Return the lines of the second evaluation; a third of the tenants is in trouble."""
    store, engine = filled_store(tenants), Engine()
    slices: list[int] = []
    for minute in range(2):
        let_a_minute_pass(store, tenants, minute, bad=0.3, changing=1.0)
        look = Look(store, up=True, breaker_open=False, offset=0)
        slices = _lines(engine.evaluate({"pbx": look}, minute * INTERVAL))
    assert max(slices) < _LINES_OF_A_SLICE, max(slices)
    return sum(slices)
