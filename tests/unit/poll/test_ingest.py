from collections.abc import Callable

import pytest
import structlog

from exporter.config import SwitchConfiguration
from exporter.metrics import catalogue
from exporter.model import (
    Counts,
    Extension,
    Extensions,
    Failure,
    Number,
    Peer,
    Peers,
    Query,
    Reason,
    Registration,
    RegistrationState,
    Scope,
    Skipped,
    Target,
)
from exporter.poll import SwitchContext
from exporter.poll.ingest import not_listed
from exporter.queries.limits import Limits
from tests.unit.poll.ingesting import Ingesting

Configured = Callable[..., SwitchConfiguration]

_EMPTY = Failure(Reason.EMPTY, "the answer is empty")
_TIMEOUT = Failure(Reason.TIMEOUT, "no complete answer within 60 s")


@pytest.fixture
def taking(context: Callable[..., SwitchContext]) -> Callable[..., Ingesting]:
    """Return a function that makes an ingester for a configuration."""
    return lambda **settings: Ingesting(context, **settings)


Taking = Callable[..., Ingesting]


async def test_failure_changes_no_value(taking: Taking) -> None:
    """It is counted with its reason."""
    made = taking()
    await made.ingest(Query.PEERS, "", Counts(7, None))
    await made.ingest(Query.PEERS, "", _TIMEOUT)

    assert made.values(catalogue.PEERS) == 7
    assert made.failure(Query.PEERS) == _TIMEOUT
    assert made.count("softswitch_request_failures_total", query="peers", reason="timeout") == 1


async def test_response_for_a_removed_tenant_is_dropped(taking: Taking) -> None:
    """Whether it is a value or a failure."""
    made = taking(tenants=[{"code": "A"}])
    del made.targets.tenants["A"]

    await made.ingest(Query.CALLS, "A", Number(3))
    await made.ingest(Query.CALLS, "A", _EMPTY)

    assert made.store.series == 0
    assert made.store.attempts == {}


async def test_empty_calls_are_zero_after_a_number(taking: Taking) -> None:
    """Before, an empty response may mean that the key has no permission."""
    made = taking(tenants=[{"code": "A"}, {"code": "B"}])
    await made.ingest(Query.CALLS, "A", _EMPTY)
    assert made.failure(Query.CALLS, "A") == _EMPTY
    assert made.values(catalogue.TENANT_CALLS, "A") is None

    await made.ingest(Query.CALLS, "A", _EMPTY, answered={Query.CALLS})

    assert made.values(catalogue.TENANT_CALLS, "A") == 0
    assert made.failure(Query.CALLS, "A") is None
    assert made.count("softswitch_empty_answers_total", query="calls") == 2
    assert made.count("softswitch_request_failures_total", query="calls", reason="empty") == 1


async def test_empty_error(taking: Taking) -> None:
    """With `empty: error`, an empty response is never 0."""
    made = taking(queries={"calls": {"empty": "error"}})
    await made.ingest(Query.CALLS, "", Number(9))
    await made.ingest(Query.CALLS, "", _EMPTY, answered={Query.CALLS})

    assert made.values(catalogue.CALLS) == 9
    assert made.failure(Query.CALLS) == _EMPTY


@pytest.mark.parametrize("query", [Query.PEERS, Query.CHANNELS, Query.BALANCE])
async def test_empty_is_zero_only_for_calls(query: Query, taking: Taking) -> None:
    """No other query was seen with empty responses."""
    made = taking(tenants=[{"code": "A"}], queries={"peers": {"tenant_interval": "1m"}})
    await made.ingest(Query.CALLS, "A", Number(1))
    await made.ingest(query, "A", _EMPTY)

    assert made.failure(query, "A") == _EMPTY


async def test_missing_node(taking: Taking) -> None:
    """It is 0 in `node_present`, and its peers and channels are dropped at once."""
    made = taking(nodes=["n3"])
    await made.ingest(Query.PEERS, "", Counts(None, {"n1": 3, "n2": 4}))
    await made.ingest(Query.CHANNELS, "", Counts(5, None))
    for node in ("n1", "n2"):
        await made.ingest(Query.CHANNELS, "", Counts(2, None), part=node)

    await made.ingest(Query.PEERS, "", Counts(None, {"n1": 3}))

    assert made.values(catalogue.NODE_PRESENT) == {"n1": 1, "n2": 0, "n3": 0}
    assert made.values(catalogue.NODE_PEERS) == {"n1": 3}
    assert made.values(catalogue.NODE_CHANNELS, part="n1") == {"n1": 2}
    assert made.values(catalogue.NODE_CHANNELS, part="n2") is None


async def test_total_of_channels_without_nodes(taking: Taking) -> None:
    """Each node is requested while the switch returns only a total, and no longer."""
    made = taking(nodes=["n1"])
    await made.ingest(Query.CHANNELS, "", Counts(5, None))
    await made.ingest(Query.CHANNELS, "", Counts(3, None), part="n1")
    assert [item.part for item in made.targets.switch_items(Query.CHANNELS)] == ["", "n1"]
    assert made.values(catalogue.NODE_CHANNELS, part="n1") == {"n1": 3}

    await made.ingest(Query.CHANNELS, "", Counts(None, {"n1": 4}))

    assert [item.part for item in made.targets.switch_items(Query.CHANNELS)] == [""]
    assert made.values(catalogue.NODE_CHANNELS, part="n1") is None
    assert made.values(catalogue.NODE_CHANNELS) == {"n1": 4}
    await made.ingest(Query.CHANNELS, "", Counts(3, None), part="n1")  # was in flight meanwhile
    assert made.values(catalogue.NODE_CHANNELS, part="n1") is None


async def test_plan_counts_new_nodes(taking: Taking) -> None:
    """Nodes in COUNTPEERS after a total of COUNTCHANNELS need requests."""
    made = taking()
    await made.ingest(Query.CHANNELS, "", Counts(5, None))
    wanted = made.targets.plan.required_rate

    await made.ingest(Query.PEERS, "", Counts(None, {f"n{number}": 1 for number in range(50)}))

    assert len(made.targets.switch_items(Query.CHANNELS)) == 51
    assert made.targets.plan.required_rate == pytest.approx(wanted + 50 / 30)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Counts(3, None), {"n1": 3}),
        (Counts(None, {"n1": 3}), {"n1": 3}),
        (Counts(9, {"n1": 3}), {"n1": 3}),
        (Counts(9, {"n2": 9}), None),
        (Counts(None, {"n2": 9}), None),
    ],
    ids=["a number", "the node", "the node and a total", "another node and a total", "another node"],
)
async def test_count_of_one_node(answer: Counts, expected: dict[str, float] | None, taking: Taking) -> None:
    """The counts of other nodes are not used for it."""
    made = taking(nodes=["n1"])
    await made.ingest(Query.CHANNELS, "", Counts(5, None))
    await made.ingest(Query.CHANNELS, "", answer, part="n1")

    assert made.values(catalogue.NODE_CHANNELS, part="n1") == expected


async def test_failure_of_a_node(taking: Taking) -> None:
    """It is counted, and the query still succeeds with its total."""
    made = taking(nodes=["n1"])
    await made.ingest(Query.CHANNELS, "", Counts(5, None))
    await made.ingest(Query.CHANNELS, "", _TIMEOUT, part="n1")

    assert made.failure(Query.CHANNELS) is None
    assert made.count("softswitch_request_failures_total", query="channels", reason="timeout") == 1


async def test_configured_limit_overrides_the_switch(taking: Taking) -> None:
    """The channel limit of the switch is used only without a configured one; the others always are."""
    made = taking(
        queries={"limits": {"tenant_interval": "1h"}},
        tenants=[{"code": "A", "channels_limit": 30}, {"code": "B"}],
    )
    made.store.set(catalogue.TENANT_CHANNELS_LIMIT, "A", 30)

    await made.ingest(Query.LIMITS, "A", Limits(99, extensions=20, dids=5))
    assert made.values(catalogue.TENANT_EXTENSIONS_LIMIT, "A") == 20
    assert made.values(catalogue.TENANT_DIDS_LIMIT, "A") == 5
    await made.ingest(Query.LIMITS, "B", Limits(99))
    assert made.values(catalogue.TENANT_CHANNELS_LIMIT, "A") == 30
    assert made.values(catalogue.TENANT_CHANNELS_LIMIT, "B") == 99
    made.store.expire(1e9)
    assert made.values(catalogue.TENANT_CHANNELS_LIMIT, "A") == 30

    await made.ingest(Query.LIMITS, "B", Limits(None))
    assert made.values(catalogue.TENANT_CHANNELS_LIMIT, "B") is None


def _state(state: Registration) -> RegistrationState:
    return RegistrationState(state, state.value)


async def test_registrations_of_single_extensions(taking: Taking) -> None:
    """Each counts at once; the query succeeds after enough of them."""
    made = taking(tenants=[{"code": "A", "extensions": ["100", "101"]}])
    target = Target(Query.REGISTRATIONS, Scope.TENANT, "A")

    await made.ingest(Query.REGISTRATIONS, "A", _state(Registration.REGISTERED), part="100")
    assert made.values(catalogue.TENANT_EXTENSIONS, "A") == {
        "registered": 1,
        "unregistered": 0,
        "unknown": 1,
    }
    assert target not in made.store.attempts

    await made.ingest(Query.REGISTRATIONS, "A", _state(Registration.UNREGISTERED), part="101")
    assert made.values(catalogue.EXTENSION_REGISTERED, "A") == {"100": 1, "101": 0}
    assert made.failure(Query.REGISTRATIONS, "A") is None


async def test_too_many_failed_extensions(taking: Taking) -> None:
    """The query fails, and no state changes."""
    made = taking(tenants=[{"code": "A", "extensions": ["100", "101"]}])
    for number in ("100", "101"):
        await made.ingest(Query.REGISTRATIONS, "A", _state(Registration.REGISTERED), part=number)
    await made.ingest(Query.REGISTRATIONS, "A", _TIMEOUT, part="101")

    failure = made.failure(Query.REGISTRATIONS, "A")
    assert failure is not None
    assert failure.reason is Reason.TIMEOUT
    assert made.values(catalogue.EXTENSION_REGISTERED, "A") == {"100": 1, "101": 1}


async def test_slow_sweep_keeps_registrations(
    taking: Taking,
) -> None:
    """If a sweep takes an hour, neither phones nor other values are stale after 15 minutes."""
    made = taking(tenants=[{"code": "A", "extensions": ["100", "101"]}])
    made.store.set_cycle(Query.REGISTRATIONS, Scope.TENANT, 3600)  # the interval is 5 minutes
    for number in ("100", "101"):
        await made.ingest(Query.REGISTRATIONS, "A", _state(Registration.REGISTERED), part=number)

    for _ in range(3):
        for number in ("100", "101"):
            made.now += 1800
            await made.ingest(Query.REGISTRATIONS, "A", _state(Registration.REGISTERED), part=number)
            assert made.values(catalogue.EXTENSION_REGISTERED, "A") == {"100": 1, "101": 1}

    made.now += 3 * 3600 - 1800 + 1
    await made.ingest(Query.REGISTRATIONS, "A", _state(Registration.REGISTERED), part="101")
    assert made.values(catalogue.EXTENSION_REGISTERED, "A") == {"101": 1}


async def test_only_changes_are_logged(taking: Taking) -> None:
    """A first failure, another reason, and a recovery."""
    with structlog.testing.capture_logs() as log:
        made = taking()
        for outcome in (Number(1), _TIMEOUT, _TIMEOUT, _EMPTY, _EMPTY, Number(1), Number(1)):
            await made.ingest(Query.LICENSE, "", outcome)

    assert [(line["event"], line.get("reason"), line.get("after")) for line in log] == [
        ("query failing", "timeout", None),
        ("query failing", "empty", None),
        ("query recovered", None, "empty"),
    ]
    assert {line["switch"] for line in log} == {"pbx"}


async def test_node_without_a_count(taking: Taking) -> None:
    """Only its count and the sum are absent; the row is counted, and logged once."""
    made = taking(nodes=["n1", "n2"])
    skipped = Skipped(1, 0, 'the count of "n2" cannot be read')
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await made.ingest(Query.PEERS, "", Counts(None, {"n1": 3}, frozenset({"n2"}), skipped=skipped))

    assert made.values(catalogue.PEERS) is None
    assert made.values(catalogue.NODE_PEERS) == {"n1": 3}
    assert made.values(catalogue.NODE_PRESENT) == {"n1": 1, "n2": 1}
    assert made.count("softswitch_rows_skipped_total", query="peers") == 2
    assert [log["first"] for log in logs] == ['the count of "n2" cannot be read']


async def test_node_without_a_name(taking: Taking) -> None:
    """It may be the one that is missing, whose presence is therefore absent."""
    made = taking(nodes=["n1", "n2"])
    await made.ingest(Query.PEERS, "", Counts(9, {"n1": 3}, skipped=Skipped(1, 1, "a name")))

    assert made.values(catalogue.PEERS) == 9
    assert made.values(catalogue.NODE_PRESENT) == {"n1": 1}


async def test_too_many_extensions(taking: Taking) -> None:
    """The tenant whose list exceeds the limit keeps the extensions that it had."""
    made = taking(
        tenants=[{"code": f"T{number}", "extensions": "all"} for number in range(13)],
        queries={"registrations": {"tenant_interval": "1m"}, "extensions": {"tenant_interval": "6h"}},
    )
    rows = tuple(Extension(str(number), Registration.UNKNOWN, "") for number in range(25_000))
    for number in range(13):
        await made.ingest(Query.EXTENSIONS, f"T{number}", Extensions(rows))

    assert made.failure(Query.EXTENSIONS, "T11") is None
    refused = made.failure(Query.EXTENSIONS, "T12")
    assert refused is not None
    assert refused.reason is Reason.TOO_LARGE
    assert made.targets.parts(Target(Query.REGISTRATIONS, Scope.TENANT, "T12")) == ()


_UP = Peer("carrier-a", "pbx1", Registration.REGISTERED, "OK (10 ms)")
_DOWN = Peer("carrier-b", "pbx1", Registration.UNREGISTERED, "UNREACHABLE")


async def _watched(made: Ingesting, outcome: Peers | Failure, tenant: str = "") -> Failure | None:
    """Ingest a list of watched peers; return the recorded failure."""
    await made.ingest(Query.WATCHED_PEERS, tenant, outcome)
    return made.failure(Query.WATCHED_PEERS, tenant)


async def test_the_peers_of_the_switch(taking: Taking) -> None:
    """The watched ones alone get series, without a tenant."""
    made = taking(watch_peers=["carrier-a", "carrier-b"])
    phone = Peer("100-ACME", "pbx1", Registration.REGISTERED, "OK (3 ms)")
    assert await _watched(made, Peers((_UP, _DOWN, phone))) is None

    assert made.values(catalogue.PEER_REACHABLE) == {"carrier-a": 1, "carrier-b": 0}
    assert made.values(catalogue.PEER_ROUND_TRIP) == {"carrier-a": 0.01}


async def test_the_peers_of_a_tenant(taking: Taking) -> None:
    """They come from the tenant's own list; peers of the switch are not in it."""
    tenants = [{"code": "ACME", "watch_peers": ["carrier-b"]}]
    made = taking(watch_peers=["carrier-a"], tenants=tenants)
    assert await _watched(made, Peers((_DOWN,)), "ACME") is None

    assert made.values(catalogue.PEER_REACHABLE, "ACME") == {"carrier-b": 0}
    assert made.values(catalogue.PEER_REACHABLE) is None


async def test_a_watched_peer_that_is_not_in_the_list(taking: Taking) -> None:
    """It has no series, and the query fails with its name; the others have theirs."""
    made = taking(watch_peers=["carrier-a", "typo"])
    await _watched(made, Peers((_UP, Peer("typo", "pbx1", Registration.REGISTERED, "OK (1 ms)"))))
    failure = await _watched(made, Peers((_UP,)))

    assert failure == Failure(Reason.DECODE, "1 of 2 watched peers are not in the list: typo")
    assert made.values(catalogue.PEER_REACHABLE) == {"carrier-a": 1}


@pytest.mark.parametrize("outcome", [Peers(()), Failure(Reason.TIMEOUT, "no complete answer within 60 s")])
async def test_without_a_list_known_states_stay(taking: Taking, outcome: Peers | Failure) -> None:
    """An empty list is no list: an installation always has peers."""
    made = taking(watch_peers=["carrier-b"])
    await _watched(made, Peers((_DOWN,)))
    failure = await _watched(made, outcome)

    assert failure is not None
    assert made.values(catalogue.PEER_REACHABLE) == {"carrier-b": 0}


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
    taking: Taking, settings: dict[str, object], polled: set[Scope]
) -> None:
    """And with a key; of the tenants, only those that watch peers."""
    targets = taking(**settings).targets
    assert {scope for query, scope in targets.intervals if query is Query.WATCHED_PEERS} == polled
    if Scope.TENANT in polled:
        assert targets.requests(Query.WATCHED_PEERS, Scope.TENANT) == 1
        assert not targets.is_polled(Target(Query.WATCHED_PEERS, Scope.TENANT, "BOREAL"))
