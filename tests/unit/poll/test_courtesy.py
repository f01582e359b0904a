import asyncio
from pathlib import Path

import pytest

from exporter.config import Key
from exporter.model import Failure, Query, Reason, Scope, SkipReason, Target
from exporter.poll.courtesy import Courtesy
from exporter.poll.slots import Lane, Slots
from exporter.poll.targets import KeyHolder

_CALLS = Target(Query.CALLS, Scope.TENANT, "ACME")
_BALANCE = Target(Query.BALANCE, Scope.TENANT, "ACME")
_SWITCH = Target(Query.CALLS, Scope.SWITCH)


def _failure(reason: Reason) -> Failure:
    return Failure(reason, "")


def _courtesy() -> tuple[Courtesy, Slots]:
    slots = Slots(4, 1e6, lambda: 0.0, shared=True)
    holder = KeyHolder("", Key("secret", "literal"))
    return Courtesy("pbx", slots, lambda _: holder), slots


def _note(courtesy: Courtesy, target: Target, reason: Reason | None, started: float) -> None:
    """Note an attempt that took a second, of a target with an interval of a minute, one of many."""
    courtesy.note(
        target,
        _failure(reason) if reason else None,
        key=courtesy.key(target),
        started=started,
        ended=started + 1,
        interval=60,
        has_witnesses=True,
    )


def _timeout(courtesy: Courtesy, target: Target, started: float) -> None:
    _note(courtesy, target, Reason.TIMEOUT, started)


def test_at_first_everybody_may_be_asked() -> None:
    """Nothing is held against anyone."""
    courtesy, _ = _courtesy()

    assert courtesy.skip(_CALLS, 0) is None
    assert courtesy.lane(_CALLS) is Lane.TENANT
    assert courtesy.lane(_SWITCH) is Lane.SWITCH


def test_a_tenant_that_timed_out_is_a_suspect_with_every_query() -> None:
    """It is the tenant that hangs, not the query: all its requests take the slots of suspects."""
    courtesy, _ = _courtesy()
    _timeout(courtesy, _CALLS, 0)

    assert courtesy.lane(_CALLS) is Lane.SUSPECT
    assert courtesy.lane(_BALANCE) is Lane.SUSPECT
    assert courtesy.lane(Target(Query.CALLS, Scope.TENANT, "OTHER")) is Lane.TENANT


def test_the_installation_is_never_a_suspect() -> None:
    """However often it times out, it keeps its slots: an outage shows there first."""
    courtesy, _ = _courtesy()
    _timeout(courtesy, _SWITCH, 0)

    assert courtesy.lane(_SWITCH) is Lane.SWITCH
    assert courtesy.lane(_CALLS) is Lane.TENANT


@pytest.mark.parametrize("reason", [None, *Reason])
def test_an_http_answer_clears_the_suspicion(reason: Reason | None) -> None:
    """Any answer shows that it does not hang; that no connection came about shows nothing."""
    courtesy, _ = _courtesy()
    _timeout(courtesy, _CALLS, 0)

    _note(courtesy, _BALANCE, reason, 10)

    suspected = reason in {Reason.TIMEOUT, Reason.CONNECT, Reason.TLS}
    assert (courtesy.lane(_CALLS) is Lane.SUSPECT) is suspected


def test_back_off_is_of_the_target() -> None:
    """A query that is refused is asked less often; the tenant's other queries go on."""
    courtesy, _ = _courtesy()
    for started in (0, 60):
        _note(courtesy, _CALLS, Reason.AUTH, started)

    assert courtesy.skip(_CALLS, 120) is SkipReason.BACKOFF
    assert courtesy.skip(_BALANCE, 120) is None
    assert courtesy.skip(_CALLS, 180) is None


def test_a_success_ends_the_back_off() -> None:
    """From the next turn on it is asked as always."""
    courtesy, _ = _courtesy()
    for started in (0, 60):
        _timeout(courtesy, _CALLS, started)
    _note(courtesy, _CALLS, None, 61)

    assert courtesy.skip(_CALLS, 62) is None


def test_a_silent_switch_is_asked_nothing_but_probes() -> None:
    """Neither in a sweep, nor where a slot had been waited for while it fell silent."""
    courtesy, _ = _courtesy()
    assert courtesy.admit(_CALLS, 0) is None
    for target in (_CALLS, _BALANCE, _SWITCH, _CALLS, _BALANCE):
        _timeout(courtesy, target, 0)

    assert courtesy.breaker.is_open
    assert courtesy.skip(_SWITCH, 3600) is SkipReason.BREAKER
    assert courtesy.admit(_SWITCH, 3600) is SkipReason.BREAKER


def test_the_probe_is_what_was_answered_fastest() -> None:
    """By how long the answer took, whenever it came."""
    courtesy, _ = _courtesy()
    for target, started, ended in ((_CALLS, 0.0, 5.0), (_SWITCH, 100.0, 101.0), (_BALANCE, 200.0, 203.0)):
        courtesy.note(
            target, None, key="secret", started=started, ended=ended, interval=60, has_witnesses=True
        )

    assert courtesy.breaker.probe_target == _SWITCH


def test_how_many_are_asked_more_slowly() -> None:
    """Each target counts that has failed, until it succeeds."""
    courtesy, _ = _courtesy()
    for target in (_CALLS, _BALANCE):
        _timeout(courtesy, target, 0)
    assert courtesy.held_back == 2

    _note(courtesy, _CALLS, None, 60)
    assert courtesy.held_back == 1


def test_only_rare_queries_are_retried() -> None:
    """One that failed and is asked once an hour has its turn after a minute; the others have their sweeps."""
    courtesy, _ = _courtesy()
    _timeout(courtesy, _CALLS, 0)
    courtesy.note(
        _BALANCE,
        _failure(Reason.DECODE),
        key="secret",
        started=0,
        ended=1,
        interval=3600,
        has_witnesses=True,
    )

    assert courtesy.retries(59) == []
    assert courtesy.retries(60) == [_BALANCE]


def test_a_refused_key_is_only_tried_now_and_then() -> None:
    """Whatever is asked with it waits for its turn, also what waits for a slot already."""
    courtesy, _ = _courtesy()
    for target in (_CALLS, _BALANCE, _SWITCH):
        assert courtesy.refused_keys == []
        _note(courtesy, target, Reason.AUTH, 0)

    assert courtesy.refused_keys == [""]
    other = Target(Query.PEERS, Scope.SWITCH)
    assert [courtesy.skip(other, now) for now in (5, 6)] == [SkipReason.BACKOFF, None]
    assert [courtesy.admit(other, now) for now in (5, 6, 7)] == [SkipReason.BACKOFF, None, SkipReason.BACKOFF]


def test_a_key_that_has_changed_ends_its_own_pauses(tmp_path: Path) -> None:
    """Those that its refusals brought about; not those of another key, nor that of a target that hangs."""
    file = tmp_path / "key"
    file.write_text("secret")
    admin = KeyHolder("", Key.from_file(file))
    own = KeyHolder("ACME", Key("own", "literal"))
    slots = Slots(4, 1e6, lambda: 0.0, shared=True)
    courtesy = Courtesy("pbx", slots, lambda target: own if target.tenant == "ACME" else admin)
    hanging = Target(Query.CALLS, Scope.TENANT, "OTHER")
    for started in (0, 60):
        _note(courtesy, _SWITCH, Reason.AUTH, started)
        _note(courtesy, _CALLS, Reason.AUTH, started)
        _timeout(courtesy, hanging, started)
    paused = (_SWITCH, _CALLS, hanging)
    assert [courtesy.skip(target, 120) for target in paused] == [SkipReason.BACKOFF] * 3

    file.write_text("another")
    admin.key.read_again()

    assert [courtesy.skip(target, 120) for target in paused] == [None, SkipReason.BACKOFF, SkipReason.BACKOFF]


async def test_a_suspect_is_not_waited_for() -> None:
    """Where the slots of suspects are taken, a sweep passes over the next suspect."""
    courtesy, slots = _courtesy()
    _timeout(courtesy, _CALLS, 0)
    assert courtesy.skip(_CALLS, 60) is None

    async with asyncio.timeout(1):
        await slots.take(Lane.SUSPECT)

    assert courtesy.skip(_CALLS, 60) is SkipReason.BACKOFF
    assert courtesy.skip(Target(Query.CALLS, Scope.TENANT, "OTHER"), 60) is None
    slots.free(Lane.SUSPECT)
    assert courtesy.skip(_CALLS, 60) is None


def test_a_tenant_that_left_is_forgotten() -> None:
    """When it comes back, it begins anew; nothing of the others is forgotten."""
    courtesy, _ = _courtesy()
    other = Target(Query.CALLS, Scope.TENANT, "OTHER")
    for target in (_CALLS, other):
        for started in (0, 60):
            _timeout(courtesy, target, started)

    courtesy.drop({"ACME"})

    assert courtesy.skip(_CALLS, 61) is None
    assert courtesy.lane(_CALLS) is Lane.TENANT
    assert courtesy.skip(other, 61) is SkipReason.BACKOFF
    assert courtesy.lane(other) is Lane.SUSPECT
