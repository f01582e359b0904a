import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.alerting import rules, state
from exporter.alerting.engine import Alert, Engine, State
from exporter.alerting.inputs import SwitchSnapshot
from exporter.model import Query, Scope
from exporter.storage.values import INVALID
from exporter.store import Store
from tests.differential.play import Play
from tests.trees import damaged


def _played() -> Engine:
    """Return an engine after a scenario that leaves much to write."""
    play = Play(0, 8)
    play.run()
    engine: Engine = play.engine
    return engine


LINES = list(state.dump(_played(), {"wall": 5.0}))


def _facts(lines: list[str]) -> set[str]:
    """Return every alert and every value of the lines."""
    facts: list[Any] = []
    for part in map(json.loads, lines[1:-1]):
        if "alerts" in part:
            facts += part["alerts"]
            continue
        ages = part["ages"] if isinstance(part["ages"], list) else [part["ages"]] * len(part["keys"])
        rows = zip(part["keys"], part["values"], ages, strict=True)
        facts += [[part["switch"], part["of"], *row] for row in rows]
    return set(map(json.dumps, facts))


def test_a_restored_engine_writes_the_same() -> None:
    """The first line says when it was written."""
    engine, first = state.restore(LINES)

    assert first["wall"] == 5.0
    assert engine.evaluated_at == first["moment"]
    assert _facts(list(state.dump(engine))) == _facts(LINES)
    assert {alert.state for alert in engine.alerts.by_identity.values()} > {"firing"}
    names = {json.loads(line).get("of") for line in LINES}
    assert names >= {"balances", "extensions", "tenant_used", "succeeded", "succeeded_at", "failures"}


_A_TENANT = [["switch", "pbx"], ["tenant", "ACME"]]
_BEFORE_2026_12 = [
    {"version": 2, "moment": 3600.0},
    {
        "alerts": [
            [["SoftswitchKeyRefused", "warning", "tenant"], _A_TENANT, "firing", 1, 0, 900.0, 900.0, None],
            [
                ["SoftswitchDataStale", "warning", "monitoring"],
                [["switch", "pbx"], ["query", "license"]],
                *("firing", 1, 0, 1800.0, 1800.0, None),
            ],
        ]
    },
    {"switch": "pbx", "of": "up", "keys": [""], "values": [1.0], "ages": 0.0},
    {"switch": "pbx", "of": "ups", "keys": [""], "values": [1.0], "ages": 1140.0},
    {"switch": "pbx", "of": "ups", "keys": [""], "values": [1.0], "ages": 0.0},
    {
        "switch": "pbx",
        "of": "attempts",
        "query": "license",
        "scope": "switch",
        "ages": 0.0,
        "keys": [""],
        "values": [[10000.0, "timeout"]],
    },
    {
        "switch": "pbx",
        "of": "attempts",
        "query": "calls",
        "scope": "tenant",
        "ages": 0.0,
        "keys": ["ACME", "OTHER"],
        "values": [[None, "auth"], [None, "empty"]],
    },
    {"switch": "pbx", "of": "gone", "keys": [["balance", "tenant", "ACME"]], "values": [0], "ages": 60.0},
    {"switch": "pbx", "of": "earlier", "keys": [["peers", "switch", ""]], "values": [90.0], "ages": 60.0},
    {
        "switch": "pbx",
        "of": "failed",
        "ages": [60.0, 120.0],
        "keys": [["balance", "tenant", "ACME"]] * 2,
        "values": ["auth", "timeout"],
    },
    {"parts": 9},
]


def test_alerts_of_a_file_from_before_2026_12_go_on_firing() -> None:
    """It has attempts by query, and ``failed`` has the reason as the value."""
    engine, _ = state.restore(map(json.dumps, _BEFORE_2026_12), pytest.fail)
    store = Store("pbx", stale_after=3, max_series=1000)
    store.set_interval(Query.LICENSE, Scope.SWITCH, 3000.0)
    store.set_interval(Query.PEERS, Scope.SWITCH, 60.0)
    snapshot = SwitchSnapshot(store, up=True, breaker_open=False, offset=0.0)

    for _ in engine.evaluate({"pbx": snapshot}, 3660.0):
        pass

    firing = {
        alert.labels["alertname"]: alert.value
        for alert in engine.alerts.by_identity.values()
        if alert.state is State.FIRING
    }
    assert firing == {"SoftswitchWatchdog": 1, "SoftswitchKeyRefused": 2, "SoftswitchDataStale": 1}


def test_many_alerts_are_all_read() -> None:
    """They are written in portions of 250 a line."""
    engine = Engine()
    for number in range(2500):
        identity = (rules.NODE_MISSING, (("switch", "pbx"), ("node", f"n{number}")))
        engine.alerts.by_identity[identity] = Alert(identity, State.PENDING, 0, 0, 0)
    lines = list(state.dump(engine))

    assert len(lines) == 12
    assert state.restore(lines)[0].alerts.by_identity.keys() == engine.alerts.by_identity.keys()


def test_a_file_of_another_version_is_refused() -> None:
    """A later version may mean something else."""
    other = [LINES[0].replace('"version":2', '"version":3'), *LINES[1:]]

    with pytest.raises(ValueError, match="got 3"):
        state.restore(other)


def test_an_alert_of_an_unknown_rule_is_skipped() -> None:
    """An update removed its rule; the other alerts stay."""
    known = len(state.restore(LINES)[0].alerts.by_identity)
    fewer = [line.replace("SoftswitchWatchdog", "SoftswitchOfLate") for line in LINES]

    assert len(state.restore(fewer)[0].alerts.by_identity) == known - 1


@given(cut=st.integers(0, sum(map(len, LINES)) - 2))
def test_a_file_that_ends_early_is_refused(cut: int) -> None:
    """No part of a truncated file is used."""
    with pytest.raises(INVALID):
        state.restore("".join(LINES)[:cut].splitlines())


@given(data=st.data())
def test_a_corrupt_file_is_refused_or_used(data: st.DataObject) -> None:
    """Restoring any JSON gives an engine that can evaluate, or a documented exception."""
    corrupt = damaged(LINES, data)
    try:
        engine, _ = state.restore(corrupt)
    except INVALID:
        return
    for _ in engine.evaluate({}, (engine.evaluated_at or 0) + 60):
        pass
    list(state.dump(engine))


@pytest.mark.parametrize(("age", "since"), [(-0.5, 600.0), (0, 600.0), (60, 540.0)])
def test_an_age_is_counted_back_from_the_file(age: float, since: float) -> None:
    """Files from before 2026-12 have negative ages for what happened during an evaluation."""
    row = [["SoftswitchWatchdog", "none", "monitoring"], [], "firing", 1, 0, age, age, None]
    lines = [{"version": 2, "moment": 600.0}, {"alerts": [row]}, {"parts": 1}]
    engine, _ = state.restore(map(json.dumps, lines))

    assert [alert.since for alert in engine.alerts.by_identity.values()] == [since]


_HUGE = 10**400


@pytest.mark.parametrize(
    "moment", [-1e308, 1e308, -math.inf, math.inf, math.nan, _HUGE, -_HUGE, -1e17, 1e17, True, "1", None]
)
def test_a_file_with_an_invalid_moment_is_refused(moment: object) -> None:
    """A fresh start is better than a clock that stands still."""
    with pytest.raises(INVALID):
        state.restore([json.dumps({"version": 2, "moment": moment}), '{"parts": 0}'])


def _with_alert(row: object) -> tuple[Engine, list[str]]:
    """Restore this alert and a valid one; return the engine, and why alerts were skipped."""
    valid = [["SoftswitchWatchdog", "none", "monitoring"], [], "firing", 1, 0, 60, 60, None]
    lines = [{"version": 2, "moment": 600.0}, {"alerts": [row, valid]}, {"parts": 1}]
    left_out: list[str] = []
    engine, _ = state.restore(map(json.dumps, lines), left_out.append)
    return engine, left_out


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("value", [-1e308, 1e300, -math.inf, _HUGE, -1e17, "1", None, []])
def test_an_alert_with_an_invalid_number_is_skipped(number: int, value: object) -> None:
    """A value, a threshold or an age is invalid; the other alerts are restored."""
    kind, labels = ["SoftswitchNodeMissing", "critical", "node"], [["switch", "pbx"], ["node", "pbx1"]]
    row: list[object] = [kind, labels, "firing", 0.0, 0.0, 60.0, 60.0, 0.0]
    row[3 + number] = value
    engine, left_out = _with_alert(row)

    is_allowed = (number < 2 and value in (-1e308, 1e300, -1e17)) or (number == 4 and value is None)
    assert len(left_out) == (0 if is_allowed else 1)
    assert len(engine.alerts.by_identity) == (2 if is_allowed else 1)
    for _ in engine.evaluate({}, 660.0):
        pass


@pytest.mark.parametrize(
    "row",
    [
        [["SoftswitchNodeMissing", "critical", "node"], [["switch", "pbx"]], "firing", 0, 0, 9, 9, None],
        [
            ["SoftswitchBalanceLow", "", "tenant"],
            [["switch", "s"], ["tenant", "t"]],
            "firing",
            0,
            0,
            9,
            9,
            None,
        ],
        [["SoftswitchWatchdog", "none", "monitoring"], [["severity", "x"]], "firing", 0, 0, 9, 9, None],
        [["SoftswitchWatchdog", "none", "monitoring"], [], "burning", 0, 0, 9, 9, None],
        [["SoftswitchWatchdog", "none", "monitoring"], [[1, 2]], "firing", 0, 0, 9, 9, None],
        [["SoftswitchWatchdog", [], "monitoring"], [], "firing", 0, 0, 9, 9, None],
        [],
        5,
    ],
)
def test_an_invalid_alert_is_skipped(row: object) -> None:
    """It lacks labels of its description, or is not an alert at all."""
    engine, left_out = _with_alert(row)
    assert (len(left_out), len(engine.alerts.by_identity)) == (1, 1)
