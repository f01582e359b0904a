import json

from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.text import Windows
from exporter.decode.values import servable
from exporter.model import Failure, Reason, Skipped
from exporter.queries.queues import MOST_QUEUES, Queues, QueuesQuery, read_queues

_SECRET = "hunter2-MUST-NOT-SHOW"


def _queues(text: str) -> Queues | Failure:
    return read_queues(Windows(text.encode()), QueuesQuery())


def test_a_record_is_no_list() -> None:
    """Its values may be passwords, and names become label values. One name that is no id is enough."""
    for record in ({"te_password": _SECRET}, {"0": _SECRET, "1": "x", "2": "y", "password": _SECRET}):
        outcome = _queues(json.dumps(record))
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.DECODE
        assert _SECRET not in outcome.detail


def test_broken_rows_cost_themselves() -> None:
    """A queue that is listed twice, or a pair without an id, is skipped and counted."""
    outcome = _queues("12: Reception|15: Support|12: Sales|Somebody|18: Night\n")
    assert isinstance(outcome, Queues)
    assert outcome.names == {"12": "Reception", "15": "Support", "18": "Night"}
    assert isinstance(outcome.skipped, Skipped)
    assert (outcome.skipped.rows, outcome.skipped.nameless) == (2, 1)


def test_too_many_queues() -> None:
    """More than any tenant has are rejected as a whole."""
    for count in (MOST_QUEUES, MOST_QUEUES + 1):
        outcome = _queues(json.dumps({str(number): "x" for number in range(count)}))
        assert isinstance(outcome, Queues) is (count == MOST_QUEUES)


@given(
    st.dictionaries(
        st.integers(0, 10**18).map(str), st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
    )
)
def test_any_names(names: dict[str, str]) -> None:
    """Every queue is kept, and every name can be a label value or is empty."""
    outcome = _queues(json.dumps(names))
    assert isinstance(outcome, Queues)
    assert outcome.skipped is None
    assert outcome.names.keys() == names.keys()
    for queue, name in outcome.names.items():
        assert not name or servable(name)
        assert name == names[queue].strip() or len(names[queue]) > 255 or "\0" in names[queue]
