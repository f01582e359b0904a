from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.metrics import catalogue
from exporter.model import Counts, Failure, Number, Query, Reason, Registration, Scope, Target
from exporter.poll import SwitchContext
from exporter.poll.scope_check import QueueScope, ScopeCheck, ScopeChecks
from exporter.queries.trunks import Trunk, Trunks

_TRUNK = Trunk("one", "1", "", Registration.REGISTERED, "Registered")
_CODES = [f"T{number}" for number in range(8)]


def _check(*wholes: float) -> ScopeCheck:
    check = ScopeCheck()
    for figure in wholes:
        check.record_switch(figure)
    return check


def test_five_tenants_with_the_figure_of_the_switch() -> None:
    """The fifth shows that `tenant` is ignored, and this is reported once."""
    check = _check(40)

    assert [check.record_tenant(code, 40) for code in _CODES[:6]] == [False, False, False, False, True, False]
    assert check.is_ignored


def test_one_different_figure() -> None:
    """A single one shows that the switch respects the parameter."""
    check = _check(40)
    check.record_tenant("OTHER", 3)

    assert not any(check.record_tenant(code, 40) for code in _CODES)


def test_zero_proves_nothing() -> None:
    """At night, every figure is 0."""
    check = _check(0)

    assert not any(check.record_tenant(code, 0) for code in _CODES)


def test_figure_of_the_switch_changes_during_a_sweep() -> None:
    """The last three count, and no older one."""
    check = _check(10, 20, 30, 40)
    for code, figure in zip(_CODES[:5], (20, 30, 40, 20, 30), strict=True):
        check.record_tenant(code, figure)
    assert check.is_ignored

    old = _check(10, 20, 30, 40)
    assert not any(old.record_tenant(code, 10) for code in _CODES)


def test_each_tenant_counts_once() -> None:
    """However many responses it has."""
    check = _check(40)

    assert not any(check.record_tenant("ACME", 40) for _ in range(20))


def test_tenant_is_respected_again() -> None:
    """After five tenants with their own figures; this is reported once."""
    check = _check(40)
    for code in _CODES[:5]:
        check.record_tenant(code, 40)

    assert [check.record_tenant(code, 7) for code in _CODES[:6]] == [False, False, False, False, True, False]
    assert not check.is_ignored


def test_dropped_tenants_do_not_count() -> None:
    """Neither for nor against."""
    check = _check(40)
    for code in _CODES[:4]:
        check.record_tenant(code, 40)
    check.drop(_CODES[0])
    assert not check.record_tenant(_CODES[4], 40)

    check.record_tenant("OTHER", 1)
    check.drop("OTHER")
    assert check.record_tenant(_CODES[0], 40)


@given(st.lists(st.tuples(st.sampled_from(_CODES), st.sampled_from([0.0, 1.0, 2.0])), max_size=60))
def test_any_figures(answers: list[tuple[str, float]]) -> None:
    """Each change is reported, and `tenant` is never ignored without five figures of the switch."""
    check = _check(2)
    for code, figure in answers:
        before = check.is_ignored
        assert check.record_tenant(code, figure) is (check.is_ignored is not before)
    assert not check.is_ignored or len({code for code, figure in answers if figure == 2}) >= 5


@pytest.mark.parametrize(
    ("query", "of_switch", "of_tenant"),
    [
        (Query.CALLS, Number(40), Number(4)),
        (Query.CHANNELS, Counts(40, None), Counts(4, None)),
        (Query.TRUNKS, Trunks((_TRUNK,) * 3), Trunks((_TRUNK,))),
    ],
)
def test_answers_about_the_installation_are_rejected(
    query: Query,
    of_switch: Number | Counts | Trunks,
    of_tenant: Number | Counts | Trunks,
    context: Callable[..., SwitchContext],
) -> None:
    """From the fifth tenant on, until five tenants have their own figures; the installation's stays valid."""
    checks = ScopeChecks(context())
    targets = [Target(query, Scope.TENANT, code) for code in _CODES[:5]]
    assert checks.check(Target(query, Scope.SWITCH), of_switch) is of_switch

    *first, fifth = [checks.check(target, of_switch) for target in targets]
    assert all(answer is of_switch for answer in first)
    assert isinstance(fifth, Failure)
    assert fifth.reason is Reason.SCOPE_IGNORED
    assert checks.check(Target(query, Scope.SWITCH), of_switch) is of_switch

    *_, fourth, fifth = [checks.check(target, of_tenant) for target in targets]
    assert isinstance(fourth, Failure)
    assert fifth is of_tenant


def test_earlier_values_are_removed(context: Callable[..., SwitchContext]) -> None:
    """Those of all tenants, because they were not about them; one line is logged."""
    switch = context(tenants=[{"code": code} for code in _CODES[:5]])
    checks = ScopeChecks(switch)
    checks.check(Target(Query.CALLS, Scope.SWITCH), Number(40))
    with capture_logs() as logs:
        for code in _CODES[:5]:
            target = Target(Query.CALLS, Scope.TENANT, code)
            if isinstance(checks.check(target, Number(40)), Number):
                switch.store.put(target, {catalogue.TENANT_CALLS: 40}, interval=30, now=0)

    assert [switch.store.values(catalogue.TENANT_CALLS, code) for code in _CODES[:5]] == [None] * 5
    assert [line["event"] for line in logs] == ["the switch ignores `tenant` for this query"]


def test_counts_without_a_total_prove_nothing(context: Callable[..., SwitchContext]) -> None:
    """They are not equal figures."""
    checks, unknown = ScopeChecks(context()), Counts(None, None)
    targets = [Target(Query.CHANNELS, Scope.TENANT, code) for code in _CODES]

    assert all(
        checks.check(target, unknown) is unknown
        for target in (Target(Query.CHANNELS, Scope.SWITCH), *targets)
    )


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


@pytest.mark.parametrize("other", [_fields(41), _fields(LANGUAGE="en")])
def test_one_different_answer(other: Mapping[str, str]) -> None:
    """Two rounds in a row must have the same answer for all queues, with the same fields."""
    scope = QueueScope()
    for _ in range(5):
        _round(scope, *[_fields()] * 3)
        _round(scope, _fields(), _fields(), other)
    reports = [_round(scope, *[_fields()] * 3) for _ in range(3)]

    assert reports == [[False] * 3, [False] * 3, [True, False, False]]


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


def test_a_tenant_whose_queues_differ_from_the_start() -> None:
    """It takes two rounds as well, and the first answer of the third."""
    scope = QueueScope()
    for _ in range(3):
        _round(scope, *[_fields()] * 3)
    reports = [_round(scope, _fields(40), _fields(7), _fields(90), tenant="BETA") for _ in range(3)]

    assert reports == [[False] * 3, [False] * 3, [True, False, False]]


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
