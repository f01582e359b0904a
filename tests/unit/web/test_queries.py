from typing import Any

import pytest

from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.poll import Poller
from exporter.web.queries import query_state
from tests.unit.web.conftest import NOW, Pollers

_PEERS = Target(Query.PEERS, Scope.SWITCH)


@pytest.fixture
async def poller(pollers: Pollers) -> Poller:
    """Return a poller of a switch with 150 tenants."""
    return pollers(tenants=[{"code": f"T{number:03}"} for number in range(150)])


def _calls(number: int) -> Target:
    return Target(Query.CALLS, Scope.TENANT, f"T{number:03}")


def _state(poller: Poller, query: Query, scope: Scope) -> dict[str, Any]:
    targets = [target for target in poller.store.attempts if target[:2] == (query, scope)]
    return query_state(poller, query, scope, targets, NOW)


async def test_before_anything_was_asked(poller: Poller) -> None:
    """The intervals are known, and nothing else."""
    assert _state(poller, Query.PEERS, Scope.SWITCH) == {
        "query": "peers",
        "scope": "switch",
        "interval_seconds": 60.0,
        "planned_cycle_seconds": 60.0,
        "cycle_seconds": None,
        "stale_after_seconds": 180.0,
        "freshness": "waiting",
        "targets_tried": 0,
        "targets_failing": 0,
        "failures_by_reason": {},
        "newest_success_age_seconds": None,
        "oldest_success_age_seconds": None,
        "failures": [],
    }


async def test_ages_and_failures(poller: Poller) -> None:
    """How old the newest and the oldest success are, what fails since when, and what came."""
    for number, at in ((0, 900.0), (1, 950.0)):
        poller.store.record(_calls(number), None, now=at, wall=0)
    poller.store.record(_calls(0), Failure(Reason.DECODE, "a number was due"), now=990.5, wall=0)
    poller.answers.keep(_calls(0), Reason.DECODE, "<html>")

    state = _state(poller, Query.CALLS, Scope.TENANT)

    assert (state["targets_tried"], state["targets_failing"]) == (2, 1)
    assert (state["newest_success_age_seconds"], state["oldest_success_age_seconds"]) == (50, 100)
    assert state["failures_by_reason"] == {"decode": 1}
    assert state["failures"] == [
        {
            "tenant": "T000",
            "reason": "decode",
            "detail": "a number was due",
            "answer": "<html>",
            "age_seconds": 9.5,
            "success_age_seconds": 100,
        }
    ]


@pytest.mark.parametrize(
    ("age", "cycle", "freshness"),
    [
        (90, None, "fresh"),
        (91, None, "late"),
        (180, None, "late"),
        (181, None, "stale"),
        (181, 130.0, "fresh"),
        (196, 130.0, "late"),
        (391, 130.0, "stale"),
    ],
)
async def test_freshness(age: float, cycle: float | None, freshness: str, poller: Poller) -> None:
    """Late after one and a half turns, stale when values are dropped; a long cycle makes turns longer."""
    poller.store.record(_PEERS, None, now=NOW - age, wall=0)
    if cycle:
        poller.store.set_cycle(Query.PEERS, Scope.SWITCH, cycle)

    assert _state(poller, Query.PEERS, Scope.SWITCH)["freshness"] == freshness


async def test_many_failures_are_counted_and_the_newest_shown(poller: Poller) -> None:
    """When all tenants fail at once the page stays small, the count is right, and the newest come first."""
    for number in range(150):
        reason = Reason.AUTH if number % 3 else Reason.TIMEOUT
        poller.store.record(_calls(number), Failure(reason, "refused"), now=NOW - 150 + number, wall=0)

    state = _state(poller, Query.CALLS, Scope.TENANT)

    assert state["targets_failing"] == 150
    assert list(state["failures_by_reason"].items()) == [("auth", 100), ("timeout", 50)]
    assert [failure["tenant"] for failure in state["failures"]] == [f"T{n:03}" for n in range(149, 49, -1)]


async def test_a_target_that_left_meanwhile(poller: Poller) -> None:
    """A tenant that left while the status was put together is not counted."""
    poller.store.record(_calls(1), Failure(Reason.AUTH, "refused"), now=NOW, wall=0)

    state = query_state(poller, Query.CALLS, Scope.TENANT, [_calls(1), _calls(2)], NOW)

    assert (state["targets_tried"], state["targets_failing"]) == (1, 1)
