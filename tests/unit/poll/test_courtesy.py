import asyncio

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
        key="secret",
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
