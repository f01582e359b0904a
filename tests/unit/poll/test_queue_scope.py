from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from exporter.poll.queue_scope import QueueScope

_QUEUES = ("12", "15", "18")


def _fields(received: int = 40, **more: object) -> dict[str, str]:
    fields = {"CALLSRECEIVED": received, "ANSWEREDCALLS": received // 2, "AGENTSONLINE": 5, "FIRSTWAITING": 0}
    return {name: str(figure) for name, figure in {**fields, **more}.items()}


def _round(scope: QueueScope, *answers: Mapping[str, str], tenant: str = "ACME") -> list[bool]:
    return [
        scope.record(tenant, queue, fields)
        for queue, fields in zip(("12", "15", "18", "21"), answers, strict=False)
    ]


def test_same_answer_for_each_queue() -> None:
    """After two rounds, the first answer of the third shows that `id` is ignored; this is reported once."""
    scope = QueueScope()
    reports = [_round(scope, *[_fields()] * 3) for _ in range(4)]

    assert reports == [[False] * 3, [False] * 3, [True, False, False], [False] * 3]
    assert scope.is_ignored


def test_time_passes_while_a_caller_waits() -> None:
    """The waiting times grow from one answer to the next, and are not compared."""
    scope = QueueScope()
    for start in (0, 30, 60):
        _round(scope, *[_fields(FIRSTWAITING=start + 10 * queue) for queue in range(3)])

    assert scope.is_ignored


def test_two_queues_prove_nothing() -> None:
    """Nor does one: with three, a coincidence is unlikely."""
    scope = QueueScope()
    for _ in range(10):
        _round(scope, *[_fields()] * 2)

    assert not scope.is_ignored


def test_queues_without_calls_prove_nothing() -> None:
    """At night, the same agents are in all queues, and the service level is 100 in each."""
    scope = QueueScope()
    for _ in range(10):
        _round(scope, *[_fields(0, SERVICELEVEL=100)] * 3)

    assert not scope.is_ignored


def test_one_different_answer() -> None:
    """Each round must have the same answer for all queues."""
    scope = QueueScope()
    for _ in range(5):
        _round(scope, *[_fields()] * 3)
        _round(scope, _fields(), _fields(), _fields(41))

    assert not scope.is_ignored


def test_calls_while_the_id_is_ignored() -> None:
    """The only queue that the switch shows receives calls: its figures differ, but they never fall."""
    scope = QueueScope()
    for _ in range(3):
        _round(scope, *[_fields()] * 3)
    for start in range(40, 100, 3):
        _round(scope, *[_fields(start + queue) for queue in range(3)])

    assert scope.is_ignored


def test_id_is_respected_again() -> None:
    """After two rounds in which one queue has received fewer calls than the one before; reported once."""
    scope = QueueScope()
    for _ in range(3):
        _round(scope, *[_fields()] * 3)
    reports = [_round(scope, _fields(40), _fields(7), _fields(90)) for _ in range(4)]

    assert reports == [[False] * 3, [False] * 3, [True, False, False], [False] * 3]
    assert not scope.is_ignored


def test_reset_is_no_other_queue() -> None:
    """When the switch resets its counts, they fall once."""
    scope = QueueScope()
    for _ in range(3):
        _round(scope, *[_fields()] * 3)
    _round(scope, _fields(40), _fields(0), _fields(0))
    for _ in range(5):
        _round(scope, *[_fields(0)] * 3)

    assert scope.is_ignored


def test_tenant_with_different_queues() -> None:
    """It shows that the switch respects `id`, whatever the queues of other tenants have in common."""
    scope = QueueScope()
    for _ in range(4):
        _round(scope, _fields(40), _fields(7), _fields(90), tenant="BETA")
        _round(scope, *[_fields()] * 3)
    assert not scope.is_ignored

    scope.drop(["BETA"])
    for _ in range(2):
        _round(scope, *[_fields()] * 3)
    assert scope.is_ignored


def test_queue_without_an_answer() -> None:
    """It is missing from a round; the three others are enough."""
    scope = QueueScope()
    _round(scope, *[_fields()] * 4)
    for _ in range(2):
        _round(scope, *[_fields()] * 3)

    assert scope.is_ignored


_figures = st.sampled_from(["0", "1", "40", "", "x", "\u0661"])
_answers = st.dictionaries(st.sampled_from(["CALLSRECEIVED", "TALKTIME", "AGENTSONLINE"]), _figures)


@given(st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from(_QUEUES), _answers), max_size=60))
def test_any_answers(answers: list[tuple[str, str, dict[str, str]]]) -> None:
    """Every change is reported."""
    scope = QueueScope()
    for tenant, queue, fields in answers:
        before = scope.is_ignored
        assert scope.record(tenant, queue, fields) is (scope.is_ignored is not before)
