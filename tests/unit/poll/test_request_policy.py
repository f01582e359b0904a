import asyncio
from pathlib import Path

import pytest
import structlog

from exporter.config import Key
from exporter.model import Failure, Query, Reason, Scope, SkipReason, Target
from exporter.poll.dispatcher import Lane, Limiter
from exporter.poll.planner import KeyHolder
from exporter.poll.request_policy import RequestPolicy

_CALLS = Target(Query.CALLS, Scope.TENANT, "ACME")
_BALANCE = Target(Query.BALANCE, Scope.TENANT, "ACME")
_OTHER = Target(Query.CALLS, Scope.TENANT, "OTHER")
_SWITCH = Target(Query.CALLS, Scope.SWITCH)
_PEERS = Target(Query.PEERS, Scope.SWITCH)
_CALL_RECORDS = Target(Query.CALL_RECORDS, Scope.SWITCH)
_LICENSE = Target(Query.LICENSE, Scope.SWITCH)
_JOBS = [(query, scope) for query in Query for scope in Scope]
_REFUSED = Failure(Reason.AUTH, "")
_TIMEOUT = Failure(Reason.TIMEOUT, "")
_BACKOFF = SkipReason.BACKOFF


class _Polled:
    """A policy for tenants with the admin key, which is in a file, and ACME with a key of its own."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.file.write_text("secret")
        self.holders = {
            "": KeyHolder("", Key.from_file(file)),
            "ACME": KeyHolder("ACME", Key("own", "literal")),
        }
        self.limiter = Limiter(4, 1e6, lambda: 0.0, shared=True)
        self.policy = RequestPolicy("pbx", self.limiter, self.key_of)

    def key_of(self, target: Target) -> KeyHolder:
        return self.holders.get(target.tenant) or self.holders[""]

    def rotate_admin_key(self) -> None:
        self.file.write_text("another")
        self.holders[""].key.reload()

    def record(
        self,
        outcome: Failure | None,
        *targets: Target,
        at: float = 0,
        times: int = 1,
        interval: float = 60,
        seconds: float = 1,
    ) -> None:
        """Record attempts of each target, one in each minute, that take so many seconds."""
        for target in targets:
            for number in range(times):
                self.policy.record_outcome(
                    target,
                    outcome,
                    health=self.policy.key_health(target),
                    started=at + 60 * number,
                    ended=at + 60 * number + seconds,
                    interval=interval,
                    other_targets_exist=True,
                )

    def open_breaker(self) -> None:
        self.record(_TIMEOUT, _CALLS, _BALANCE, _SWITCH, _CALLS, _BALANCE)
        assert self.policy.breaker.is_open

    def reload(self, **keys: Key) -> None:
        """Reload with all targets and these keys in addition to the current ones."""
        current = {owner: holder.key for owner, holder in self.holders.items()}
        self.policy.reconfigure(lambda _: True, _JOBS, {**current, **keys})


@pytest.fixture
def polled(tmp_path: Path) -> _Polled:
    """Return a policy without any records."""
    return _Polled(tmp_path / "key")


@pytest.fixture
def policy(polled: _Polled) -> RequestPolicy:
    """Return the same policy alone."""
    return polled.policy


def test_timeout_makes_a_tenant_a_suspect(polled: _Polled) -> None:
    """With all its queries. The switch as a whole keeps its slots, however often it times out."""
    polled.record(_TIMEOUT, _CALLS, _SWITCH)

    assert polled.policy.lane(_CALLS) is polled.policy.lane(_BALANCE) is Lane.SUSPECT
    assert polled.policy.lane(_OTHER) is Lane.TENANT
    assert polled.policy.lane(_SWITCH) is Lane.SWITCH


@pytest.mark.parametrize("reason", [None, *Reason])
def test_response_clears_the_suspicion(reason: Reason | None, polled: _Polled) -> None:
    """Any HTTP response shows that the tenant does not hang; a transport failure shows nothing."""
    polled.record(_TIMEOUT, _CALLS)

    polled.record(Failure(reason, "") if reason else None, _BALANCE, at=10)

    is_suspect = reason in {Reason.TIMEOUT, Reason.CONNECT, Reason.TLS}
    assert (polled.policy.lane(_CALLS) is Lane.SUSPECT) is is_suspect


def test_backoff_is_per_target(polled: _Polled) -> None:
    """A refused query is requested less often, until a success; the tenant's other queries are not."""
    polled.record(_REFUSED, _CALLS, times=2)
    skipped = [polled.policy.skip_reason(_CALLS, now) for now in (120, 180)]
    assert skipped == [_BACKOFF, None]
    assert polled.policy.skip_reason(_BALANCE, 120) is None

    polled.record(None, _CALLS, at=61)
    assert polled.policy.skip_reason(_CALLS, 62) is None


def test_open_breaker_stops_requests(polled: _Polled) -> None:
    """Also those that have waited for a slot."""
    assert polled.policy.admit(polled.policy.key_health(_CALLS), 0) is None
    polled.open_breaker()

    assert polled.policy.skip_reason(_SWITCH, 3600) is SkipReason.BREAKER
    assert polled.policy.admit(polled.policy.key_health(_SWITCH), 3600) is SkipReason.BREAKER


def test_only_long_intervals_have_retries(polled: _Polled) -> None:
    """An hourly query is retried after a minute; others wait for their next sweep."""
    polled.record(_TIMEOUT, _CALLS)
    polled.record(Failure(Reason.DECODE, ""), _BALANCE, interval=3600)

    assert polled.policy.due_retries(59) == []
    assert polled.policy.due_retries(60) == [_BALANCE]


def test_refused_key_has_rare_trials(polled: _Polled) -> None:
    """All its targets wait, also those with a slot."""
    for target in (_OTHER, _PEERS, _SWITCH):
        assert polled.policy.refused_keys == []
        polled.record(_REFUSED, target)
    assert polled.policy.refused_keys == [""]

    assert [polled.policy.skip_reason(_LICENSE, now) for now in (5, 6)] == [_BACKOFF, None]
    health = polled.policy.key_health(_LICENSE)
    assert [polled.policy.admit(health, now) for now in (5, 6, 7)] == [_BACKOFF, None, _BACKOFF]


def test_changed_key_ends_its_backoffs(polled: _Polled) -> None:
    """Those that its refusals caused; not those of another key, nor that of a target that times out."""
    polled.record(_REFUSED, _SWITCH, _CALLS, times=2)
    polled.record(_TIMEOUT, _OTHER, times=2)
    targets = (_SWITCH, _CALLS, _OTHER)
    assert [polled.policy.skip_reason(target, 120) for target in targets] == [_BACKOFF] * 3

    polled.rotate_admin_key()

    assert [polled.policy.skip_reason(target, 120) for target in targets] == [None, _BACKOFF, _BACKOFF]


async def test_sweep_skips_suspects_without_a_free_slot(polled: _Polled) -> None:
    """A sweep does not wait for the slots of suspects."""
    polled.record(_TIMEOUT, _CALLS)
    assert polled.policy.skip_reason(_CALLS, 60) is None

    async with asyncio.timeout(1):
        await polled.limiter.acquire(Lane.SUSPECT)

    assert polled.policy.skip_reason(_CALLS, 60) is _BACKOFF
    assert polled.policy.skip_reason(_OTHER, 60) is None
    polled.limiter.release(Lane.SUSPECT)
    assert polled.policy.skip_reason(_CALLS, 60) is None


def test_removed_tenant_leaves_no_record(polled: _Polled) -> None:
    """The records of the others stay."""
    polled.record(_TIMEOUT, _CALLS, _OTHER, times=2)

    polled.policy.drop_tenants({"ACME"})

    assert polled.policy.skip_reason(_CALLS, 61) is None
    assert polled.policy.lane(_CALLS) is Lane.TENANT
    assert polled.policy.skip_reason(_OTHER, 61) is _BACKOFF
    assert polled.policy.lane(_OTHER) is Lane.SUSPECT


def test_outcome_counts_for_the_key_that_was_sent(polled: _Polled) -> None:
    """After a rotation, late responses to the old key change nothing for the new one."""
    old = polled.policy.key_health(_SWITCH)
    polled.rotate_admin_key()
    new = polled.policy.key_health(_SWITCH)

    for outcome in (None, _REFUSED, _REFUSED):
        for target in (_SWITCH, _PEERS, _LICENSE):
            polled.policy.record_outcome(
                target, outcome, health=old, started=0, ended=1, interval=60, other_targets_exist=True
            )

    assert (old.answered, old.is_refused) == ({Query.CALLS}, True)
    assert (new.answered, new.is_refused) == (set(), False)
    assert polled.policy.refused_keys == []
    assert polled.policy.backoff_count == 0


@pytest.mark.parametrize(
    ("target", "outcome", "answered"),
    [
        (_SWITCH, None, {Query.CALLS}),
        (_CALLS, None, {Query.CALLS}),
        (_CALL_RECORDS, None, {Query.CALL_RECORDS}),
        (_SWITCH, Failure(Reason.EMPTY, ""), set()),
        (_PEERS, None, set()),
    ],
)
def test_each_key_must_have_returned_a_value(
    target: Target, outcome: Failure | None, polled: _Polled, answered: set[Query]
) -> None:
    """Only a value of the same query for this very key shows that an empty response means none."""
    polled.record(outcome, target)

    assert polled.policy.key_health(target).answered == answered
    other = _CALLS if target.scope is Scope.SWITCH else _SWITCH
    assert not polled.policy.key_health(other).answered


@pytest.mark.parametrize("has_answered", [False, True])
def test_idle_query_is_not_retried(polled: _Polled, *, has_answered: bool) -> None:
    """At a long interval, an empty response is retried soon only before the first value."""
    if has_answered:
        polled.record(None, _CALL_RECORDS, interval=600)
    polled.record(Failure(Reason.EMPTY, ""), _CALL_RECORDS, interval=600)

    assert polled.policy.backoff_count == (0 if has_answered else 1)


def test_reload_without_a_key_drops_its_records(polled: _Polled) -> None:
    """Its refusals and their backoffs; and the other keys can still be rotated."""
    polled.record(_REFUSED, _SWITCH, _PEERS, _LICENSE, times=2)
    polled.record(_TIMEOUT, _CALLS, times=2)
    polled.record(_REFUSED, _BALANCE, times=2)
    assert polled.policy.refused_keys == [""]
    assert polled.policy.backoff_count == 5

    del polled.holders[""]
    own = polled.holders["ACME"].key
    polled.policy.reconfigure(lambda target: target.tenant == "ACME", _JOBS, {"ACME": own})

    assert polled.policy.refused_keys == []
    assert polled.policy.backoff_count == 2
    assert polled.policy.skip_reason(_CALLS, 120) is _BACKOFF
    polled.holders["ACME"] = KeyHolder("ACME", Key("new", "literal"))
    assert polled.policy.key_health(_CALLS).key == "new"
    assert polled.policy.backoff_count == 1


def test_reload_with_a_tenant_key_ends_backoffs_of_the_admin_key(polled: _Polled) -> None:
    """The tenant's key may have more permissions; a timeout is independent of the key."""
    own = polled.holders.pop("ACME")
    polled.record(_REFUSED, _BALANCE, times=2)
    polled.record(_TIMEOUT, _CALLS, times=2)

    polled.holders["ACME"] = own
    polled.reload()

    assert polled.policy.skip_reason(_BALANCE, 61) is None
    assert polled.policy.skip_reason(_CALLS, 61) is _BACKOFF


def test_reload_keeps_the_records_of_the_same_keys(polled: _Polled) -> None:
    """A refused key stays refused; a corrected one is tried at once."""
    polled.record(_REFUSED, _SWITCH, _PEERS, _LICENSE)

    polled.reload()
    assert polled.policy.refused_keys == [""]
    polled.reload(**{"": Key("corrected", "literal")})
    assert polled.policy.refused_keys == []


def test_reload_drops_disabled_queries(polled: _Polled) -> None:
    """They do not count as backing off, and are no probe."""
    polled.record(_TIMEOUT, _CALLS, _BALANCE)
    polled.record(None, _SWITCH)

    polled.policy.reconfigure(lambda target: target == _CALLS, [_CALLS[:2]], {"": polled.holders[""].key})

    assert polled.policy.backoff_count == 1
    assert polled.policy.breaker.probe_target is None


def test_the_probe_is_the_fastest_target(polled: _Polled) -> None:
    """By how long its latest success took, not by when that was."""
    polled.record(None, _CALLS, seconds=2)
    polled.record(None, _BALANCE, at=60)

    assert polled.policy.breaker.probe_target == _BALANCE


def test_retry_after_of_three_targets_pauses_everything(polled: _Polled) -> None:
    """Sweeps, requests with a slot, retries and probes wait until the pause is over."""
    policy = polled.policy
    overloaded = Failure(Reason.HTTP, "", 503, 120)
    polled.record(overloaded, _SWITCH, interval=3600)
    polled.record(overloaded, _PEERS, _LICENSE)

    for now, reason in ((1, _BACKOFF), (120, _BACKOFF), (121, None)):
        assert policy.skip_reason(_CALLS, now) is reason
        assert policy.admit(policy.key_health(_CALLS), now) is reason
        assert policy.due_retries(now) == ([] if reason else [_SWITCH])
    polled.open_breaker()
    assert not policy.take_probe(120, 30)
    assert policy.take_probe(121, 30)


def test_reset_drops_everything(polled: _Polled) -> None:
    """Records of another switch do not count."""
    polled.open_breaker()

    polled.policy.reset()

    assert polled.policy.skip_reason(_CALLS, 0) is None
    assert polled.policy.lane(_CALLS) is Lane.TENANT
    assert polled.policy.backoff_count == 0


def test_long_intervals_are_retried_after_an_outage(polled: _Polled) -> None:
    """If the breaker caused the skip. Queries with short intervals wait for their next sweep."""
    policy = polled.policy
    policy.record_skip(_LICENSE, 0, 3600)
    assert policy.backoff_count == 0
    polled.open_breaker()
    backoff_count = policy.backoff_count

    policy.record_skip(_LICENSE, 10, 3600)
    policy.record_skip(_PEERS, 10, 300)
    assert policy.backoff_count == backoff_count + 1
    assert policy.due_retries(10) == []

    polled.record(None, _SWITCH, at=20)
    assert policy.due_retries(21) == [_LICENSE]


def test_retry_after_an_outage_is_the_first_attempt(polled: _Polled) -> None:
    """A skip is not a failure: if the retry fails, the next one is due after a minute."""
    policy = polled.policy
    polled.open_breaker()
    policy.record_skip(_LICENSE, 10, 3600)
    polled.record(None, _SWITCH, at=20)

    polled.record(_TIMEOUT, _LICENSE, at=30, interval=3600)

    assert policy.due_retries(89) == []
    assert policy.due_retries(90) == [_LICENSE]


def test_changes_of_a_key_are_logged_once(polled: _Polled) -> None:
    """An attempt that changes nothing is not logged, nor is one with a replaced key."""
    with structlog.testing.capture_logs() as logs:
        polled.record(None, _OTHER)
        polled.record(_REFUSED, _OTHER, _SWITCH, _PEERS, times=2)
        polled.record(None, _OTHER, times=2)

    assert [entry["event"] for entry in logs] == ["key refused; retrying with backoff", "key accepted again"]


def test_changed_key_ends_backoffs_after_another_tenant_was_removed(polled: _Polled) -> None:
    """Only the removed tenant is forgotten."""
    for _ in range(2):
        polled.record(_REFUSED, _OTHER)
    assert polled.policy.skip_reason(_OTHER, 30) is _BACKOFF

    polled.policy.drop_tenants(["REMOVED"])
    polled.rotate_admin_key()

    assert polled.policy.skip_reason(_OTHER, 30) is None
