import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Failure, Reason
from exporter.queries.queue import AGENTS, CALLS, FIELDS, QueueQuery, QueueState, read_queue

_SECTION = QueueQuery()


def _state(**fields: object) -> QueueState:
    state = read_queue(json.dumps({"AGENTSONLINE": 1, **fields}), _SECTION)
    assert isinstance(state, QueueState)
    return state


@pytest.mark.parametrize(
    ("first", "waiting", "wait"),
    [
        ("95", 1, 95),
        (95, 1, 95),
        ("95.5", 1, 95.5),
        ("0:01:35", 1, 95),
        ("100:00:00", 1, 360_000),
        ("0", 0, 0),
        ("", 0, 0),
        (None, "0", 0),
        ("", 1, None),
        ("", None, None),
        ("-1", 1, None),
        ("1:35", 1, None),
        ("0:61:00", 1, None),
        ("604801", 1, None),
        (1_790_000_000, 1, None),
        ("2026-11-01 10:00:00", 1, None),
        (True, 1, None),
        ([95], 1, None),
        ("9" * 500, 1, None),
    ],
)
def test_longest_wait(first: object, waiting: object, wait: float | None) -> None:
    """Seconds, or hours, minutes and seconds; 0 if nobody waits; nothing that cannot be a waiting time."""
    assert _state(FIRSTWAITING=first, CALLSINQUEUE=waiting).longest_wait == wait


def test_missing_field_is_no_zero() -> None:
    """Without FIRSTWAITING, the waiting time is unknown, even if nobody waits."""
    assert _state(CALLSINQUEUE=0).longest_wait is None


@pytest.mark.parametrize("text", ["-1", "1.5", "many", "", None, True, [1]])
def test_counts_that_cannot_be_read(text: object) -> None:
    """They are absent, and named."""
    state = _state(CALLSINQUEUE=text, AGENTSFREE=text, ABANDONEDCALLS=text)
    assert (state.waiting, state.agents, state.calls) == (None, {"online": 1}, {})
    assert {"CALLSINQUEUE", "AGENTSFREE", "ABANDONEDCALLS", "FIRSTWAITING"} <= set(state.unreadable)


def test_names_in_any_case_and_order() -> None:
    """A name that occurs twice with the same spelling has no value."""
    state = read_queue('{"callsinqueue": 3, "AgentsOnline": "2", "AGENTSFREE": 1, "AGENTSFREE": 2}', _SECTION)
    assert isinstance(state, QueueState)
    assert (state.waiting, state.agents) == (3, {"online": 2})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"error": "No id specified"}', Reason.REJECTED),
        ("No id specified", Reason.REJECTED),
        ('{"name": "Reception"}', Reason.DECODE),
        ("CALLSINQUEUE|AGENTSONLINE\n1|2\n3|4\n", Reason.DECODE),
        ("CALLSINQUEUE|AGENTSONLINE\n1\n", Reason.DECODE),
        ("12", Reason.DECODE),
        ("[1, 2]", Reason.DECODE),
    ],
)
def test_no_state_of_a_queue(text: str, reason: Reason) -> None:
    """Without a known field it is a failure."""
    outcome = read_queue(text, _SECTION)
    assert isinstance(outcome, Failure)
    assert outcome.reason is reason


_figures = st.integers(0, 10**9)


@given(st.dictionaries(st.sampled_from(FIELDS), _figures, min_size=1))
def test_any_figures(figures: dict[str, int]) -> None:
    """They are the same in every form: an object, an array, a record by id, a table, pairs."""
    names, cells = "|".join(figures), "|".join(map(str, figures.values()))
    pairs = "|".join(f"{name}: {figure}" for name, figure in figures.items())
    forms = [
        json.dumps(figures),
        json.dumps([figures]),
        json.dumps({"12": figures}),
        f"{names}\n{cells}\n",
        f"{names}|\r\n{cells}|\r\n",
        f"{pairs}|\r\n",
    ]
    states = [read_queue(form.strip(), _SECTION) for form in forms]
    assert isinstance(states[0], QueueState)
    assert states == [states[0]] * len(forms)
    assert states[0].fields == {field: str(figures[field]) for field in FIELDS if field in figures}
    assert states[0].agents == {state: figures[field] for state, field in AGENTS.items() if field in figures}
    assert states[0].calls == {name: figures[field] for name, field in CALLS.items() if field in figures}
