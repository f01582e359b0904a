import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from exporter import __version__
from exporter.client import open_client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.instruments import Instruments
from exporter.masking import Mask
from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.poll import Poller
from exporter.store import Store
from exporter.web.status import status

Configured = Callable[..., SwitchConfiguration]

_PEERS = Target(Query.PEERS, Scope.SWITCH)
_NOW = 1000.0


@pytest.fixture
async def poller(configured: Configured) -> AsyncIterator[Poller]:
    """Return a poller of a switch with 150 tenants, which asked nothing yet."""
    configuration = configured(tenants=[{"code": f"T{number:03}"} for number in range(150)])
    made = Poller(
        configuration,
        open_client(configuration),
        Store("pbx", stale_after=3, max_series=1000),
        Instruments(CollectorRegistry()),
        Mask(),
        Clock(monotonic=lambda: _NOW),
        label_names=(),
    )
    yield made
    await made.stop()


def _status(poller: Poller) -> dict[str, Any]:
    whole = status([poller], Clock(monotonic=lambda: _NOW))
    assert json.loads(json.dumps(whole, allow_nan=False)) == whole
    assert whole["version"] == __version__
    (switch,) = whole["switches"]
    assert isinstance(switch, dict)
    return switch


def _query(poller: Poller, query: Query, scope: Scope) -> dict[str, Any]:
    (found,) = [
        q for q in _status(poller)["queries"] if (q["query"], q["scope"]) == (query.value, scope.value)
    ]
    assert isinstance(found, dict)
    return found


async def test_before_anything_was_asked(poller: Poller) -> None:
    """Nothing is known, and nothing is claimed."""
    switch = _status(poller)

    assert (switch["name"], switch["url"], switch["up"]) == ("pbx", "http://127.0.0.1:9/api", None)
    assert (switch["tenants"], switch["requests_in_flight"]) == (150, 0)
    assert len(switch["queries"]) == len(poller.jobs)
    assert _query(poller, Query.PEERS, Scope.SWITCH) == {
        "query": "peers",
        "scope": "switch",
        "interval_seconds": 60.0,
        "planned_cycle_seconds": 60.0,
        "cycle_seconds": None,
        "targets_tried": 0,
        "targets_failing": 0,
        "newest_success_age_seconds": None,
        "oldest_success_age_seconds": None,
        "failures": [],
    }


async def test_ages_and_failures(poller: Poller) -> None:
    """How old the newest and the oldest success are, and what fails since when."""
    for tenant, at in (("T000", 900.0), ("T001", 950.0)):
        poller.store.record(Target(Query.CALLS, Scope.TENANT, tenant), None, now=at, wall=0)
    failure = Failure(Reason.TIMEOUT, "no complete answer within 60 s")
    poller.store.record(Target(Query.CALLS, Scope.TENANT, "T000"), failure, now=990.5, wall=0)

    query = _query(poller, Query.CALLS, Scope.TENANT)

    assert (query["targets_tried"], query["targets_failing"]) == (2, 1)
    assert (query["newest_success_age_seconds"], query["oldest_success_age_seconds"]) == (50, 100)
    assert query["failures"] == [
        {
            "tenant": "T000",
            "reason": "timeout",
            "detail": "no complete answer within 60 s",
            "age_seconds": 9.5,
            "success_age_seconds": 100,
        }
    ]


async def test_many_failures_are_counted_and_some_shown(poller: Poller) -> None:
    """When all tenants fail at once the page stays small, and the count is right."""
    for number in range(150):
        target = Target(Query.CALLS, Scope.TENANT, f"T{number:03}")
        poller.store.record(target, Failure(Reason.AUTH, "refused"), now=_NOW, wall=0)

    query = _query(poller, Query.CALLS, Scope.TENANT)

    assert query["targets_failing"] == 150
    assert len(query["failures"]) == 100
    assert _query(poller, Query.CALLS, Scope.SWITCH)["targets_failing"] == 0


async def test_no_key(poller: Poller) -> None:
    """The key of the configuration is nowhere in it."""
    poller.store.record(_PEERS, Failure(Reason.AUTH, "refused"), now=_NOW, wall=0)

    assert "admin-key" not in json.dumps(_status(poller))
