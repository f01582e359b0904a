from collections.abc import Callable

import pytest

from exporter.clock import Clock
from exporter.metrics import catalogue
from exporter.model import Failure, Peer, Peers, Query, Reason, Registration, Scope, Target
from exporter.poll import SwitchContext
from exporter.poll.recorder import Recorder
from exporter.poll.requests import Item
from exporter.poll.watched_peers import WatchedPeersIngester, not_listed
from exporter.request import Operation, Request

Context = Callable[..., SwitchContext]

_UP = Peer("carrier-a", "pbx1", Registration.REGISTERED, "OK (10 ms)")
_DOWN = Peer("carrier-b", "pbx1", Registration.UNREGISTERED, "UNREACHABLE")
_SWITCH = Target(Query.WATCHED_PEERS, Scope.SWITCH)
_ACME = Target(Query.WATCHED_PEERS, Scope.TENANT, "ACME")


async def _take(context: SwitchContext, outcome: Peers | Failure, target: Target = _SWITCH) -> Failure | None:
    """Ingest an outcome; return the recorded failure."""
    operation = Operation.TENANT_PEERS if target.tenant else Operation.PEERS
    item = Item(target, Request(operation, tenant=target.tenant))
    await WatchedPeersIngester(context, Recorder(context)).ingest(item, outcome)
    return context.store.attempts[target].failure


async def test_the_peers_of_the_switch(context: Context) -> None:
    """The watched ones alone get series, without a tenant."""
    made = context(Clock(), watch_peers=["carrier-a", "carrier-b"])
    phone = Peer("100-ACME", "pbx1", Registration.REGISTERED, "OK (3 ms)")
    assert await _take(made, Peers((_UP, _DOWN, phone))) is None

    assert made.store.values(catalogue.PEER_REACHABLE) == {"carrier-a": 1, "carrier-b": 0}
    assert made.store.values(catalogue.PEER_ROUND_TRIP) == {"carrier-a": 0.01}


async def test_the_peers_of_a_tenant(context: Context) -> None:
    """They come from the tenant's own list; peers of the switch are not in it."""
    tenants = [{"code": "ACME", "watch_peers": ["carrier-b"]}]
    made = context(Clock(), watch_peers=["carrier-a"], tenants=tenants)
    assert await _take(made, Peers((_DOWN,)), _ACME) is None

    assert made.store.values(catalogue.PEER_REACHABLE, "ACME") == {"carrier-b": 0}
    assert made.store.values(catalogue.PEER_REACHABLE) is None


async def test_a_watched_peer_that_is_not_in_the_list(context: Context) -> None:
    """It has no series, and the query fails with its name; the others have theirs."""
    made = context(Clock(), watch_peers=["carrier-a", "typo"])
    await _take(made, Peers((_UP, Peer("typo", "pbx1", Registration.REGISTERED, "OK (1 ms)"))))
    failure = await _take(made, Peers((_UP,)))

    assert failure == Failure(Reason.DECODE, "1 of 2 watched peers are not in the list: typo")
    assert made.store.values(catalogue.PEER_REACHABLE) == {"carrier-a": 1}


@pytest.mark.parametrize("outcome", [Peers(()), Failure(Reason.TIMEOUT, "no complete answer within 60 s")])
async def test_without_a_list_known_states_stay(context: Context, outcome: Peers | Failure) -> None:
    """An empty list is no list: an installation always has peers."""
    made = context(Clock(), watch_peers=["carrier-b"])
    await _take(made, Peers((_DOWN,)))
    failure = await _take(made, outcome)

    assert failure is not None
    assert made.store.values(catalogue.PEER_REACHABLE) == {"carrier-b": 0}


def test_a_failure_names_few_peers() -> None:
    """And how many more there are."""
    detail = not_listed(tuple("abcdefg"), 9).detail
    assert detail == "7 of 9 watched peers are not in the list: a, b, c, d, e and 2 more"


@pytest.mark.parametrize(
    ("settings", "polled"),
    [
        ({}, set()),
        ({"watch_peers": ["a"]}, {Scope.SWITCH}),
        ({"watch_peers": ["a"], "key": None, "tenants": [{"code": "ACME", "key": "k"}]}, set()),
        ({"tenants": [{"code": "ACME", "watch_peers": ["a"]}, {"code": "BOREAL"}]}, {Scope.TENANT}),
        ({"watch_peers": ["a"], "queries": {"watched_peers": {"interval": "off"}}}, set()),
    ],
)
def test_it_is_polled_only_with_peers_to_watch(
    context: Context, settings: dict[str, object], polled: set[Scope]
) -> None:
    """And with a key; of the tenants, only those that watch peers."""
    targets = context(Clock(), **settings).targets
    assert {scope for query, scope in targets.intervals if query is Query.WATCHED_PEERS} == polled
    if Scope.TENANT in polled:
        assert targets.requests(Query.WATCHED_PEERS, Scope.TENANT) == 1
        assert not targets.is_polled(_ACME._replace(tenant="BOREAL"))
