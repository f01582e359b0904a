import pytest

from exporter.cli.probe.queues import fields_text, id_text, queue_advice
from exporter.queries.queue import FIELDS, QueueState
from exporter.request import Operation
from tests.conftest import Configured
from tests.reading import decode


def _state(**fields: object) -> QueueState:
    state = decode(Operation.QUEUE, "|".join(f"{name}:{text}" for name, text in fields.items()).encode())
    assert isinstance(state, QueueState)
    return state


_BUSY = _state(CALLSRECEIVED=40, AGENTSONLINE=5, FIRSTWAITING=10)
_OTHER = _state(CALLSRECEIVED=7, AGENTSONLINE=5, FIRSTWAITING=0)
_QUIET = _state(CALLSRECEIVED=0, AGENTSONLINE=5)


def test_all_fields_found() -> None:
    """The text says no more than that."""
    assert fields_text([_state(**dict.fromkeys(FIELDS, 1))]) == "found 23 of 23"


def test_missing_and_odd_fields() -> None:
    """They are named: missing from both responses, or no number in either."""
    one = dict.fromkeys(FIELDS[:20], 1)
    text = fields_text([_state(**{**one, "SERVICELEVEL": "good"}), _state(**{**one, "SERVICELEVEL": ""})])
    assert text == (
        "found 20 of 23; missing MAXHOLDTIME, AVERAGETALKTIME, AVERAGEHOLDTIME; not a number: SERVICELEVEL"
    )


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        (_BUSY, _OTHER, "respected"),
        (_BUSY, _state(CALLSRECEIVED=40, AGENTSONLINE=5, FIRSTWAITING=11), "ignored"),
        (_QUIET, _QUIET, "unknown"),
    ],
)
def test_whether_the_id_is_respected(one: QueueState, other: QueueState, verdict: str) -> None:
    """Two answers show it, unless there were no calls; a waiting time that grows is no difference."""
    assert id_text(one, other).startswith(verdict)


def test_advice(configured: Configured) -> None:
    """Poll queues that can be told apart; probe again if they cannot, which may be a coincidence."""
    none = configured().settings("A")
    polled = configured(tenant_defaults={"queues": "all"}).settings("A")
    apart, alike = {"12": _BUSY, "15": _OTHER}, {"12": _BUSY, "15": _BUSY}

    assert ["`all`" in given.text for given in queue_advice(none, apart)] == [True]
    assert list(queue_advice(polled, apart)) == list(queue_advice(none, alike)) == []
    (given,) = queue_advice(polled, alike)
    assert "Probe again later" in given.text
    assert given.settings == {}
    assert list(queue_advice(none, {})) == []
