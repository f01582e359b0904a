from typing import Any

import pytest

from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.poll import Poller
from exporter.web.query_state import query_states
from tests.unit.web.conftest import NOW, Pollers

_TIMEOUT = Failure(Reason.TIMEOUT, "no response")
_EMPTY = Failure(Reason.EMPTY, "empty")


def _target(query: Query, tenant: str) -> Target:
    return Target(query, Scope.TENANT if tenant else Scope.SWITCH, tenant)


async def _unknown(poller: Poller, query: Query, scope: Scope = Scope.TENANT) -> tuple[int, int, list[str]]:
    """Return the number of targets of a query, and how many and which are unknown."""
    states = await query_states(poller, list(poller.store.attempts), NOW)
    (found,) = [one for one in states if (one["query"], one["scope"]) == (query.value, scope.value)]
    return found["targets"], found["targets_unknown"], found["unknown_tenants"]


async def test_what_was_never_tried_is_unknown(pollers: Pollers) -> None:
    """Also a query of the switch itself."""
    poller = pollers(tenants=[{"code": code} for code in ("A", "B", "C", "D", "E")])
    poller.store.record(_target(Query.BALANCE, "C"), None, now=NOW, wall=0)

    assert await _unknown(poller, Query.BALANCE) == (5, 4, ["A", "B", "D"])
    assert await _unknown(poller, Query.LICENSE, Scope.SWITCH) == (1, 1, [])
    poller.store.record(_target(Query.LICENSE, ""), None, now=NOW, wall=0)
    assert await _unknown(poller, Query.LICENSE, Scope.SWITCH) == (1, 0, [])


async def test_tenants_that_a_query_does_not_poll_are_known(pollers: Pollers) -> None:
    """There is nothing to know: the query is off for them, or they have no extensions."""
    poller = pollers(
        tenants=[
            {"code": "A"},
            {"code": "B", "queries": {"balance": {"tenant_interval": "off"}}},
            {"code": "C", "extensions": ["100"]},
        ]
    )

    assert await _unknown(poller, Query.BALANCE) == (2, 2, ["A", "C"])
    assert await _unknown(poller, Query.REGISTRATIONS) == (1, 1, ["C"])


@pytest.mark.parametrize(
    ("query", "succeeded", "failure", "is_unknown"),
    [
        (Query.BALANCE, 0.0, None, False),
        (Query.BALANCE, 440.0, None, False),  # its interval is 300 s: fresh
        (Query.BALANCE, 500.0, None, False),  # late, but nothing fails
        (Query.BALANCE, 440.0, _TIMEOUT, False),  # one failure, and the value is fresh
        (Query.BALANCE, 500.0, _TIMEOUT, True),  # late and failing
        (Query.BALANCE, 901.0, None, True),  # stale
        (Query.BALANCE, None, _TIMEOUT, True),
        (Query.BALANCE, None, _EMPTY, True),
        (Query.CALLS, None, _EMPTY, False),  # there may simply be no calls
        (Query.CALLS, None, _TIMEOUT, True),
    ],
)
async def test_a_target(
    query: Query,
    succeeded: float | None,
    failure: Failure | None,
    is_unknown: bool,  # noqa: FBT001 -- a table
    pollers: Pollers,
) -> None:
    """Its value is unknown if it is stale, or late while its requests fail."""
    poller = pollers(tenants=[{"code": "A"}])
    target = _target(query, "A")
    if succeeded is not None:
        poller.store.record(target, None, now=NOW - succeeded, wall=0)
    if failure is not None:
        poller.store.record(target, failure, now=NOW, wall=0)

    expected: tuple[Any, ...] = (1, 1, ["A"]) if is_unknown else (1, 0, [])
    assert await _unknown(poller, query) == expected
