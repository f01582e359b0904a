import pytest

from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.poll.refusals import KeyRecord

_TARGETS = [Target(query, Scope.SWITCH) for query in Query]
_REFUSED = Failure(Reason.AUTH, "")
_OTHER_REASONS = [reason for reason in Reason if reason is not Reason.AUTH]


def _refused(now: float = 100.0) -> KeyRecord:
    record = KeyRecord("secret")
    for target in _TARGETS[:3]:
        record.note(target, _REFUSED, now=now)
    return record


def _trials(record: KeyRecord, until: float) -> list[float]:
    """Return when a key is tried that is looked at every second, from 100 on."""
    asked = []
    now = 100.0
    while now < until:
        if record.may_ask(now):
            record.ask(now)
            asked.append(now)
        now += 1
    return asked


def test_three_witnesses() -> None:
    """Refusals of three different targets make it refused, and that is told once."""
    record = KeyRecord("secret")

    told = [record.note(target, _REFUSED, now=0) for target in _TARGETS[:4]]

    assert told == [False, False, True, False]
    assert record.is_refused


def test_one_target_that_is_refused_proves_nothing() -> None:
    """The same sentence answers an operation that the key may not use."""
    record = KeyRecord("secret")

    assert not any(record.note(_TARGETS[n % 2], _REFUSED, now=0) for n in range(50))
    assert record.may_ask(0)


def test_a_success_between_starts_anew() -> None:
    """A key that is good for anything is not refused."""
    record = KeyRecord("secret")
    for target in (*_TARGETS[:2], None, *_TARGETS[2:4]):
        record.note(target or _TARGETS[5], _REFUSED if target else None, now=0)

    assert not record.is_refused


@pytest.mark.parametrize("reason", _OTHER_REASONS)
def test_other_failures_say_nothing_of_the_key(reason: Reason) -> None:
    """They neither refuse it nor accept it again."""
    record = KeyRecord("secret")
    assert not any(record.note(target, Failure(reason, ""), now=0) for target in _TARGETS)

    refused = _refused()
    assert not refused.note(_TARGETS[0], Failure(reason, ""), now=200)
    assert refused.is_refused


def test_trials_are_ever_rarer() -> None:
    """After 5, 10, 20 … s, and every 15 minutes in the end."""
    assert _trials(_refused(), 4000) == [105, 115, 135, 175, 255, 415, 735, 1375, 2275, 3175]


def test_looking_is_no_trial() -> None:
    """Only a request that really goes puts off the next one."""
    record = _refused()

    assert all(record.may_ask(105) for _ in range(3))
    record.ask(105)
    assert not record.may_ask(114)
    assert record.may_ask(115)


def test_a_key_that_is_not_refused_has_no_trials() -> None:
    """As often as one likes."""
    record = KeyRecord("secret")
    record.ask(0)

    assert record.may_ask(0)


def test_a_key_that_is_refused_for_years() -> None:
    """The pause stays at 15 minutes, however many trials there were."""
    record = _refused()
    now = 0.0
    for _ in range(5000):
        now = record.retry_at
        record.ask(now)

    assert record.retry_at == now + 900


def test_accepted_again() -> None:
    """One success will do, it is told once, and the next time the pauses start anew."""
    record = _refused()
    _trials(record, 1000)

    assert record.note(_TARGETS[0], None, now=1000)
    assert not record.note(_TARGETS[0], None, now=1000)
    assert not record.is_refused
    for target in _TARGETS[:3]:
        record.note(target, _REFUSED, now=2000)
    assert record.retry_at == 2005


@pytest.mark.parametrize("status", [401, 403])
def test_a_status_may_be_a_refusal(status: int) -> None:
    """A proxy before the switch refuses a key with HTTP 401 or 403; other statuses say nothing of it."""
    record, other = KeyRecord("secret"), KeyRecord("secret")
    for target in _TARGETS[:3]:
        record.note(target, Failure(Reason.HTTP, "", status), now=0)
        other.note(target, Failure(Reason.HTTP, "", 500), now=0)

    assert record.is_refused
    assert not other.is_refused


def test_no_key_in_its_representation() -> None:
    """It may stand in a traceback."""
    assert "secret" not in repr(KeyRecord("secret"))
