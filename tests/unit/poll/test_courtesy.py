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
_JOBS = [(query, scope) for query in Query for scope in Scope]


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
        record=courtesy.key(target),
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
    assert courtesy.admit(courtesy.key(_CALLS), 0) is None
    for target in (_CALLS, _BALANCE, _SWITCH, _CALLS, _BALANCE):
        _timeout(courtesy, target, 0)

    assert courtesy.breaker.is_open
    assert courtesy.skip(_SWITCH, 3600) is SkipReason.BREAKER
    assert courtesy.admit(courtesy.key(_SWITCH), 3600) is SkipReason.BREAKER


def test_the_probe_is_what_was_answered_fastest() -> None:
    """By how long the answer took, whenever it came."""
    courtesy, _ = _courtesy()
    for target, started, ended in ((_CALLS, 0.0, 5.0), (_SWITCH, 100.0, 101.0), (_BALANCE, 200.0, 203.0)):
        courtesy.note(
            target,
            None,
            record=courtesy.key(target),
            started=started,
            ended=ended,
            interval=60,
            has_witnesses=True,
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
        record=courtesy.key(_BALANCE),
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
    assert [courtesy.admit(courtesy.key(other), now) for now in (5, 6, 7)] == [
        SkipReason.BACKOFF,
        None,
        SkipReason.BACKOFF,
    ]


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


def _two_keys(admin: Path) -> tuple[Courtesy, dict[str, KeyHolder]]:
    """Return a courtesy where ACME has a key of its own, and all others are asked with that in a file."""
    holders = {
        "": KeyHolder("", Key.from_file(admin)),
        "ACME": KeyHolder("ACME", Key("own", "literal")),
    }
    slots = Slots(4, 1e6, lambda: 0.0, shared=True)
    return Courtesy(
        "pbx", slots, lambda target: holders[target.tenant if target.tenant in holders else ""]
    ), holders


def test_an_answer_is_credited_to_the_key_it_was_sent_with(tmp_path: Path) -> None:
    """A key that is rotated in flight earns nothing, and suffers nothing, by what the old one met."""
    file = tmp_path / "key"
    file.write_text("secret")
    courtesy, holders = _two_keys(file)
    old = courtesy.key(_SWITCH)
    file.write_text("another")
    holders[""].key.read_again()
    new = courtesy.key(_SWITCH)
    peers, license_ = Target(Query.PEERS, Scope.SWITCH), Target(Query.LICENSE, Scope.SWITCH)

    for outcome in (None, _failure(Reason.AUTH), _failure(Reason.AUTH)):
        for target in (_SWITCH, peers, license_):
            courtesy.note(target, outcome, record=old, started=0, ended=1, interval=60, has_witnesses=True)

    assert old.has_counted_calls
    assert old.is_refused
    assert not new.has_counted_calls
    assert not new.is_refused
    assert courtesy.refused_keys == []
    assert courtesy.held_back == 0


@pytest.mark.parametrize(
    ("target", "outcome", "counts"),
    [
        (_SWITCH, None, True),
        (_CALLS, None, True),
        (_SWITCH, _failure(Reason.EMPTY), False),
        (Target(Query.PEERS, Scope.SWITCH), None, False),
    ],
)
def test_each_key_has_to_count_calls(
    target: Target, outcome: Failure | None, tmp_path: Path, *, counts: bool
) -> None:
    """What one key may says nothing about another; only a number says that an idle tenant is idle."""
    file = tmp_path / "key"
    file.write_text("secret")
    courtesy, _ = _two_keys(file)
    record = courtesy.key(target)
    courtesy.note(target, outcome, record=record, started=0, ended=1, interval=60, has_witnesses=True)

    assert record.has_counted_calls is counts
    other = _CALLS if target.scope is Scope.SWITCH else _SWITCH
    assert not courtesy.key(other).has_counted_calls


def test_a_reload_that_removes_a_key_leaves_nothing_of_it(tmp_path: Path) -> None:
    """Neither its refusals nor what they held back; and the other keys can be rotated as before."""
    file = tmp_path / "key"
    file.write_text("secret")
    courtesy, holders = _two_keys(file)
    for target in (_SWITCH, Target(Query.PEERS, Scope.SWITCH), Target(Query.LICENSE, Scope.SWITCH)):
        for started in (0, 60):
            _note(courtesy, target, Reason.AUTH, started)
    for started in (0, 60):
        _timeout(courtesy, _CALLS, started)
        _note(courtesy, _BALANCE, Reason.AUTH, started)
    assert courtesy.refused_keys == [""]
    assert courtesy.held_back == 5

    del holders[""]
    holders["ACME"] = KeyHolder("ACME", Key("own", "literal"))
    courtesy.follow(lambda target: target.tenant == "ACME", _JOBS, {"ACME": holders["ACME"].key})

    assert courtesy.refused_keys == []
    assert courtesy.held_back == 2
    assert courtesy.skip(_CALLS, 120) is SkipReason.BACKOFF
    holders["ACME"] = KeyHolder("ACME", Key("new", "literal"))
    assert courtesy.key(_CALLS).key == "new"
    assert courtesy.held_back == 1


def test_a_reload_that_gives_a_tenant_its_own_key_ends_the_pauses_of_the_other_key(tmp_path: Path) -> None:
    """What the admin key was refused for may be allowed to the tenant's own; that it hangs stays true."""
    file = tmp_path / "key"
    file.write_text("secret")
    courtesy, holders = _two_keys(file)
    own = holders.pop("ACME")
    for started in (0, 60):
        _note(courtesy, _BALANCE, Reason.AUTH, started)
        _timeout(courtesy, _CALLS, started)

    holders["ACME"] = own
    courtesy.follow(lambda _: True, _JOBS, {owner: holder.key for owner, holder in holders.items()})

    assert courtesy.skip(_BALANCE, 61) is None
    assert courtesy.skip(_CALLS, 61) is SkipReason.BACKOFF


def test_a_reload_with_the_same_keys_forgets_nothing(tmp_path: Path) -> None:
    """A refused key is not tried at full pace because of a reload; one that was corrected is, at once."""
    file = tmp_path / "key"
    file.write_text("secret")
    courtesy, holders = _two_keys(file)
    for target in (_SWITCH, Target(Query.PEERS, Scope.SWITCH), Target(Query.LICENSE, Scope.SWITCH)):
        _note(courtesy, target, Reason.AUTH, 0)
    keys = {owner: holder.key for owner, holder in holders.items()}

    courtesy.follow(lambda _: True, _JOBS, keys)
    assert courtesy.refused_keys == [""]
    courtesy.follow(lambda _: True, _JOBS, {**keys, "": Key("corrected", "literal")})
    assert courtesy.refused_keys == []


def test_a_query_that_is_switched_off_is_forgotten() -> None:
    """Neither does it count as held back, nor is the switch probed with it."""
    courtesy, _ = _courtesy()
    for target in (_CALLS, _BALANCE):
        _timeout(courtesy, target, 0)
    _note(courtesy, _SWITCH, None, 0)

    courtesy.follow(lambda target: target == _CALLS, [_CALLS[:2]], {"": Key("secret", "literal")})

    assert courtesy.held_back == 1
    assert courtesy.breaker.probe_target is None


def test_a_switch_that_asks_to_wait_is_asked_nothing() -> None:
    """No sweep, no request that waited for its slot, no retry and no probe goes before the time is over."""
    courtesy, _ = _courtesy()
    for target in (_SWITCH, Target(Query.PEERS, Scope.SWITCH), Target(Query.LICENSE, Scope.SWITCH)):
        courtesy.note(
            target,
            Failure(Reason.HTTP, "", 503, 120),
            record=courtesy.key(target),
            started=0,
            ended=1,
            interval=3600 if target is _SWITCH else 60,
            has_witnesses=True,
        )

    for now, reason in ((1, SkipReason.BACKOFF), (120, SkipReason.BACKOFF), (121, None)):
        assert courtesy.skip(_CALLS, now) is reason
        assert courtesy.admit(courtesy.key(_CALLS), now) is reason
        assert courtesy.retries(now) == ([] if reason else [_SWITCH])
    for target in (_CALLS, _BALANCE, _SWITCH, _CALLS, _BALANCE):
        _timeout(courtesy, target, 5)
    assert courtesy.breaker.is_open
    assert not courtesy.take_probe(120, 30)
    assert courtesy.take_probe(121, 30)


def test_another_switch_begins_anew() -> None:
    """What the one that was there before did counts no more."""
    courtesy, _ = _courtesy()
    for target in (_CALLS, _BALANCE, _SWITCH, _CALLS, _BALANCE):
        _timeout(courtesy, target, 0)

    courtesy.reset()

    assert courtesy.skip(_CALLS, 0) is None
    assert courtesy.lane(_CALLS) is Lane.TENANT
    assert courtesy.held_back == 0


def test_what_a_silent_switch_was_not_asked_is_made_good_when_it_answers() -> None:
    """Only of a rare query, for the others have their next sweep soon; and only where it was the reason."""
    courtesy, _ = _courtesy()
    license_ = Target(Query.LICENSE, Scope.SWITCH)
    courtesy.left_out(license_, 0, 3600)
    assert courtesy.held_back == 0
    for target in (_CALLS, _BALANCE, _SWITCH, _CALLS, _BALANCE):
        _timeout(courtesy, target, 0)
    held_back = courtesy.held_back

    courtesy.left_out(license_, 10, 3600)
    courtesy.left_out(Target(Query.PEERS, Scope.SWITCH), 10, 300)
    assert courtesy.held_back == held_back + 1
    assert courtesy.retries(10) == []

    _note(courtesy, _SWITCH, None, 20)
    assert courtesy.retries(21) == [license_]
