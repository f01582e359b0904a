import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.text import Windows
from exporter.model import Failure, Reason, Registration
from exporter.queries.trunks import Trunks, TrunksQuery, read_trunks

_UP, _DOWN, _UNKNOWN = Registration.REGISTERED, Registration.UNREGISTERED, Registration.UNKNOWN


def _read(document: object, **settings: object) -> Trunks | Failure:
    section = TrunksQuery.model_validate(settings)
    return read_trunks(Windows(json.dumps(document).encode()), section)


def _states(outcome: Trunks | Failure) -> dict[str, Registration]:
    assert isinstance(outcome, Trunks)
    return {row.name: row.state for row in outcome.rows}


@pytest.mark.parametrize("name", ["name", "Name", "sr_name", "pr_name", "trunk", "provider", "host"])
@pytest.mark.parametrize("state", ["state", "State", "status", "sr_state", "registration"])
def test_usual_fields_are_found(name: str, state: str) -> None:
    """Whatever the prefix and the case."""
    rows = [{name: "a", state: "Registered", "secret": "x"}, {name: "b", state: "Rejected", "secret": "x"}]
    assert _states(_read(rows)) == {"a": _UP, "b": _DOWN}


def test_the_first_configured_field_wins() -> None:
    """The names replace the built-in ones."""
    row = {"name": "no", "label": "yes", "title": "later", "state": "Failed", "up": "Registered"}
    fields = {"name_fields": ["label", "title"], "state_fields": ["missing", "up"]}
    assert _states(_read([row], **fields)) == {"yes": _UP}


def test_a_list_without_states_is_a_failure() -> None:
    """It would look as if no trunk were down. An unknown word is no failure: it is counted as unknown."""
    without = _read([{"name": "a"}, {"name": "b", "state": None}])
    assert isinstance(without, Failure)
    assert without.reason is Reason.DECODE
    assert "state_fields" in without.detail
    assert _states(_read([{"name": "a", "state": "MARTIAN"}, {"name": "b"}])) == {
        "a": _UNKNOWN,
        "b": _UNKNOWN,
    }
    assert _read([]) == Trunks(())


def test_a_bad_row_costs_that_row() -> None:
    """A row without name and id, and one that is no record."""
    rows = [{"name": "a", "state": "Registered"}, {"state": "Registered"}, 7, {"id": 3, "state": "Failed"}]
    outcome = _read([*rows, {"name": "b", "state": ["nested"]}, {"name": "c", "state": "Registered"}])
    assert _states(outcome) == {"a": _UP, "3": _DOWN, "b": _UNKNOWN, "c": _UP}
    assert isinstance(outcome, Trunks)
    assert outcome.skipped is not None
    assert (outcome.skipped.rows, outcome.skipped.nameless) == (3, 2)


def test_the_list_of_extensions_is_not_taken_for_trunks() -> None:
    """A switch that ignores `object` may send it, and its names are those of people."""
    assert isinstance(_read([{"ex_number": "100", "Name": "Person 1", "State": "OK"}]), Failure)


_cells = st.text(max_size=5) | st.integers() | st.booleans() | st.none() | st.lists(st.integers(), max_size=1)
_records = st.dictionaries(st.sampled_from(["name", "state", "te_code", "id", "password"]), _cells)


@given(st.lists(_records | _cells) | st.dictionaries(st.text(max_size=3), _records | _cells))
def test_any_list_gives_trunks_or_a_failure(document: object) -> None:
    """Nothing raises, every trunk has a name, and a password is never kept."""
    outcome = _read(document)
    if isinstance(outcome, Trunks):
        assert all(row.name and len(row.name) <= 255 for row in outcome.rows)
    secret = _read({"1": {"name": "a", "state": "x", "password": "SECRET", "username": "SECRET"}})
    assert "SECRET" not in repr(secret)
