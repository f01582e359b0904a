import json

from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Failure
from exporter.queries.limits import Limits, LimitsQuery, read_limits

_NAMES = {"maxchannels": "channels", "maxextensions": "extensions", "maxdids": "dids"}
_readable = st.integers(0, 2**53)
_unreadable: st.SearchStrategy[object] = st.sampled_from(
    [None, True, -2, 1.5, "many", "1,000", [], {}, 2**53 + 1]
)


@given(
    st.dictionaries(st.sampled_from(list(_NAMES)), _readable),
    st.dictionaries(st.sampled_from(list(_NAMES)), _unreadable),
    st.sets(st.sampled_from(list(_NAMES))),
    st.sampled_from([str, int]),
)
def test_an_unreadable_limit_costs_only_itself(
    readable: dict[str, int], unreadable: dict[str, object], unlimited: set[str], form: type
) -> None:
    """Each limit is read on its own: a number, or None if it is -1, missing or unreadable."""
    sent: dict[str, object] = {name: form(limit) for name, limit in readable.items()}
    sent |= {name: form(-1) for name in unlimited} | unreadable
    expected = {
        field: readable[name] if name in readable and name not in unlimited | unreadable.keys() else None
        for name, field in _NAMES.items()
    }
    outcome = read_limits(json.dumps({"x": 1, **sent}), LimitsQuery())
    if len(unreadable) == len(sent):
        assert isinstance(outcome, Failure)
        return
    assert isinstance(outcome, Limits)
    assert (outcome.channels, outcome.extensions, outcome.dids) == tuple(expected.values())
    assert (outcome.skipped.rows if outcome.skipped else 0) == len(unreadable)


@given(st.text(max_size=60) | st.text('{}[]":,maxchnels-1 |', max_size=60))
def test_any_text_gives_limits_or_a_failure(text: str) -> None:
    """Nothing is raised."""
    assert isinstance(read_limits(text, LimitsQuery()), Limits | Failure)
