import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.alerting import state
from exporter.alerting.engine import Engine
from tests.differential.play import Play

_BROKEN = (ValueError, KeyError, TypeError, AttributeError)


def _played() -> Engine:
    """Return an engine after a scenario in which much is remembered."""
    play = Play(0, 1)
    play.run()
    engine: Engine = play.engine
    return engine


LINES = list(state.dump(_played(), {"wall": 5.0}))


def test_what_was_written_is_what_is_read() -> None:
    """An engine that was restored writes the same lines, and says when they were written."""
    engine, first = state.restore(LINES)

    assert first["wall"] == 5.0
    assert engine.evaluated_at == first["moment"]
    again = list(state.dump(engine, {"wall": 5.0}))
    assert sorted(map(sorted, again)) == sorted(map(sorted, LINES))
    assert {alert.state for alert in engine.alerts.by_identity.values()} > {"firing"}


def test_a_file_of_another_version_is_refused() -> None:
    """What a later version wrote is not guessed at."""
    other = [LINES[0].replace('"version":1', '"version":2'), *LINES[1:]]

    with pytest.raises(ValueError, match="version 2"):
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
