import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import TRANSPORT_REASONS, Query, Reason, Scope, Target
from exporter.poll.backoff import CircuitBreaker

_TARGETS = [Target(query, Scope.SWITCH) for query in (Query.PEERS, Query.CHANNELS, Query.CALLS)]
_PEERS, _CHANNELS, _CALLS = _TARGETS
_ACME = Target(Query.BALANCE, Scope.TENANT, "ACME")
_ANSWERED = [None, *(reason for reason in Reason if reason not in TRANSPORT_REASONS)]


def _record(
    breaker: CircuitBreaker,
    target: Target,
    reason: Reason | None,
    seconds: float = 1.0,
    *,
    other_targets_exist: bool = True,
) -> bool:
    return breaker.record(target, reason, seconds=seconds, other_targets_exist=other_targets_exist)


def _opened() -> CircuitBreaker:
    breaker = CircuitBreaker()
    for target in (_PEERS, _CHANNELS, _PEERS, _CHANNELS, _PEERS):
        _record(breaker, target, Reason.TIMEOUT)
    return breaker


@pytest.mark.parametrize("reason", sorted(TRANSPORT_REASONS))
def test_five_failures_in_a_row_open_it(reason: Reason) -> None:
    """Not four; and it tells of the change once."""
    breaker = CircuitBreaker()

    changes = [
        _record(breaker, target, reason) for target in (_PEERS, _CHANNELS, _CALLS, _PEERS, _CALLS, _CALLS)
    ]

    assert changes == [False, False, False, False, True, False]
    assert breaker.is_open


def test_one_target_alone_does_not_open_it() -> None:
    """However often it fails: it is that target, and not the switch."""
    breaker = CircuitBreaker()

    assert not any(_record(breaker, _PEERS, Reason.TIMEOUT) for _ in range(50))
    assert _record(breaker, _CALLS, Reason.CONNECT)


def test_where_there_is_only_one_target() -> None:
    """It is the only witness there can be."""
    breaker = CircuitBreaker()

    assert [_record(breaker, _PEERS, Reason.TIMEOUT, other_targets_exist=False) for _ in range(5)][-1]


@pytest.mark.parametrize("reason", _ANSWERED)
def test_after_an_answer_it_takes_five_again(reason: Reason | None) -> None:
    """No more and no less: the count begins anew."""
    breaker = CircuitBreaker()
    for target in (_PEERS, _CHANNELS, _PEERS, _CHANNELS):
        _record(breaker, target, Reason.TIMEOUT)
    _record(breaker, _CALLS, reason)

    changes = [
        _record(breaker, target, Reason.TIMEOUT) for target in (_PEERS, _CHANNELS, _PEERS, _CHANNELS, _PEERS)
    ]

    assert changes == [False, False, False, False, True]


@pytest.mark.parametrize("reason", _ANSWERED)
def test_an_answer_between_starts_the_count_anew(reason: Reason | None) -> None:
    """Any HTTP answer, a refusal or an error page too, shows that the switch is there."""
    breaker = CircuitBreaker()
    for target in (_PEERS, _CHANNELS, _PEERS, _CHANNELS):
        _record(breaker, target, Reason.TIMEOUT)

    _record(breaker, _CALLS, reason)

    assert not any(_record(breaker, target, Reason.TIMEOUT) for target in (_PEERS, _CHANNELS) * 2)


@pytest.mark.parametrize("reason", _ANSWERED)
def test_any_answer_closes_it(reason: Reason | None) -> None:
    """And it tells of that."""
    breaker = _opened()

    assert _record(breaker, _CALLS, reason)
    assert not breaker.is_open


@given(st.lists(st.tuples(st.sampled_from(_TARGETS), st.sampled_from([None, *Reason])), max_size=40))
def test_any_history(history: list[tuple[Target, Reason | None]]) -> None:
    """It is open exactly if the failures since the last answer are five or more, of two targets or more."""
    breaker = CircuitBreaker()
    failed: list[Target] = []
    for target, reason in history:
        was_open = breaker.is_open
        failed = [*failed, target] if reason in TRANSPORT_REASONS else []
        changed = _record(breaker, target, reason)

        assert breaker.is_open is (len(failed) >= 5 and len(set(failed)) >= 2)
        assert changed is (breaker.is_open is not was_open)


def test_one_probe_in_an_interval() -> None:
    """The first one at once, the next when the shortest interval has passed."""
    breaker = _opened()

    assert [breaker.take_probe(now, 30) for now in (100, 101, 129.9, 130, 159, 160)] == [
        *(True, False, False),
        *(True, False, True),
    ]


def test_the_probe_is_what_succeeded_fastest() -> None:
    """By its last success; a target that came to be refused is not asked first of all."""
    breaker = CircuitBreaker()
    probes = [breaker.probe_target]
    for target, reason, seconds in (
        (_PEERS, None, 23.0),
        (_CALLS, None, 0.2),
        (_CHANNELS, None, 0.1),
        (_CHANNELS, None, 0.3),
        (_CALLS, Reason.TIMEOUT, 60.0),  # it succeeded fastest when the switch was there
        (_CALLS, Reason.AUTH, 0.1),
    ):
        _record(breaker, target, reason, seconds)
        probes.append(breaker.probe_target)

    assert probes == [None, _PEERS, _CALLS, _CHANNELS, _CALLS, _CALLS, _CHANNELS]


def test_a_tenant_that_left_is_no_probe() -> None:
    """It is not asked any more."""
    breaker = CircuitBreaker()
    _record(breaker, _ACME, None, 0.1)
    _record(breaker, _PEERS, None, 0.5)

    breaker.drop_tenants({"ACME"})

    assert breaker.probe_target == _PEERS
