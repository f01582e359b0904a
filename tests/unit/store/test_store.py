from collections.abc import Mapping

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.metrics import catalogue
from exporter.metrics.catalogue import METRICS
from exporter.metrics.metric import Metric
from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.store import Store, Values

_CHANNELS = Target(Query.CHANNELS, Scope.SWITCH)
_PEERS = Target(Query.PEERS, Scope.SWITCH)
_OF_ACME = Target(Query.CHANNELS, Scope.TENANT, "ACME")
_TIMEOUT = Failure(Reason.TIMEOUT, "no complete answer within 60 s")


def _lines(store: Store, metric: Metric) -> list[str]:
    blocks = [block for blocks in store.sample_lines(metric) for block in blocks]
    return sorted(line for block in blocks for line in block.decode().split("\n")[:-1])


def _everything(store: Store) -> list[str]:
    return [line for metric in METRICS for line in _lines(store, metric)]


@pytest.fixture
def store() -> Store:
    """Return a store that keeps values for three intervals."""
    return Store("pbx", stale_after=3, max_series=500_000)


def test_an_answer_is_served(store: Store) -> None:
    """One value is one line; values per node are one line each."""
    store.put(
        _CHANNELS, {catalogue.CHANNELS: 7, catalogue.NODE_CHANNELS: {"n1": 3, "n2": 4}}, interval=30, now=0
    )

    assert _lines(store, catalogue.CHANNELS) == ['softswitch_channels{switch="pbx"} 7']
    assert _lines(store, catalogue.NODE_CHANNELS) == [
        'softswitch_node_channels{switch="pbx",node="n1"} 3',
        'softswitch_node_channels{switch="pbx",node="n2"} 4',
    ]
    assert store.values(catalogue.CHANNELS) == 7
    assert store.values(catalogue.NODE_CHANNELS) == {"n1": 3, "n2": 4}
    assert store.series == 3


@pytest.mark.parametrize(
    ("interval", "cycle", "kept_for"),
    [(30, None, 90), (30, 20, 90), (30, 100, 300)],
    ids=["no cycle yet", "short cycle", "long cycle"],
)
def test_a_value_lives_three_intervals_or_cycles(
    store: Store, interval: float, cycle: float | None, kept_for: float
) -> None:
    """`stale_after` applies to the longer of interval and cycle."""
    store.put(_CHANNELS, {catalogue.CHANNELS: 7}, interval=interval, now=1000)
    if cycle is not None:
        store.set_cycle(Query.CHANNELS, Scope.SWITCH, cycle)

    assert store.expire(1000 + kept_for) == []
    assert store.values(catalogue.CHANNELS) == 7
    assert store.expire(1000 + kept_for + 0.001) == [_CHANNELS]
    assert store.values(catalogue.CHANNELS) is None


def test_values_from_a_list_of_all_tenants(store: Store) -> None:
    """They become stale by the cycle of that list."""
    listed = (Query.REGISTRATIONS, Scope.SWITCH)
    of_acme = Target(Query.REGISTRATIONS, Scope.TENANT, "ACME")
    store.set_cycle(*listed, 1000)
    store.put(of_acme, {catalogue.TENANT_EXTENSIONS: {"registered": 2}}, interval=60, now=0, job=listed)

    assert store.expire(2999) == []
    assert store.expire(3001) == [of_acme]


def test_success(store: Store) -> None:
    """The failure is absent, and the time of the success is wall time."""
    assert store.record(_OF_ACME, None, now=5, wall=1700000000.5) is None

    labels = '{switch="pbx",query="channels",scope="tenant",tenant="ACME"}'
    assert _everything(store) == [
        f"softswitch_query_success{labels} 1",
        f"softswitch_query_last_success_timestamp_seconds{labels} 1700000000.5",
    ]
    assert store.tried == {(Query.CHANNELS, Scope.TENANT)}


def _succeeded(store: Store) -> float:
    (line,) = _lines(store, catalogue.QUERY_SUCCESS)
    return float(line.split()[-1])


def test_failure(store: Store) -> None:
    """There is one reason at a time, and the time of the last success stays."""
    store.record(_CHANNELS, None, now=5, wall=1000)
    assert _succeeded(store) == 1
    before = store.record(_CHANNELS, _TIMEOUT, now=35, wall=1030)
    assert _succeeded(store) == 0
    store.record(_CHANNELS, Failure(Reason.AUTH, "refused"), now=65, wall=1060)

    labels = 'switch="pbx",query="channels",scope="switch",tenant=""'
    assert before is not None
    assert before.failure is None
    assert _everything(store) == [
        f"softswitch_query_success{{{labels}}} 0",
        f'softswitch_query_failure{{{labels},reason="auth"}} 1',
        f"softswitch_query_last_success_timestamp_seconds{{{labels}}} 1000",
    ]
    assert store.attempts[_CHANNELS].succeeded_at == 5
    assert store.attempts[_CHANNELS].at == 65
    store.record(_CHANNELS, None, now=95, wall=1090)
    assert _succeeded(store) == 1


def test_the_wall_clock_jumps(store: Store) -> None:
    """The time of each last success is updated; a target without one stays without."""
    store.record(_CHANNELS, None, now=5, wall=1005)
    store.record(_OF_ACME, _TIMEOUT, now=5, wall=1005)

    store.follow_wall_clock(80_000)

    labels = '{switch="pbx",query="channels",scope="switch",tenant=""}'
    assert _lines(store, catalogue.QUERY_LAST_SUCCESS) == [
        f"softswitch_query_last_success_timestamp_seconds{labels} 80005"
    ]


def test_attempts_and_valid_answers(store: Store) -> None:
    """Nothing is recorded before the first request has finished; a failure does not undo a valid response."""
    assert (store.attempted, store.valid_at) == (False, None)
    store.note_attempt(valid=False, now=1)
    assert (store.attempted, store.valid_at) == (True, None)
    store.note_attempt(valid=True, now=2)
    store.note_attempt(valid=False, now=3)
    assert store.valid_at == 2


def test_interval_and_cycle_per_query_and_scope(store: Store) -> None:
    """Each scope of a query has its own."""
    store.set_interval(Query.CHANNELS, Scope.SWITCH, 30)
    store.set_interval(Query.CHANNELS, Scope.TENANT, 120)
    store.set_cycle(Query.CHANNELS, Scope.TENANT, 150.5)
    store.set_cycle(Query.CHANNELS, Scope.TENANT, 160)

    assert _everything(store) == [
        'softswitch_query_interval_seconds{switch="pbx",query="channels",scope="switch"} 30',
        'softswitch_query_interval_seconds{switch="pbx",query="channels",scope="tenant"} 120',
        'softswitch_query_cycle_seconds{switch="pbx",query="channels",scope="tenant"} 160',
    ]
    assert store.cycle(Query.CHANNELS, Scope.TENANT) == 160
    assert store.cycle(Query.CHANNELS, Scope.SWITCH) is None


def _holding(store: Store, code: str, *, now: float = 0) -> None:
    """Take in 10 phones, one of them watched, their counts, figures on 4 nodes and two more: 20 series."""
    registrations = Target(Query.REGISTRATIONS, Scope.TENANT, code)
    phones = {str(100 + number): float(number % 2) for number in range(10)}
    store.set(catalogue.EXTENSION_WATCHED, code, {"100": 1})
    store.put(
        registrations,
        {
            catalogue.EXTENSION_REGISTERED: phones,
            catalogue.TENANT_EXTENSIONS: {"registered": 5, "unregistered": 5, "unknown": 0},
        },
        interval=60,
        now=now,
    )
    store.put(
        Target(Query.CHANNELS, Scope.TENANT, code),
        {
            catalogue.TENANT_CHANNELS: 10,
            catalogue.TENANT_NODE_CHANNELS: {f"n{number}": 2.5 for number in range(4)},
        },
        interval=60,
        now=now,
    )
    store.put(Target(Query.CALLS, Scope.TENANT, code), {catalogue.TENANT_CALLS: 5}, interval=60, now=now)


_HELD = 20
_FAMILIES_BY_RANK = (
    catalogue.EXTENSION_REGISTERED,
    catalogue.TENANT_NODE_CHANNELS,
    catalogue.TENANT_CHANNELS,
    catalogue.TENANT_CALLS,
    catalogue.TENANT_EXTENSIONS,
)


def _series_by_rank(store: Store) -> tuple[int, ...]:
    return tuple(len(_lines(store, metric)) for metric in _FAMILIES_BY_RANK)


@pytest.mark.parametrize(
    ("most", "left"),
    [
        (20, (10, 4, 1, 1, 3)),
        (19, (1, 4, 1, 1, 3)),
        (11, (1, 4, 1, 1, 3)),
        (10, (1, 0, 1, 1, 3)),
        (7, (1, 0, 1, 1, 3)),
        (6, (1, 0, 0, 0, 0)),
        (1, (1, 0, 0, 0, 0)),
    ],
)
@pytest.mark.parametrize("from_the_start", [True, False])
def test_detail_is_dropped_rank_by_rank(most: int, left: tuple[int, ...], *, from_the_start: bool) -> None:
    """Phones are dropped first, then nodes, then values of tenants; a watched phone stays."""
    store = Store("pbx", stale_after=3, max_series=most if from_the_start else 500)
    _holding(store, "ACME")
    store.configure(stale_after=3, max_series=most)

    assert _series_by_rank(store) == left
    assert store.series == len(_everything(store))
    assert store.series <= max(most, 2)  # the watched phone, and that it is watched
    assert store.is_limited is (most < _HELD)
    assert store.drops_tenants is (most < 7)
    if most < _HELD:
        assert _lines(store, catalogue.EXTENSION_REGISTERED) == [
            'softswitch_extension_registered{switch="pbx",tenant="ACME",extension="100"} 0'
        ]


def test_a_rank_is_dropped_for_every_tenant() -> None:
    """No tenant keeps what others have lost."""
    store = Store("pbx", stale_after=3, max_series=3 * _HELD - 1)
    for code in ("A", "B", "C"):
        _holding(store, code)

    assert _series_by_rank(store) == (3, 12, 3, 3, 9)


def test_detail_comes_back_with_the_next_responses() -> None:
    """It comes back if it fits with a margin, so that it does not flap."""
    store = Store("pbx", stale_after=3, max_series=_HELD - 1)
    _holding(store, "ACME")
    for most in (_HELD, _HELD + 2):
        store.configure(stale_after=3, max_series=most)
        store.expire(1)
        _holding(store, "ACME", now=1)
        assert store.is_limited

    store.configure(stale_after=3, max_series=_HELD * 10 // 9 + 1)
    store.expire(2)
    assert not store.is_limited
    _holding(store, "ACME", now=2)

    assert _series_by_rank(store) == (10, 4, 1, 1, 3)


def test_values_of_tenants_come_back() -> None:
    """They come back as soon as all that was dropped would fit."""
    store = Store("pbx", stale_after=3, max_series=6)
    _holding(store, "ACME")
    assert (store.series, store.drops_tenants) == (2, True)

    for most, drops_tenants in ((7, True), (8, False)):  # 2 and 5 are 7; a tenth stays free
        store.configure(stale_after=3, max_series=most)
        store.expire(1)
        assert store.drops_tenants is drops_tenants


def test_only_phones_are_watched() -> None:
    """A node with the name of a watched phone is dropped with the other nodes."""
    store = Store("pbx", stale_after=3, max_series=9)
    _holding(store, "ACME")
    store.put(_OF_ACME, {catalogue.TENANT_NODE_CHANNELS: {"100": 1, "101": 1}}, interval=60, now=0)

    assert _lines(store, catalogue.TENANT_NODE_CHANNELS) == []


def _with_tenants(store: Store, tenants: int) -> None:
    """Let a switch have so many tenants, of which nothing but how they are asked is known."""
    for number in range(tenants):
        code = f"T{number}"
        store.set_info(code, f"Tenant {number}", {})
        store.set(catalogue.TENANT_BALANCE_THRESHOLD, code, {"warning": 50, "critical": 10})
        for query in (Query.CHANNELS, Query.BALANCE):
            store.record(Target(query, Scope.TENANT, code), None, now=0, wall=0)
        store.record(Target(Query.CALLS, Scope.TENANT, code), _TIMEOUT, now=0, wall=0)


def test_many_tenants_are_bounded() -> None:
    """Their status and configuration are dropped as well, and the values of the switch stay."""
    store = Store("pbx", stale_after=3, max_series=100)
    store.record(Target(Query.TENANTS, Scope.SWITCH), None, now=0, wall=0)

    _with_tenants(store, 30)
    assert store.series == 2 + 30 * 3
    assert len(_lines(store, catalogue.QUERY_SUCCESS)) == 1

    _with_tenants(store, 200)
    assert store.series == len(_everything(store)) == 2

    store.drop_tenants({f"T{number}" for number in range(3, 200)})
    store.expire(1)
    assert not store.is_limited
    assert store.take_room_for_configured()
    assert not store.take_room_for_configured()
    _with_tenants(store, 3)
    assert store.series == 2 + 3 * (3 + 6)


def test_many_nodes_are_bounded() -> None:
    """Nodes that change with each response do not accumulate."""
    store = Store("pbx", stale_after=3, max_series=100)
    for round_ in range(20):
        nodes = {f"node-{round_}-{number}": 1.0 for number in range(60)}
        for node in nodes:
            store.put(_CHANNELS, {catalogue.NODE_CHANNELS: {node: 1}}, interval=30, now=0, part=node)
        store.put(_PEERS, {catalogue.PEERS: 60, catalogue.NODE_PRESENT: nodes}, interval=30, now=0)
        assert store.series == 1
        for node in nodes:
            store.remove(_CHANNELS, node)

    assert len(store.snapshot(catalogue.NODE_CHANNELS)) == 0


def test_long_labels_are_bounded() -> None:
    """Each 256 bytes count as a series."""
    store = Store("pbx", stale_after=3, max_series=100)
    for long in (20, 250):
        nodes = {f"{number:0{long}}": 1.0 for number in range(90)}
        store.put(_PEERS, {catalogue.NODE_PEERS: nodes}, interval=30, now=0)
        assert store.is_limited is (long > 100)
        assert store.series == (0 if long > 100 else 90)


def test_dropped_tenants_still_count() -> None:
    """Otherwise tenants that are not requested any more would come and go forever."""
    store = Store("pbx", stale_after=3, max_series=500)
    _holding(store, "ACME")
    store.unset(catalogue.EXTENSION_WATCHED, "ACME")
    store.configure(stale_after=3, max_series=4)

    for now in range(100, 2000, 100):
        assert store.expire(now) == []
        assert store.drops_tenants
        assert store.series == 0

    store.drop_tenants({"ACME"})
    store.expire(3000)
    assert not store.is_limited


def test_a_query_that_is_switched_off_does_not_count() -> None:
    """What was dropped of it does not keep other detail away."""
    store = Store("pbx", stale_after=3, max_series=_HELD - 1)
    _holding(store, "ACME")

    store.drop({Target(Query.REGISTRATIONS, Scope.TENANT, "ACME")})
    store.expire(1)

    assert not store.is_limited
    assert _series_by_rank(store) == (0, 4, 1, 1, 0)


def test_a_target_that_is_dropped(store: Store) -> None:
    """Its values and its outcome are dropped, and those of other targets stay."""
    store.put(_OF_ACME, {catalogue.TENANT_CHANNELS: 3}, interval=30, now=0)
    store.record(_OF_ACME, _TIMEOUT, now=0, wall=0)
    store.put(_CHANNELS, {catalogue.CHANNELS: 7}, interval=30, now=0)
    store.put(_CHANNELS, {catalogue.NODE_CHANNELS: {"n1": 3}}, interval=30, now=0, part="n1")
    assert store.targets == {_OF_ACME, _CHANNELS}

    store.drop({_OF_ACME})
    assert store.targets == {_CHANNELS}
    assert store.series == 2

    store.drop({_CHANNELS})
    assert store.targets == set()
    assert _everything(store) == []


def test_queries_that_are_switched_off(store: Store) -> None:
    """Their interval and cycle are dropped; those of the other scope stay."""
    for scope in Scope:
        store.set_interval(Query.CHANNELS, scope, 30)
        store.set_cycle(Query.CHANNELS, scope, 31)
    store.record(_CHANNELS, None, now=0, wall=0)
    store.record(_OF_ACME, None, now=0, wall=0)
    store.drop({_OF_ACME})

    store.keep_queries({(Query.CHANNELS, Scope.SWITCH)})

    assert store.tried == {(Query.CHANNELS, Scope.SWITCH)}
    assert store.cycle(Query.CHANNELS, Scope.TENANT) is None
    assert [line for line in _everything(store) if 'scope="tenant"' in line] == []
    assert len(_lines(store, catalogue.QUERY_INTERVAL) + _lines(store, catalogue.QUERY_CYCLE)) == 2


def test_another_stale_after(store: Store) -> None:
    """It applies to stored values."""
    store.put(_CHANNELS, {catalogue.CHANNELS: 7}, interval=30, now=0)
    store.configure(stale_after=10, max_series=500_000)
    assert store.expire(300) == []

    store.configure(stale_after=1, max_series=500_000)
    assert store.expire(300) == [_CHANNELS]


def test_unset(store: Store) -> None:
    """Only that value is removed, and removing a missing one is allowed."""
    store.set(catalogue.TENANT_CHANNELS_LIMIT, "ACME", 30, part="configured")
    store.put(
        Target(Query.LIMITS, Scope.TENANT, "ACME"),
        {catalogue.TENANT_CHANNELS_LIMIT: 99},
        interval=30,
        now=0,
    )

    for _ in range(2):
        store.unset(catalogue.TENANT_CHANNELS_LIMIT, "ACME", part="configured")

    assert _everything(store) == ['softswitch_tenant_channels_limit{switch="pbx",tenant="ACME"} 99']
    assert store.series == 1


_CODES = ["ACME", "B,}", "NO"]
_INTERVALS = [1.0, 2.0, 10.0]
_TARGETS = st.sampled_from(
    [Target(query, Scope.SWITCH) for query in (Query.PEERS, Query.CHANNELS)]
    + [Target(query, Scope.TENANT, code) for query in (Query.PEERS, Query.CHANNELS) for code in _CODES]
)
_FAMILIES = {
    (Query.PEERS, Scope.SWITCH): (catalogue.PEERS, catalogue.NODE_PEERS),
    (Query.CHANNELS, Scope.SWITCH): (catalogue.CHANNELS, catalogue.NODE_CHANNELS),
    (Query.PEERS, Scope.TENANT): (catalogue.TENANT_PEERS, catalogue.TENANT_NODE_PEERS),
    (Query.CHANNELS, Scope.TENANT): (catalogue.TENANT_CHANNELS, catalogue.TENANT_NODE_CHANNELS),
}
_NODES = st.dictionaries(
    st.sampled_from(["n1", "n2", 'n"3', "n\n4"]), st.floats(allow_nan=False, allow_infinity=False), max_size=4
)
_Known = dict[tuple[Target, str], tuple[dict[Metric, float | Mapping[str, float]], float, float]]


class _AnyOrder(RuleBasedStateMachine):
    """Answers, failures, time and departures in any order, held against a simple model."""

    @initialize()
    def begin(self) -> None:
        self.store = Store("pbx", stale_after=3, max_series=500_000)
        self.now = 0.0
        self.known: _Known = {}
        self.cycles: dict[tuple[Query, Scope], float] = {}
        self.declared: dict[str, Mapping[str, float]] = {}
        self.outcomes: dict[Target, tuple[bool, bool]] = {}  # succeeded, ever succeeded

    @rule(
        asked=_TARGETS,
        total=st.none() | st.integers(0, 9),
        nodes=_NODES,
        interval=st.sampled_from(_INTERVALS),
    )
    def answer(self, asked: Target, total: int | None, nodes: dict[str, float], interval: float) -> None:
        whole, by_node = _FAMILIES[asked.query, asked.scope]
        said: dict[Metric, float | Mapping[str, float]] = {by_node: nodes}
        if total is not None:
            said[whole] = total
        self.store.put(asked, said, interval=interval, now=self.now)
        self.known[asked, ""] = (said, interval, self.now)

    @rule(node=st.sampled_from(["p1", "p2"]), count=st.integers(0, 9), interval=st.sampled_from(_INTERVALS))
    def answer_of_a_part(self, node: str, count: int, interval: float) -> None:
        said: dict[Metric, float | Mapping[str, float]] = {catalogue.NODE_CHANNELS: {node: count}}
        self.store.put(_CHANNELS, said, interval=interval, now=self.now, part=node)
        self.known[_CHANNELS, node] = (said, interval, self.now)

    @rule(asked=_TARGETS, failure=st.sampled_from([None, _TIMEOUT, Failure(Reason.AUTH, "refused")]))
    def outcome(self, asked: Target, failure: Failure | None) -> None:
        self.store.record(asked, failure, now=self.now, wall=self.now)
        ever = self.outcomes.get(asked, (False, False))[1]
        self.outcomes[asked] = (failure is None, ever or failure is None)

    @rule(code=st.sampled_from(_CODES), thresholds=_NODES)
    def declare(self, code: str, thresholds: dict[str, float]) -> None:
        self.store.set(catalogue.TENANT_BALANCE_THRESHOLD, code, thresholds)
        self.declared[code] = thresholds

    @rule(asked=_TARGETS, node=st.sampled_from(["", "p1"]))
    def forget(self, asked: Target, node: str) -> None:
        self.store.remove(asked, node)
        self.known.pop((asked, node), None)

    @rule(codes=st.sets(st.sampled_from(_CODES)))
    def drop_tenants(self, codes: set[str]) -> None:
        self.store.drop_tenants(codes)
        self.known = {source: held for source, held in self.known.items() if source[0].tenant not in codes}
        self.outcomes = {target: held for target, held in self.outcomes.items() if target.tenant not in codes}
        self.declared = {code: held for code, held in self.declared.items() if code not in codes}

    @rule(
        query=st.sampled_from([Query.PEERS, Query.CHANNELS]),
        scope=st.sampled_from(Scope),
        seconds=st.floats(0, 50),
    )
    def sweep_took(self, query: Query, scope: Scope, seconds: float) -> None:
        self.store.set_cycle(query, scope, seconds)
        self.cycles[query, scope] = seconds

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 7.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        stale = {
            source
            for source, (_, interval, at) in self.known.items()
            if self.now - at > 3 * max(interval, self.cycles.get((source[0].query, source[0].scope), 0.0))
        }

        gone = self.store.expire(self.now)

        assert sorted(gone) == sorted(target for target, _ in stale)
        self.known = {source: held for source, held in self.known.items() if source not in stale}

    @invariant()
    def series_are_the_lines_held(self) -> None:
        assert self.store.series == len(_everything(self.store))

    @invariant()
    def values_are_those_of_the_newest_answers(self) -> None:
        expected = {
            (metric, target.tenant, part): values
            for (target, part), (said, _, _) in self.known.items()
            for metric, values in said.items()
            if values != {}
        }
        held = {
            (metric, tenant, part): values
            for pair in _FAMILIES.values()
            for metric in pair
            for tenant in ("", *_CODES)
            for part in ("", "p1", "p2")
            if (values := self.store.values(metric, tenant, part)) is not None
        }
        assert held == expected

    @invariant()
    def the_page_can_be_read_and_says_it_all(self) -> None:
        text = "".join(
            f"# TYPE {metric.name} {metric.kind}\n"
            + "".join(block.decode() for blocks in self.store.sample_lines(metric) for block in blocks)
            for metric in METRICS
        )
        samples = [sample for family in parse_text(text) for sample in family.samples]
        assert len({(sample.name, *sorted(sample.labels.items())) for sample in samples}) == self.store.series
        by_name = {name: [s for s in samples if s.name == name] for name in {s.name for s in samples}}
        assert len(by_name.get("softswitch_query_success", [])) == len(self.outcomes)
        failing = sum(not succeeded for succeeded, _ in self.outcomes.values())
        assert len(by_name.get("softswitch_query_failure", [])) == failing
        ever = sum(ever for _, ever in self.outcomes.values())
        assert len(by_name.get("softswitch_query_last_success_timestamp_seconds", [])) == ever
        thresholds = sum(len(held) for held in self.declared.values())
        assert len(by_name.get("softswitch_tenant_balance_threshold", [])) == thresholds


TestAnyOrder = _AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_intervals_labels_and_attempts_can_be_read(store: Store) -> None:
    """They are dropped with their query and their tenant, and no others."""
    store.set_interval(Query.PEERS, Scope.SWITCH, 60)
    store.set_interval(Query.CALLS, Scope.TENANT, 120)
    store.set_info("ACME", "Acme", {"team": "voice"})
    store.set_info("BOREAL", "", {"team": ""})
    for target in (_CHANNELS, _OF_ACME, Target(Query.CALLS, Scope.TENANT, "BOREAL")):
        store.record(target, None, now=0, wall=0)

    store.keep_queries([(Query.PEERS, Scope.SWITCH)])
    store.drop_tenants({"BOREAL"})

    assert list(store.attempts) == [_CHANNELS, _OF_ACME]
    assert store.intervals == {(Query.PEERS, Scope.SWITCH): 60}
    assert store.labels == {"ACME": {"team": "voice"}}
    assert store.snapshot(catalogue.TENANT_INFO) == {"": {"ACME": {"Acme": 1}}}


def test_the_newest_attempt_is_last(store: Store) -> None:
    """A reader of new attempts can stop at the first one it knows."""
    for target in (_CHANNELS, _OF_ACME, _CHANNELS):
        store.record(target, None, now=0, wall=0)

    assert list(store.attempts) == [_OF_ACME, _CHANNELS]


def test_an_equal_response_changes_no_object(store: Store) -> None:
    """Snapshots can be compared by identity, and none of them changes later."""
    snapshots = []
    for now, channels in ((0, 7), (30, 7), (60, 8)):
        store.put(_OF_ACME, {catalogue.TENANT_NODE_CHANNELS: {"n1": channels}}, interval=30, now=now)
        snapshots.append(store.snapshot(catalogue.TENANT_NODE_CHANNELS)[""])

    assert snapshots[0] is snapshots[1] is not snapshots[2]
    assert [snapshot["ACME"] for snapshot in snapshots] == [{"n1": 7}, {"n1": 7}, {"n1": 8}]


@pytest.mark.parametrize(
    ("metric", "values", "message"),
    [
        (
            catalogue.TENANT_CHANNELS,
            {"n1": 2.0},
            "softswitch_tenant_channels: expected a single value, got dict",
        ),
        (catalogue.TENANT_CHANNELS, {}, "softswitch_tenant_channels: expected a single value, got dict"),
        (
            catalogue.EXTENSION_REGISTERED,
            0.0,
            "softswitch_extension_registered: expected a value for each extension, got float",
        ),
    ],
)
def test_values_must_be_what_the_catalogue_declares(
    store: Store, metric: Metric, values: Values, message: str
) -> None:
    """Several values for a single one, or the reverse, raise TypeError."""
    with pytest.raises(TypeError, match=message):
        store.put(_OF_ACME, {metric: values}, interval=30, now=0)

    assert store.series == 0


def test_integers_are_served_and_read_as_floats(store: Store) -> None:
    """The status page shows the same number whether a decoder returned an int or a float."""
    store.put(_CHANNELS, {catalogue.CHANNELS: 7, catalogue.NODE_CHANNELS: {"n1": 3}}, interval=30, now=0)

    assert repr(store.values(catalogue.CHANNELS)) == "7.0"
    assert repr(store.values(catalogue.NODE_CHANNELS)) == "{'n1': 3.0}"


def test_labels_from_the_configuration_change(store: Store) -> None:
    """New, changed and removed labels are served at once, as one series."""
    for labels, text in (({"team": "a"}, ',team="a"'), ({"team": "b"}, ',team="b"'), ({}, "")):
        store.set_info("ACME", "Acme", labels)

        assert _lines(store, catalogue.TENANT_INFO) == [
            f'softswitch_tenant_info{{switch="pbx",tenant="ACME",name="Acme"{text}}} 1'
        ]
