from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.alerting.windows import Attempts, LastOverTime, RangeVector, rounded
from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.store import Store


def test_a_value_that_went_counts_for_its_window() -> None:
    """With the value it had, and to the last second of the window, which begins when it was seen."""
    held: LastOverTime[str, float] = LastOverTime(300)
    held.update({"a": 1.0, "b": 2.0}, 0)
    held.update({"b": 3.0}, 60)

    assert held.known == {"b": 3.0, "a": 1.0}
    held.update({"b": 3.0}, 300)
    assert held.known["a"] == 1.0
    held.update({"b": 3.0}, 301)
    assert held.known == {"b": 3.0}


def test_a_value_that_is_back_is_the_new_one() -> None:
    """What was held is forgotten as soon as there is a newer value, and is held anew when that goes."""
    held: LastOverTime[str, float] = LastOverTime(300)
    held.update({"a": 1.0}, 0)
    held.update({}, 60)
    held.update({"a": 5.0}, 120)
    held.update({}, 180)

    assert held.known["a"] == 5.0
    assert list(held.gone()) == [("a", 5.0, 120)]


def test_what_is_taken_back_is_gone_until_it_is_seen_again() -> None:
    """After a restart a value counts for what is left of its window."""
    held: LastOverTime[str, float] = LastOverTime(300)
    held.restore("a", 1.0, 100)
    held.update({}, 400)
    assert "a" in held.known
    held.update({}, 401)
    assert "a" not in held.known


MINUTE = 60.0


def average(values: list[float], limit: float) -> dict[str, float]:
    """Return what is above a limit after these values, one a minute."""
    history = RangeVector(5 * MINUTE)
    for minute, value in enumerate(values):
        history.update({"node": value}, minute * MINUTE)
    return dict(history.averages_above(limit))


@pytest.mark.parametrize(
    ("values", "limit"),
    [
        # Channels of 20, 30 and 40: the exact sum of these floats is above the limit.
        ([11 / 20, 22 / 20, 11 / 20, 16 / 20, 20 / 20, 16 / 20], 0.8),
        ([25 / 30, 25 / 30, 31 / 30, 31 / 30, 17 / 30, 15 / 30], 0.8),
        ([38 / 40, 46 / 40, 37 / 40, 45 / 40, 39 / 40, 23 / 40], 0.95),
        ([0.80000001, 0.79999999] * 3, 0.8),
    ],
)
def test_an_average_on_the_limit_is_not_above_it(values: list[float], limit: float) -> None:
    """The last digit of a sum decides nothing."""
    assert average(values, limit) == {}


def test_an_average_above_the_limit_is_found() -> None:
    """A channel more than 80 % of a thousand is more than 80 %."""
    assert average([0.801] * 6, 0.8) == {"node": 0.801}


def test_the_average_is_of_the_window() -> None:
    """Five minutes are six values: both ends count, as in ``[5m1s]``."""
    assert average([1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0], 0.8) == {"node": 0.833333}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.8000000000000002, 0.8), (0.0000005, 0.000001), (-0.0000015, -0.000001), (1e308, 1e308), (0.0, 0.0)],
)
def test_rounding(value: float, expected: float) -> None:
    """Six digits, a half upwards, and what is too large for it is left alone."""
    assert rounded(value) == expected


@given(st.lists(st.floats(0, 2), min_size=2, max_size=20))
def test_rounding_keeps_the_order(values: list[float]) -> None:
    """It never moves a value by more than half of the last digit, nor past another one."""
    assert all(abs(rounded(value) - value) <= 0.0000005000001 for value in values)
    assert all(rounded(one) <= rounded(other) for one, other in pairwise(sorted(values)))


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
