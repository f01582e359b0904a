import pytest

from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.poll.backoff import KeyHealth

_TARGETS = [Target(query, Scope.SWITCH) for query in Query]
_REFUSED = Failure(Reason.AUTH, "")
_OTHER_REASONS = [reason for reason in Reason if reason is not Reason.AUTH]


def _refused(now: float = 100.0) -> KeyHealth:
    health = KeyHealth("secret")
    for target in _TARGETS[:3]:
        health.record(target, _REFUSED, now=now)
    return health


def _trials(health: KeyHealth, until: float) -> list[float]:
    """Return when a key is tried that is looked at every second, from 100 on."""
    asked = []
    now = 100.0
    while now < until:
        if health.may_send(now):
            health.record_send(now)
            asked.append(now)
        now += 1
    return asked


def test_three_witnesses() -> None:
    """Refusals of three different targets make it refused, and that is told once."""
    health = KeyHealth("secret")

    told = [health.record(target, _REFUSED, now=0) for target in _TARGETS[:4]]

    assert told == [False, False, True, False]
    assert health.is_refused


def test_one_target_that_is_refused_proves_nothing() -> None:
    """The same sentence answers an operation that the key may not use."""
    health = KeyHealth("secret")

    assert not any(health.record(_TARGETS[n % 2], _REFUSED, now=0) for n in range(50))
    assert health.may_send(0)


def test_a_success_between_starts_anew() -> None:
    """A key that is good for anything is not refused."""
    health = KeyHealth("secret")
    for target in (*_TARGETS[:2], None, *_TARGETS[2:4]):
        health.record(target or _TARGETS[5], _REFUSED if target else None, now=0)

    assert not health.is_refused


@pytest.mark.parametrize("reason", _OTHER_REASONS)
def test_other_failures_say_nothing_of_the_key(reason: Reason) -> None:
    """They neither refuse it nor accept it again."""
    health = KeyHealth("secret")
    assert not any(health.record(target, Failure(reason, ""), now=0) for target in _TARGETS)

    refused = _refused()
    assert not refused.record(_TARGETS[0], Failure(reason, ""), now=200)
    assert refused.is_refused


def test_trials_are_ever_rarer() -> None:
    """After 5, 10, 20 … s, and every 15 minutes in the end."""
    assert _trials(_refused(), 4000) == [105, 115, 135, 175, 255, 415, 735, 1375, 2275, 3175]


def test_looking_is_no_trial() -> None:
    """Only a request that really goes puts off the next one."""
    health = _refused()

    assert all(health.may_send(105) for _ in range(3))
    health.record_send(105)
    assert not health.may_send(114)
    assert health.may_send(115)


def test_a_key_that_is_not_refused_has_no_trials() -> None:
    """As often as one likes."""
    health = KeyHealth("secret")
    health.record_send(0)

    assert health.may_send(0)


def test_a_key_that_is_refused_for_years() -> None:
    """The pause stays at 15 minutes, however many trials there were."""
    health = _refused()
    now = 0.0
    for _ in range(5000):
        now = health.retry_at
        health.record_send(now)

    assert health.retry_at == now + 900


def test_accepted_again() -> None:
    """One success will do, it is told once, and the next time the pauses start anew."""
    health = _refused()
    _trials(health, 1000)

    assert health.record(_TARGETS[0], None, now=1000)
    assert not health.record(_TARGETS[0], None, now=1000)
    assert not health.is_refused
    for target in _TARGETS[:3]:
        health.record(target, _REFUSED, now=2000)
    assert health.retry_at == 2005


@pytest.mark.parametrize("status", [401, 403])
def test_a_status_may_be_a_refusal(status: int) -> None:
    """A proxy before the switch refuses a key with HTTP 401 or 403; other statuses say nothing of it."""
    health, other = KeyHealth("secret"), KeyHealth("secret")
    for target in _TARGETS[:3]:
        health.record(target, Failure(Reason.HTTP, "", status), now=0)
        other.record(target, Failure(Reason.HTTP, "", 500), now=0)

    assert health.is_refused
    assert not other.is_refused


def test_no_key_in_its_representation() -> None:
    """It may stand in a traceback."""
    assert "secret" not in repr(KeyHealth("secret"))
