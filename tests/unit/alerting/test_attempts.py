from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.alerting.windows import Attempts
from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.store import Store

_CALLS = Target(Query.CALLS, Scope.TENANT, "ACME")
_BALANCE = Target(Query.BALANCE, Scope.TENANT, "ACME")
_PACES = {target[:2]: 100.0 for target in (_CALLS, _BALANCE)}


class _Site:
    """A store, and what is remembered of its attempts. ``now`` is the moment; both clocks are one."""

    def __init__(self) -> None:
        self.store = Store("pbx", stale_after=3, max_series=1000)
        self.attempts = Attempts()
        self.now = 0.0

    def attempt(self, target: Target, reason: Reason | None = None) -> None:
        """Let an attempt end."""
        self.store.record(target, Failure(reason, "") if reason else None, now=self.now, wall=self.now)

    def look(self, now: float) -> None:
        """Evaluate."""
        self.now = now
        self.attempts.update(self.store.attempts, now)

    @property
    def failures(self) -> set[tuple[Target, Reason]]:
        """What fails, each once."""
        found = list(self.attempts.failures())
        assert len(found) == len(set(found))
        return set(found)

    def stale(self, patience: float = 3) -> set[Target]:
        """Return what is too old."""
        return set(self.attempts.stale(_PACES, self.now, patience))


@pytest.fixture
def site() -> _Site:
    """Return a store of which nothing is known."""
    return _Site()


def test_a_failure_is_one_until_the_next_success(site: _Site) -> None:
    """With each reason that was seen within five minutes."""
    site.attempt(_BALANCE, Reason.AUTH)
    site.look(0)
    site.attempt(_BALANCE, Reason.HTTP)
    site.look(60)
    assert site.failures == {(_BALANCE, Reason.AUTH), (_BALANCE, Reason.HTTP)}
    site.look(300)
    assert (_BALANCE, Reason.AUTH) in site.failures
    site.look(301)
    assert site.failures == {(_BALANCE, Reason.HTTP)}
    site.attempt(_BALANCE, Reason.AUTH)
    site.look(360)
    site.attempt(_BALANCE, Reason.HTTP)
    site.look(420)
    assert site.failures == {(_BALANCE, Reason.AUTH), (_BALANCE, Reason.HTTP)}

    site.attempt(_BALANCE)
    site.look(480)
    assert site.failures == set()


def test_an_idle_tenant_does_not_fail(site: _Site) -> None:
    """An empty count of calls is what an idle tenant answers; of anything else it is a failure."""
    site.attempt(_CALLS, Reason.EMPTY)
    site.attempt(_BALANCE, Reason.EMPTY)
    site.look(0)

    assert site.failures == {(_BALANCE, Reason.EMPTY)}


def test_a_success_gets_old(site: _Site) -> None:
    """After three paces, to the second, however lately it failed; and what never succeeded is."""
    site.attempt(_CALLS)
    site.attempt(_BALANCE, Reason.HTTP)
    site.look(0)
    assert site.stale() == {_BALANCE}
    site.attempt(_CALLS, Reason.HTTP)
    site.look(300)
    assert site.stale() == {_BALANCE}
    site.look(300.5)
    assert site.stale() == {_CALLS, _BALANCE}


def test_moments_are_told_by_the_newest_look(site: _Site) -> None:
    """The times of a store are its monotonic clock's: a look says what moments they are."""
    site.attempt(_CALLS)
    site.attempts.offset, site.attempts.speed = 1000.0, 2.0
    site.attempts.update(site.store.attempts, 1300.0)
    site.now = 1300.0
    assert site.attempts.moment(10.0) == 1020.0
    assert site.stale() == set()
    site.now = 1300.5
    assert site.stale() == {_CALLS}
    site.store.drop([_CALLS])
    site.attempts.update(site.store.attempts, 1360.0)
    assert site.stale(patience=3.005) == set()
    assert site.stale() == {_CALLS}


def test_what_went_counts_for_five_minutes(site: _Site) -> None:
    """As tried, as failing and with its last success; if it is back before, as what it is then."""
    site.attempt(_CALLS)
    site.look(0)
    site.attempt(_CALLS, Reason.HTTP)
    site.look(60)
    site.store.drop([_CALLS])
    site.look(120)
    assert site.attempts.is_tried(_CALLS)
    assert site.failures == {(_CALLS, Reason.HTTP)}
    assert site.stale(patience=1) == {_CALLS}
    assert site.stale() == set()
    site.look(361)
    assert not site.attempts.is_tried(_CALLS)
    assert (site.failures, site.stale(patience=1)) == (set(), set())

    site.attempt(_CALLS)
    site.look(420)
    assert site.attempts.is_tried(_CALLS)


def test_what_is_taken_back_is_gone_until_it_is_seen(site: _Site) -> None:
    """After a restart an attempt counts for what is left of its five minutes."""
    site.attempts.restore(_BALANCE, 50.0, Reason.HTTP, 100.0)
    site.attempts.restore(_CALLS, None, Reason.EMPTY, 100.0)
    site.look(400)
    assert site.failures == {(_BALANCE, Reason.HTTP)}
    assert site.attempts.is_tried(_CALLS)
    assert site.stale() == {_BALANCE}
    site.look(401)
    assert not site.attempts.is_tried(_CALLS)
    assert site.stale() == set()


class _Differences(RuleBasedStateMachine):
    """Whatever happens between two looks, what is known of the present is what the store says."""

    def __init__(self) -> None:
        super().__init__()
        self.site = _Site()

    @rule(
        query=st.sampled_from([Query.CALLS, Query.BALANCE]),
        tenant=st.sampled_from("ABC"),
        reason=st.sampled_from([None, Reason.EMPTY, Reason.HTTP]),
    )
    def attempt(self, query: Query, tenant: str, reason: Reason | None) -> None:
        self.site.attempt(Target(query, Scope.TENANT, tenant), reason)

    @rule(tenant=st.sampled_from("ABC"))
    def leave(self, tenant: str) -> None:
        self.site.store.drop_tenants({tenant})

    @rule()
    def restart(self) -> None:
        self.site.store = Store("pbx", stale_after=3, max_series=1000)

    @rule()
    def nobody_looks(self) -> None:
        self.site.attempts.update({}, self.site.now)

    @invariant()
    def a_look_finds_all_of_it(self) -> None:
        attempts = self.site.store.attempts
        self.site.look(self.site.now + 60)
        assert self.site.attempts.present == attempts
        assert set(self.site.attempts.failing.items()) == set(_failing(self.site.store))
        assert not self.site.attempts.gone.keys() & attempts.keys()
        assert all(
            attempts[target].succeeded_at is None for target in attempts.keys() & self.site.attempts.earlier
        )


def _failing(store: Store) -> Iterator[tuple[Target, Reason]]:
    for target, attempt in store.attempts.items():
        if attempt.failure and (target.query, attempt.failure.reason) != (Query.CALLS, Reason.EMPTY):
            yield target, attempt.failure.reason


TestDifferences = _Differences.TestCase
TestDifferences.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
