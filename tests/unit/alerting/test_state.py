import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.alerting import rules, state
from exporter.alerting.engine import Alert, Engine, State
from exporter.alerting.inputs import job, number, pair, states, text
from exporter.model import Query, Scope
from tests.differential.play import Play

_BROKEN = (ValueError, KeyError, TypeError, AttributeError)


def _played() -> Engine:
    """Return an engine after a scenario in which much is remembered."""
    play = Play(0, 31)
    play.run()
    engine: Engine = play.engine
    return engine


LINES = list(state.dump(_played(), {"wall": 5.0}))


def _facts(lines: list[str]) -> set[str]:
    """Return everything that is said, each by itself: an attempt as what is left of it when it is gone."""
    facts: list[Any] = []
    for part in map(json.loads, lines[1:-1]):
        if "alerts" in part:
            facts += part["alerts"]
            continue
        name, ages = part["of"], part["ages"]
        ages = ages if isinstance(ages, list) else [ages] * len(part["keys"])
        for key, value, age in zip(part["keys"], part["values"], ages, strict=True):
            if name != "attempts":
                facts.append([name, key, value, age])
                continue
            target, (success, fate) = [part["query"], part["scope"], key], value
            facts.append(["gone", target, int(fate == 0), age])
            facts += [["earlier", target, success, age]] if success is not None else []
            facts += [["failed", target, fate, age]] if fate and [part["query"], fate] != _IDLE else []
    return set(map(json.dumps, facts))


_IDLE = ["calls", "empty"]


def test_what_was_written_is_what_is_read() -> None:
    """An engine that was restored writes the same again, and says when it was written."""
    engine, first = state.restore(LINES)

    assert first["wall"] == 5.0
    assert engine.evaluated_at == first["moment"]
    again = list(state.dump(engine))
    assert _facts(again) == _facts(LINES)
    assert _facts(list(state.dump(state.restore(again)[0]))) == _facts(LINES)
    assert {alert.state for alert in engine.alerts.by_identity.values()} > {"firing"}
    said = {json.loads(line).get("of") for line in [*LINES, *again]}
    assert said >= {"balances", "extensions", "tenant_used", "attempts", "gone", "earlier", "failed"}


def test_many_alerts_are_all_read() -> None:
    """They are written in portions."""
    engine = Engine()
    engine.alerts.restore(
        Alert((rules.NODE_MISSING, (("switch", "pbx"), ("node", f"n{number}"))), State.PENDING, 0, 0, 0)
        for number in range(2500)
    )
    lines = list(state.dump(engine))

    assert len(lines) == 12
    assert state.restore(lines)[0].alerts.by_identity.keys() == engine.alerts.by_identity.keys()


def test_a_file_of_another_version_is_refused() -> None:
    """What a later version wrote is not guessed at."""
    other = [LINES[0].replace('"version":2', '"version":3'), *LINES[1:]]

    with pytest.raises(ValueError, match="version 3"):
        state.restore(other)


def test_an_alert_that_this_version_does_not_know_is_left_out() -> None:
    """Its rule was taken away with an update; the others stay."""
    known = len(state.restore(LINES)[0].alerts.by_identity)
    fewer = [line.replace("SoftswitchWatchdog", "SoftswitchOfLate") for line in LINES]

    assert len(state.restore(fewer)[0].alerts.by_identity) == known - 1


@given(cut=st.integers(0, sum(map(len, LINES)) - 2))
def test_a_file_that_ends_early_is_refused(cut: int) -> None:
    """Wherever it was cut off, nothing is taken from it."""
    with pytest.raises(_BROKEN):
        state.restore("".join(LINES)[:cut].splitlines())


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(number=st.integers(0, len(LINES) - 1), data=st.data())
def test_a_spoilt_file_is_refused_or_taken_whole(number: int, data: st.DataObject) -> None:
    """Whatever stands in it: an engine that can go on, or an error of a known kind."""
    tree = json.loads(LINES[number])
    place = tree
    while isinstance(place, dict | list) and place and data.draw(st.integers(0, 3)):
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key]:
            place = place[key]
        else:
            place[key] = data.draw(_JSON)
            break
    spoilt = [*LINES[:number], json.dumps(tree), *LINES[number + 1 :]]
    try:
        engine, _ = state.restore(spoilt)
    except _BROKEN:
        return
    for _ in engine.evaluate({}, (engine.evaluated_at or 0) + 60):
        pass
    list(state.dump(engine))


@pytest.mark.parametrize("value", [True, math.nan, math.inf, 10**400, "1", None, [1]])
def test_what_is_no_number_is_none(value: object) -> None:
    """Nor are numbers that JSON of others may hold."""
    with pytest.raises(ValueError, match="expected a"):
        number(value)


@pytest.mark.parametrize("value", [1, None, ["a"]])
def test_what_is_no_text_is_none(value: object) -> None:
    """A key that is a number would be another one than it was."""
    with pytest.raises(TypeError, match="expected a text"):
        text(value)


def test_keys_are_read_back() -> None:
    """As they were before they were lists of texts."""
    assert pair(["ACME", "100"]) == ("ACME", "100")
    assert job(["calls", "tenant"]) == (Query.CALLS, Scope.TENANT)


def test_a_state_that_is_missing_is_refused() -> None:
    """How many extensions are in each state is known of all three, or not at all."""
    counts = {"registered": 3.0, "unregistered": 1.0, "unknown": 0.0}
    assert states(counts) == counts
    with pytest.raises(KeyError):
        states({"registered": 3.0})


def test_times_are_within_a_century() -> None:
    """Beyond it a minute is lost in rounding."""
    assert (state.moment(0), state.wall(1e9)) == (0, 1e9)
    for read, value in ((state.moment, -1), (state.moment, 1e17), (state.wall, -1), (state.wall, 1e300)):
        with pytest.raises(ValueError, match="expected seconds from"):
            read(value)


@pytest.mark.parametrize(("age", "since"), [(-0.5, 600.0), (0, 600.0), (60, 540.0)])
def test_an_age_is_counted_back_from_the_file(age: float, since: float) -> None:
    """Files of before 2026-12 have what happened during an evaluation as a little younger than 0 seconds."""
    row = [["SoftswitchWatchdog", "none", "monitoring"], [], "firing", 1, 0, age, age, None]
    lines = [{"version": 2, "moment": 600.0}, {"alerts": [row]}, {"parts": 1}]
    engine, _ = state.restore(map(json.dumps, lines))

    assert [alert.since for alert in engine.alerts.by_identity.values()] == [since]
