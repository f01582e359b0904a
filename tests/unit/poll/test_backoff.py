import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import TRANSPORT_REASONS, Failure, Query, Reason, Scope, Target
from exporter.poll.backoff import LONGEST_PAUSE, Backoff, CircuitBreaker, KeyHealth, SwitchPause, next_backoff

_TARGETS = [Target(query, Scope.SWITCH) for query in Query]
_SLOWED = [Reason.TIMEOUT, Reason.AUTH]
_NOT_SLOWED = [reason for reason in Reason if reason not in _SLOWED]
_REFUSED = Failure(Reason.AUTH, "")


def _requested_sweeps(reason: Reason, interval: float, sweeps: int, jitter: float = 0.0) -> list[int]:
    """Return the sweeps that request a target which fails each time.

    ``jitter``: seconds by which every second sweep starts early.
    """
    backoff = None
    requested = []
    for sweep in range(sweeps):
        now = 1000 + sweep * interval - jitter * (sweep % 2)
        if backoff is None or not backoff.is_active(now):
            requested.append(sweep)
            backoff = next_backoff(backoff, Failure(reason, ""), started=now, interval=interval)
    return requested


def _after(failure: Failure, times: int, *, interval: float, started: float = 0.0) -> Backoff:
    """Return the backoff after so many failures in a row."""
    backoff = None
    for _ in range(times):
        backoff = next_backoff(backoff, failure, started=started, interval=interval)
    assert backoff is not None
    return backoff


@pytest.mark.parametrize("jitter", [0.0, 0.5])
@pytest.mark.parametrize("reason", _SLOWED)
def test_pause_doubles(reason: Reason, jitter: float) -> None:
    """The first failure costs nothing, the second one sweep; then the pause doubles, up to 15 minutes."""
    assert _requested_sweeps(reason, 30, 150, jitter) == [0, 1, 3, 7, 15, 31, 61, 91, 121]
    assert _requested_sweeps(reason, 120, 40, jitter) == [0, 1, 3, 7, 14, 21, 28, 35]
    assert _requested_sweeps(reason, 300, 20, jitter) == [0, 1, 3, 6, 9, 12, 15, 18]


@pytest.mark.parametrize("reason", _SLOWED)
def test_first_failure_costs_nothing(reason: Reason) -> None:
    """It does not even delay a request before the next sweep, as after a reload."""
    assert not _after(Failure(reason, ""), 1, interval=30, started=100).is_active(100)


@pytest.mark.parametrize("reason", _NOT_SLOWED)
def test_failures_that_need_no_backoff(reason: Reason) -> None:
    """A malformed response costs the switch no more than a good one, and ends a backoff."""
    assert next_backoff(None, Failure(reason, ""), started=0, interval=300) is None
    assert next_backoff(Backoff(7, 5000, is_retry=False), Failure(reason, ""), started=0, interval=30) is None


@pytest.mark.parametrize(
    ("status", "is_slowed"),
    [
        *((status, True) for status in (401, 403, 429, 500, 503, 599)),
        *((status, False) for status in (302, 400, 404, 407)),
    ],
)
def test_statuses_that_need_backoff(status: int, *, is_slowed: bool) -> None:
    """Refusals and overload slow a target down; a wrong `url` does not."""
    backoff = next_backoff(None, Failure(Reason.HTTP, "", status), started=0, interval=30)

    assert (backoff is not None) is is_slowed


@pytest.mark.parametrize(("retry_after", "pause"), [(0.0, 0), (120.0, 120), (99999.0, 900)])
@pytest.mark.parametrize("interval", [30, 3600])
def test_retry_after_is_respected(retry_after: float, pause: float, interval: float) -> None:
    """`Retry-After` counts from the first failure on, up to 15 minutes, if it is longer than the backoff."""
    failure = Failure(Reason.HTTP, "", 429, retry_after)

    first = _after(failure, 1, interval=interval, started=100)
    fifth = _after(failure, 5, interval=interval, started=100)

    assert first.retry_at == 100 + max(pause, 60 if interval == 3600 else 0)
    assert fifth.retry_at == 100 + max(pause, 900 if interval == 3600 else 30 * 16 - 15)


@pytest.mark.parametrize("reason", Reason)
def test_long_intervals_have_retries(reason: Reason) -> None:
    """Any failure is retried after 1, 2, 4 and 8 minutes, and then every 15."""
    backoffs = [_after(Failure(reason, ""), times, interval=3600, started=100) for times in range(1, 8)]

    assert all(backoff.is_retry for backoff in backoffs)
    assert [backoff.retry_at - 100 for backoff in backoffs] == [60, 120, 240, 480, 900, 900, 900]


def test_long_means_more_than_five_minutes() -> None:
    """At five minutes the next sweep is soon enough, so there is no retry."""
    assert next_backoff(None, Failure(Reason.DECODE, ""), started=0, interval=300) is None
    assert next_backoff(None, Failure(Reason.DECODE, ""), started=0, interval=301) is not None
    assert not any(_after(_REFUSED, times, interval=300).is_retry for times in range(1, 6))


def test_retry_is_not_later_than_the_next_sweep() -> None:
    """A query with an interval of six minutes is not retried after eight."""
    assert _after(Failure(Reason.HTTP, ""), 9, interval=360).retry_at == 360


@pytest.mark.parametrize(("interval", "pause"), [(60.0, LONGEST_PAUSE - 30), (3600.0, LONGEST_PAUSE)])
def test_thousands_of_failures(interval: float, pause: float) -> None:
    """The power of two does not overflow, and the pause stays at 15 minutes."""
    assert _after(_REFUSED, 3000, interval=interval) == Backoff(3000, pause, is_retry=interval > 300)


def test_backoff_ends_exactly_on_time() -> None:
    """It is not active any more at `retry_at` itself."""
    assert Backoff(2, 100, is_retry=False).is_active(99.9)
    assert not Backoff(2, 100, is_retry=False).is_active(100)


def _overloaded(retry_after: float | None) -> Failure:
    return Failure(Reason.HTTP, "", 429, retry_after)


def _paused(seconds: float, now: float) -> SwitchPause:
    pause = SwitchPause()
    for target in _TARGETS[:3]:
        pause.record(target, _overloaded(seconds), now)
    return pause


def test_no_pause_without_retry_after() -> None:
    """Other failures never pause the switch."""
    pause = SwitchPause()
    for outcome in (_overloaded(None), _overloaded(0), Failure(Reason.TIMEOUT, "")):
        for target in _TARGETS:
            pause.record(target, outcome, 100)
            assert pause.until <= 100


def test_pause_needs_three_targets() -> None:
    """Neither three responses to one target nor those to several with a success between them are enough."""
    pause = SwitchPause()
    for target in (_TARGETS[0], _TARGETS[0], _TARGETS[0], _TARGETS[1]):
        pause.record(target, _overloaded(99999), 100)
    pause.record(_TARGETS[2], None, 100)
    pause.record(_TARGETS[3], _overloaded(99999), 100)

    assert pause.until <= 100


@pytest.mark.parametrize(
    ("outcome", "now", "until"),
    [
        (None, 101, 220),  # a success of a request that was in flight
        (_overloaded(10), 101, 220),  # the longest of several counts
        (_overloaded(60), 221, 281),  # after the pause, one target is enough
    ],
)
def test_outcomes_during_and_after_a_pause(outcome: Failure | None, now: float, until: float) -> None:
    """A pause ends on time, and is neither shortened nor ended early."""
    pause = _paused(120, now=100)

    pause.record(_TARGETS[5], outcome, now)

    assert pause.until == until


def test_pause_has_a_limit() -> None:
    """A switch that asks for a year is requested again after 15 minutes."""
    assert _paused(1e9, now=100).until == 1000


def test_pauses_are_logged_rarely() -> None:
    """A switch that asks for a second every second gives one line in 15 minutes."""
    pause = _paused(1, now=0)
    logged = [
        now for now in range(1, 2000) if pause.record(_TARGETS[now % 5], _overloaded(1), now) is not None
    ]

    assert logged == [900, 1800]


def _refused_key(now: float = 100.0) -> KeyHealth:
    health = KeyHealth("secret")
    for target in _TARGETS[:3]:
        health.record(target, _REFUSED, now=now)
    return health


def _trials(health: KeyHealth, until: float) -> list[float]:
    """Return the times of the trials of a key that is checked every second, from 100 on."""
    times = []
    for now in range(100, int(until)):
        if health.may_send(now):
            health.record_send(now)
            times.append(float(now))
    return times


@pytest.mark.parametrize("refusal", [_REFUSED, *(Failure(Reason.HTTP, "", status) for status in (401, 403))])
def test_key_is_refused_after_three_targets(refusal: Failure) -> None:
    """By the known sentence, or by the status of a proxy; the change is reported once."""
    health = KeyHealth("secret")

    changes = [health.record(target, refusal, now=0) for target in _TARGETS[:4]]

    assert changes == [False, False, True, False]
    assert health.is_refused


def test_two_refused_targets_do_not_refuse_the_key() -> None:
    """The same sentence is the response to an operation that the key may not use."""
    health = KeyHealth("secret")

    assert not any(health.record(_TARGETS[n % 2], _REFUSED, now=0) for n in range(50))
    assert health.may_send(0)


def test_success_resets_the_refusals() -> None:
    """A key with any success is not refused."""
    health = KeyHealth("secret")
    for target, failure in zip(_TARGETS, (_REFUSED, _REFUSED, None, _REFUSED, _REFUSED), strict=False):
        health.record(target, failure, now=0)

    assert not health.is_refused


@pytest.mark.parametrize(
    "failure",
    [
        *(Failure(reason, "") for reason in Reason if reason is not Reason.AUTH),
        Failure(Reason.HTTP, "", 500),
    ],
)
def test_other_failures_do_not_concern_the_key(failure: Failure) -> None:
    """They neither refuse a key nor accept it again."""
    health = KeyHealth("secret")
    assert not any(health.record(target, failure, now=0) for target in _TARGETS)

    refused = _refused_key()
    assert not refused.record(_TARGETS[0], failure, now=200)
    assert refused.is_refused


def test_trials_of_a_refused_key() -> None:
    """After 5, 10, 20 … s, and in the end every 15 minutes."""
    assert _trials(_refused_key(), 4000) == [105, 115, 135, 175, 255, 415, 735, 1375, 2275, 3175]


def test_only_a_sent_request_is_a_trial() -> None:
    """Asking whether a request may be sent does not delay the next one."""
    health = _refused_key()

    assert all(health.may_send(105) for _ in range(3))
    health.record_send(105)
    assert not health.may_send(114)
    assert health.may_send(115)


def test_thousands_of_trials() -> None:
    """The power of two does not overflow, and the pause stays at 15 minutes."""
    health = _refused_key()
    now = 0.0
    for _ in range(3000):
        now = health.retry_at
        health.record_send(now)

    assert health.retry_at == now + 900


def test_key_is_accepted_again() -> None:
    """One success is enough, the change is reported once, and the next pauses start at 5 s."""
    health = _refused_key()
    _trials(health, 1000)

    assert health.record(_TARGETS[0], None, now=1000)
    assert not health.record(_TARGETS[0], None, now=1000)
    assert not health.is_refused
    for target in _TARGETS[:3]:
        health.record(target, _REFUSED, now=2000)
    assert health.retry_at == 2005


def test_repr_has_no_key() -> None:
    """A record may be part of a traceback."""
    assert "secret" not in repr(KeyHealth("secret"))


_PEERS, _CHANNELS, _CALLS = (
    Target(query, Scope.SWITCH) for query in (Query.PEERS, Query.CHANNELS, Query.CALLS)
)
_OUTCOMES = st.sampled_from([*[*TRANSPORT_REASONS] * 4, None, *Reason])
"""Most are transport failures, so that many histories open the breaker."""


def _record(
    breaker: CircuitBreaker,
    target: Target,
    reason: Reason | None,
    seconds: float = 1.0,
    *,
    other_targets_exist: bool = True,
) -> bool:
    return breaker.record(target, reason, seconds=seconds, other_targets_exist=other_targets_exist)


def _failed(times: int) -> CircuitBreaker:
    breaker = CircuitBreaker()
    for number in range(times):
        _record(breaker, (_PEERS, _CHANNELS)[number % 2], Reason.TIMEOUT)
    return breaker


def test_breaker_needs_two_targets() -> None:
    """One target that fails is not the whole switch, unless there is no other."""
    breaker = CircuitBreaker()
    assert not any(_record(breaker, _PEERS, Reason.TIMEOUT) for _ in range(50))
    assert _record(breaker, _CALLS, Reason.CONNECT)

    alone = CircuitBreaker()
    assert [_record(alone, _PEERS, Reason.TIMEOUT, other_targets_exist=False) for _ in range(5)][-1]


@given(st.lists(st.tuples(st.sampled_from(_TARGETS[:3]), _OUTCOMES), max_size=40))
def test_breaker_for_any_history(history: list[tuple[Target, Reason | None]]) -> None:
    """It is open exactly if five or more failures of two or more targets followed the last response."""
    breaker = CircuitBreaker()
    failed: list[Target] = []
    for target, reason in history:
        was_open = breaker.is_open
        failed = [*failed, target] if reason in TRANSPORT_REASONS else []
        changed = _record(breaker, target, reason)

        assert breaker.is_open is (len(failed) >= 5 and len(set(failed)) >= 2)
        assert changed is (breaker.is_open is not was_open)


def test_one_probe_per_interval() -> None:
    """The first one at once, the next after the shortest interval."""
    breaker = _failed(5)

    taken = [now for now in (100, 101, 129.9, 130, 159, 160) if breaker.take_probe(now, 30)]

    assert taken == [100, 130, 160]


def test_probe_is_the_fastest_target() -> None:
    """By its last success. A timeout does not change that, and a target that was refused is no probe."""
    breaker = CircuitBreaker()
    probes = [breaker.probe_target]
    for target, reason, seconds in (
        (_PEERS, None, 23.0),
        (_CALLS, None, 0.2),
        (_CHANNELS, None, 0.1),
        (_CHANNELS, None, 0.3),
        (_CALLS, Reason.TIMEOUT, 60.0),
        (_CALLS, Reason.AUTH, 0.1),
    ):
        _record(breaker, target, reason, seconds)
        probes.append(breaker.probe_target)

    assert probes == [None, _PEERS, _CALLS, _CHANNELS, _CALLS, _CALLS, _CHANNELS]


def test_targets_that_are_not_polled_are_no_probe() -> None:
    """Neither those of removed tenants nor those of disabled queries."""
    breaker = CircuitBreaker()
    _record(breaker, Target(Query.BALANCE, Scope.TENANT, "ACME"), None, 0.1)
    _record(breaker, _CALLS, None, 0.2)
    _record(breaker, _PEERS, None, 0.5)

    breaker.drop_tenants({"ACME"})
    assert breaker.probe_target == _CALLS
    breaker.keep_queries({(Query.PEERS, Scope.SWITCH)})
    assert breaker.probe_target == _PEERS
