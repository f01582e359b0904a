import asyncio
from pathlib import Path

import pytest

from exporter.config import Key
from exporter.model import Failure, Query, Reason, Scope, SkipReason, Target
from exporter.poll.limiter import Lane, Limiter
from exporter.poll.planner import KeyHolder
from exporter.poll.request_policy import RequestPolicy

_CALLS = Target(Query.CALLS, Scope.TENANT, "ACME")
_BALANCE = Target(Query.BALANCE, Scope.TENANT, "ACME")
_SWITCH = Target(Query.CALLS, Scope.SWITCH)
_JOBS = [(query, scope) for query in Query for scope in Scope]


def _failure(reason: Reason) -> Failure:
    return Failure(reason, "")


def _policy() -> tuple[RequestPolicy, Limiter]:
    limiter = Limiter(4, 1e6, lambda: 0.0, shared=True)
    holder = KeyHolder("", Key("secret", "literal"))
    return RequestPolicy("pbx", limiter, lambda _: holder), limiter


def _record(policy: RequestPolicy, target: Target, reason: Reason | None, started: float) -> None:
    """Note an attempt that took a second, of a target with an interval of a minute, one of many."""
    policy.record_outcome(
        target,
        _failure(reason) if reason else None,
        health=policy.key_health(target),
        started=started,
        ended=started + 1,
        interval=60,
        other_targets_exist=True,
    )


def _timeout(policy: RequestPolicy, target: Target, started: float) -> None:
    _record(policy, target, Reason.TIMEOUT, started)


def test_at_first_everybody_may_be_asked() -> None:
    """Nothing is held against anyone."""
    policy, _ = _policy()

    assert policy.skip_reason(_CALLS, 0) is None
    assert policy.lane(_CALLS) is Lane.TENANT
    assert policy.lane(_SWITCH) is Lane.SWITCH


def test_a_tenant_that_timed_out_is_a_suspect_with_every_query() -> None:
    """It is the tenant that hangs, not the query: all its requests take the slots of suspects."""
    policy, _ = _policy()
    _timeout(policy, _CALLS, 0)

    assert policy.lane(_CALLS) is Lane.SUSPECT
    assert policy.lane(_BALANCE) is Lane.SUSPECT
    assert policy.lane(Target(Query.CALLS, Scope.TENANT, "OTHER")) is Lane.TENANT


def test_the_installation_is_never_a_suspect() -> None:
    """However often it times out, it keeps its slots: an outage shows there first."""
    policy, _ = _policy()
    _timeout(policy, _SWITCH, 0)

    assert policy.lane(_SWITCH) is Lane.SWITCH
    assert policy.lane(_CALLS) is Lane.TENANT


@pytest.mark.parametrize("reason", [None, *Reason])
def test_an_http_answer_clears_the_suspicion(reason: Reason | None) -> None:
    """Any answer shows that it does not hang; that no connection came about shows nothing."""
    policy, _ = _policy()
    _timeout(policy, _CALLS, 0)

    _record(policy, _BALANCE, reason, 10)

    suspected = reason in {Reason.TIMEOUT, Reason.CONNECT, Reason.TLS}
    assert (policy.lane(_CALLS) is Lane.SUSPECT) is suspected


def test_back_off_is_of_the_target() -> None:
    """A query that is refused is asked less often; the tenant's other queries go on."""
    policy, _ = _policy()
    for started in (0, 60):
        _record(policy, _CALLS, Reason.AUTH, started)

    assert policy.skip_reason(_CALLS, 120) is SkipReason.BACKOFF
    assert policy.skip_reason(_BALANCE, 120) is None
    assert policy.skip_reason(_CALLS, 180) is None


def test_a_success_ends_the_back_off() -> None:
    """From the next turn on it is asked as always."""
    policy, _ = _policy()
    for started in (0, 60):
        _timeout(policy, _CALLS, started)
    _record(policy, _CALLS, None, 61)

    assert policy.skip_reason(_CALLS, 62) is None


def test_a_silent_switch_is_asked_nothing_but_probes() -> None:
    """Neither in a sweep, nor where a slot had been waited for while it fell silent."""
    policy, _ = _policy()
    assert policy.admit(policy.key_health(_CALLS), 0) is None
    for target in (_CALLS, _BALANCE, _SWITCH, _CALLS, _BALANCE):
        _timeout(policy, target, 0)

    assert policy.breaker.is_open
    assert policy.skip_reason(_SWITCH, 3600) is SkipReason.BREAKER
    assert policy.admit(policy.key_health(_SWITCH), 3600) is SkipReason.BREAKER


def test_the_probe_is_what_was_answered_fastest() -> None:
    """By how long the answer took, whenever it came."""
    policy, _ = _policy()
    for target, started, ended in ((_CALLS, 0.0, 5.0), (_SWITCH, 100.0, 101.0), (_BALANCE, 200.0, 203.0)):
        policy.record_outcome(
            target,
            None,
            health=policy.key_health(target),
            started=started,
            ended=ended,
            interval=60,
            other_targets_exist=True,
        )

    assert policy.breaker.probe_target == _SWITCH


def test_how_many_are_asked_more_slowly() -> None:
    """Each target counts that has failed, until it succeeds."""
    policy, _ = _policy()
    for target in (_CALLS, _BALANCE):
        _timeout(policy, target, 0)
    assert policy.backoff_count == 2

    _record(policy, _CALLS, None, 60)
    assert policy.backoff_count == 1


def test_only_rare_queries_are_retried() -> None:
    """One that failed and is asked once an hour has its turn after a minute; the others have their sweeps."""
    policy, _ = _policy()
    _timeout(policy, _CALLS, 0)
    policy.record_outcome(
        _BALANCE,
        _failure(Reason.DECODE),
        health=policy.key_health(_BALANCE),
        started=0,
        ended=1,
        interval=3600,
        other_targets_exist=True,
    )

    assert policy.due_retries(59) == []
    assert policy.due_retries(60) == [_BALANCE]


def test_a_refused_key_is_only_tried_now_and_then() -> None:
    """Whatever is asked with it waits for its turn, also what waits for a slot already."""
    policy, _ = _policy()
    for target in (_CALLS, _BALANCE, _SWITCH):
        assert policy.refused_keys == []
        _record(policy, target, Reason.AUTH, 0)

    assert policy.refused_keys == [""]
    other = Target(Query.PEERS, Scope.SWITCH)
    assert [policy.skip_reason(other, now) for now in (5, 6)] == [SkipReason.BACKOFF, None]
    assert [policy.admit(policy.key_health(other), now) for now in (5, 6, 7)] == [
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
    limiter = Limiter(4, 1e6, lambda: 0.0, shared=True)
    policy = RequestPolicy("pbx", limiter, lambda target: own if target.tenant == "ACME" else admin)
    hanging = Target(Query.CALLS, Scope.TENANT, "OTHER")
    for started in (0, 60):
        _record(policy, _SWITCH, Reason.AUTH, started)
        _record(policy, _CALLS, Reason.AUTH, started)
        _timeout(policy, hanging, started)
    paused = (_SWITCH, _CALLS, hanging)
    assert [policy.skip_reason(target, 120) for target in paused] == [SkipReason.BACKOFF] * 3

    file.write_text("another")
    admin.key.reload()

    assert [policy.skip_reason(target, 120) for target in paused] == [
        None,
        SkipReason.BACKOFF,
        SkipReason.BACKOFF,
    ]


async def test_a_suspect_is_not_waited_for() -> None:
    """Where the slots of suspects are taken, a sweep passes over the next suspect."""
    policy, limiter = _policy()
    _timeout(policy, _CALLS, 0)
    assert policy.skip_reason(_CALLS, 60) is None

    async with asyncio.timeout(1):
        await limiter.acquire(Lane.SUSPECT)

    assert policy.skip_reason(_CALLS, 60) is SkipReason.BACKOFF
    assert policy.skip_reason(Target(Query.CALLS, Scope.TENANT, "OTHER"), 60) is None
    limiter.release(Lane.SUSPECT)
    assert policy.skip_reason(_CALLS, 60) is None


def test_a_tenant_that_left_is_forgotten() -> None:
    """When it comes back, it begins anew; nothing of the others is forgotten."""
    policy, _ = _policy()
    other = Target(Query.CALLS, Scope.TENANT, "OTHER")
    for target in (_CALLS, other):
        for started in (0, 60):
            _timeout(policy, target, started)

    policy.drop_tenants({"ACME"})

    assert policy.skip_reason(_CALLS, 61) is None
    assert policy.lane(_CALLS) is Lane.TENANT
    assert policy.skip_reason(other, 61) is SkipReason.BACKOFF
    assert policy.lane(other) is Lane.SUSPECT


def _two_keys(admin: Path) -> tuple[RequestPolicy, dict[str, KeyHolder]]:
    """Return a policy where ACME has a key of its own, and all others are asked with that in a file."""
    holders = {
        "": KeyHolder("", Key.from_file(admin)),
        "ACME": KeyHolder("ACME", Key("own", "literal")),
    }
    limiter = Limiter(4, 1e6, lambda: 0.0, shared=True)
    return RequestPolicy(
        "pbx", limiter, lambda target: holders[target.tenant if target.tenant in holders else ""]
    ), holders


def test_an_answer_is_credited_to_the_key_it_was_sent_with(tmp_path: Path) -> None:
    """A key that is rotated in flight earns nothing, and suffers nothing, by what the old one met."""
    file = tmp_path / "key"
    file.write_text("secret")
    policy, holders = _two_keys(file)
    old = policy.key_health(_SWITCH)
    file.write_text("another")
    holders[""].key.reload()
    new = policy.key_health(_SWITCH)
    peers, license_ = Target(Query.PEERS, Scope.SWITCH), Target(Query.LICENSE, Scope.SWITCH)

    for outcome in (None, _failure(Reason.AUTH), _failure(Reason.AUTH)):
        for target in (_SWITCH, peers, license_):
            policy.record_outcome(
                target, outcome, health=old, started=0, ended=1, interval=60, other_targets_exist=True
            )

    assert old.has_counted_calls
    assert old.is_refused
    assert not new.has_counted_calls
    assert not new.is_refused
    assert policy.refused_keys == []
    assert policy.backoff_count == 0


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
    policy, _ = _two_keys(file)
    health = policy.key_health(target)
    policy.record_outcome(
        target, outcome, health=health, started=0, ended=1, interval=60, other_targets_exist=True
    )

    assert health.has_counted_calls is counts
    other = _CALLS if target.scope is Scope.SWITCH else _SWITCH
    assert not policy.key_health(other).has_counted_calls


def test_a_reload_that_removes_a_key_leaves_nothing_of_it(tmp_path: Path) -> None:
    """Neither its refusals nor what they held back; and the other keys can be rotated as before."""
    file = tmp_path / "key"
    file.write_text("secret")
    policy, holders = _two_keys(file)
    for target in (_SWITCH, Target(Query.PEERS, Scope.SWITCH), Target(Query.LICENSE, Scope.SWITCH)):
        for started in (0, 60):
            _record(policy, target, Reason.AUTH, started)
    for started in (0, 60):
        _timeout(policy, _CALLS, started)
        _record(policy, _BALANCE, Reason.AUTH, started)
    assert policy.refused_keys == [""]
    assert policy.backoff_count == 5

    del holders[""]
    holders["ACME"] = KeyHolder("ACME", Key("own", "literal"))
    policy.reconfigure(lambda target: target.tenant == "ACME", _JOBS, {"ACME": holders["ACME"].key})

    assert policy.refused_keys == []
    assert policy.backoff_count == 2
    assert policy.skip_reason(_CALLS, 120) is SkipReason.BACKOFF
    holders["ACME"] = KeyHolder("ACME", Key("new", "literal"))
    assert policy.key_health(_CALLS).key == "new"
    assert policy.backoff_count == 1


def test_a_reload_that_gives_a_tenant_its_own_key_ends_the_pauses_of_the_other_key(tmp_path: Path) -> None:
    """What the admin key was refused for may be allowed to the tenant's own; that it hangs stays true."""
    file = tmp_path / "key"
    file.write_text("secret")
    policy, holders = _two_keys(file)
    own = holders.pop("ACME")
    for started in (0, 60):
        _record(policy, _BALANCE, Reason.AUTH, started)
        _timeout(policy, _CALLS, started)

    holders["ACME"] = own
    policy.reconfigure(lambda _: True, _JOBS, {owner: holder.key for owner, holder in holders.items()})

    assert policy.skip_reason(_BALANCE, 61) is None
    assert policy.skip_reason(_CALLS, 61) is SkipReason.BACKOFF


def test_a_reload_with_the_same_keys_forgets_nothing(tmp_path: Path) -> None:
    """A refused key is not tried at full pace because of a reload; one that was corrected is, at once."""
    file = tmp_path / "key"
    file.write_text("secret")
    policy, holders = _two_keys(file)
    for target in (_SWITCH, Target(Query.PEERS, Scope.SWITCH), Target(Query.LICENSE, Scope.SWITCH)):
        _record(policy, target, Reason.AUTH, 0)
    keys = {owner: holder.key for owner, holder in holders.items()}

    policy.reconfigure(lambda _: True, _JOBS, keys)
    assert policy.refused_keys == [""]
    policy.reconfigure(lambda _: True, _JOBS, {**keys, "": Key("corrected", "literal")})
    assert policy.refused_keys == []


def test_a_query_that_is_switched_off_is_forgotten() -> None:
    """Neither does it count as held back, nor is the switch probed with it."""
    policy, _ = _policy()
    for target in (_CALLS, _BALANCE):
        _timeout(policy, target, 0)
    _record(policy, _SWITCH, None, 0)

    policy.reconfigure(lambda target: target == _CALLS, [_CALLS[:2]], {"": Key("secret", "literal")})

    assert policy.backoff_count == 1
    assert policy.breaker.probe_target is None


def test_a_switch_that_asks_to_wait_is_asked_nothing() -> None:
    """No sweep, no request that waited for its slot, no retry and no probe goes before the time is over."""
    policy, _ = _policy()
    for target in (_SWITCH, Target(Query.PEERS, Scope.SWITCH), Target(Query.LICENSE, Scope.SWITCH)):
        policy.record_outcome(
            target,
            Failure(Reason.HTTP, "", 503, 120),
            health=policy.key_health(target),
            started=0,
            ended=1,
            interval=3600 if target is _SWITCH else 60,
            other_targets_exist=True,
        )

    for now, reason in ((1, SkipReason.BACKOFF), (120, SkipReason.BACKOFF), (121, None)):
        assert policy.skip_reason(_CALLS, now) is reason
        assert policy.admit(policy.key_health(_CALLS), now) is reason
        assert policy.due_retries(now) == ([] if reason else [_SWITCH])
    for target in (_CALLS, _BALANCE, _SWITCH, _CALLS, _BALANCE):
        _timeout(policy, target, 5)
    assert policy.breaker.is_open
    assert not policy.take_probe(120, 30)
    assert policy.take_probe(121, 30)


def test_another_switch_begins_anew() -> None:
    """What the one that was there before did counts no more."""
    policy, _ = _policy()
    for target in (_CALLS, _BALANCE, _SWITCH, _CALLS, _BALANCE):
        _timeout(policy, target, 0)

    policy.reset()

    assert policy.skip_reason(_CALLS, 0) is None
    assert policy.lane(_CALLS) is Lane.TENANT
    assert policy.backoff_count == 0


def test_what_a_silent_switch_was_not_asked_is_made_good_when_it_answers() -> None:
    """Only of a rare query, for the others have their next sweep soon; and only where it was the reason."""
    policy, _ = _policy()
    license_ = Target(Query.LICENSE, Scope.SWITCH)
    policy.record_skip(license_, 0, 3600)
    assert policy.backoff_count == 0
    for target in (_CALLS, _BALANCE, _SWITCH, _CALLS, _BALANCE):
        _timeout(policy, target, 0)
    backoff_count = policy.backoff_count

    policy.record_skip(license_, 10, 3600)
    policy.record_skip(Target(Query.PEERS, Scope.SWITCH), 10, 300)
    assert policy.backoff_count == backoff_count + 1
    assert policy.due_retries(10) == []

    _record(policy, _SWITCH, None, 20)
    assert policy.due_retries(21) == [license_]
