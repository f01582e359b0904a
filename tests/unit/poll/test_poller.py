import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry
from yarl import URL

from exporter.client import Client, open_client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.masking import Mask
from exporter.metrics import catalogue
from exporter.metrics.exposition import Exposition, Format
from exporter.metrics.self_metrics import Instruments
from exporter.model import Query, Reason, Scope, Target
from exporter.poll import Poller, SwitchContext
from exporter.poll.context import Hold
from exporter.queries import peers as peers_query
from tests.served import value

Configured = Callable[..., SwitchConfiguration]

_KEYS = ("admin-key", "own-key-of-acme")


@dataclass
class _Switch:
    """A switch with fixed responses by request type, tenant and node.

    ``head``: the status, and header lines. While ``may_answer`` is not set, no response is sent.
    """

    answers: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    head: bytes = b"200 OK"
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        query = URL(request.split()[1]).query
        name = " ".join(
            [
                query["reqtype"],
                query.get("info", ""),
                query.get("tenant", ""),
                query.get("nodename", query.get("ext", "")),
            ]
        )
        self.asked.append(" ".join(name.split()) + f" ({query['key']})")
        body, head = self.answers.get(" ".join(name.split()), b""), self.head
        await self.may_answer.wait()
        lines = b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (head, len(body))
        writer.write(lines + body)
        await writer.drain()
        writer.close()


@dataclass
class _Time:
    """The monotonic clock, and the seconds ``asleep`` in which it stopped."""

    now: float = 1000.0
    asleep: float = 0.0

    def clock(self) -> Clock:
        return Clock(
            monotonic=lambda: self.now,
            wall=lambda: 1_700_000_000 + self.now + self.asleep,
            boot=lambda: self.now + self.asleep,
        )


@dataclass
class _Polling:
    switch: _Switch
    poller: Poller
    instruments: Instruments
    mask: Mask
    time: _Time

    @property
    def now(self) -> float:
        return self.time.now

    @now.setter
    def now(self, seconds: float) -> None:
        self.time.now = seconds

    async def sweep(self, query: Query, scope: Scope) -> None:
        """Sweep once, and wait for all responses."""
        await self.poller.sweep(query, scope)
        await self.answered()

    async def sent(self, query: Query, scope: Scope) -> None:
        """Sweep once, without a response until ``answered`` is called."""
        self.switch.may_answer.clear()
        asked = len(self.switch.asked)
        await self.poller.sweep(query, scope)
        async with asyncio.timeout(5):
            while len(self.switch.asked) == asked:  # noqa: ASYNC110 -- the server has no signal for it
                await asyncio.sleep(0.001)

    async def answered(self) -> None:
        """Wait for all responses."""
        self.switch.may_answer.set()
        async with asyncio.timeout(5):
            while self.poller.requests_in_flight:  # noqa: ASYNC110 -- a poller does not signal that it is idle
                await asyncio.sleep(0.001)

    def failure(self, query: Query, tenant: str = "") -> Reason | None:
        scope = Scope.TENANT if tenant else Scope.SWITCH
        failure = self.poller.store.attempts[Target(query, scope, tenant)].failure
        return failure.reason if failure else None

    def page(self) -> str:
        self.poller.refresh()
        exposition = Exposition(lambda _: [self.poller.store, self.instruments], CollectorRegistry())
        return b"".join(exposition.render(Format.TEXT)).decode()


Polling = Callable[..., _Polling]


@pytest.fixture
async def polling(configured: Configured) -> AsyncIterator[Polling]:
    """Return a function that makes a poller for a switch on a loopback port."""
    switch = _Switch()
    switch.may_answer.set()
    server = await asyncio.start_server(switch.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pollers = []

    def make(hold: Hold = lambda: None, **settings: object) -> _Polling:
        configuration = configured(
            **{"url": f"http://127.0.0.1:{port}/api", "max_requests_per_second": 10_000, **settings}
        )
        instruments, mask, time = Instruments(CollectorRegistry()), Mask(), _Time()
        client = open_client(configuration)
        poller = Poller(SwitchContext(configuration, client, instruments, mask, time.clock(), hold=hold))
        pollers.append(poller)
        return _Polling(switch, poller, instruments, mask, time)

    yield make
    for poller in pollers:
        await poller.stop()
    server.close()
    await server.wait_closed()


async def test_before_the_first_request(polling: Polling) -> None:
    """Only configured values: neither `up` nor the result of any query."""
    made = polling(tenants=[{"code": "ACME"}])

    page = made.page()

    assert "softswitch_up{" not in page
    assert "softswitch_query_success{" not in page
    assert 'softswitch_tenants{switch="pbx"} 1\n' in page
    assert 'softswitch_query_interval_seconds{switch="pbx",query="peers",scope="switch"} 60\n' in page
    assert 'softswitch_breaker_open{switch="pbx"} 0' in page
    assert not made.poller.is_tried()


async def test_switch_query(polling: Polling) -> None:
    """One request with the admin key, and its values are served."""
    made = polling()
    made.switch.answers["COUNTPEERS"] = b'{"n1": 3, "n2": "4", "Total": 7}'

    await made.sweep(Query.PEERS, Scope.SWITCH)

    assert made.switch.asked == ["COUNTPEERS (admin-key)"]
    assert made.poller.store.values(catalogue.PEERS) == 7
    assert made.poller.store.values(catalogue.NODE_PEERS) == {"n1": 3, "n2": 4}
    assert made.poller.is_up() is True
    assert 'softswitch_up{switch="pbx"} 1\n' in made.page()


async def test_tenant_keys(polling: Polling) -> None:
    """A tenant without a key is requested with the admin key."""
    made = polling(tenants=[{"code": "ACME", "key": "own-key-of-acme"}, {"code": "OTHER"}])
    made.switch.answers |= {"INFO balance ACME": b"12.50", "INFO balance OTHER": b"-3"}
    made.poller.targets.intervals[Query.BALANCE, Scope.TENANT] = 0.01
    made.poller.targets.plan.cycles[Query.BALANCE, Scope.TENANT] = 0.01  # type: ignore[index]  # a quick sweep

    await made.sweep(Query.BALANCE, Scope.TENANT)

    assert sorted(made.switch.asked) == [
        "INFO balance ACME (own-key-of-acme)",
        "INFO balance OTHER (admin-key)",
    ]
    assert made.poller.store.values(catalogue.TENANT_BALANCE, "ACME") == 12.5
    assert made.poller.store.values(catalogue.TENANT_BALANCE, "OTHER") == -3


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"Too bad... you mistaken the security api key.", Reason.AUTH),
        (b"No id specified", Reason.REJECTED),
        (b"\r\n", Reason.EMPTY),
        (b'{"n1": true}', Reason.DECODE),
    ],
)
async def test_responses_are_classified(body: bytes, reason: Reason, polling: Polling) -> None:
    """An HTTP 200 without a value is a failure with its reason."""
    made = polling()
    made.switch.answers["COUNTPEERS"] = body

    await made.sweep(Query.PEERS, Scope.SWITCH)

    assert made.failure(Query.PEERS) is reason
    assert made.poller.is_up() is False
    assert 'softswitch_up{switch="pbx"} 0\n' in made.page()
    labels = {"switch": "pbx", "query": "peers", "reason": reason.value}
    assert value(made.instruments, "softswitch_request_failures_total", labels) == 1
    assert (
        value(
            made.instruments, "softswitch_request_duration_seconds_count", {"switch": "pbx", "query": "peers"}
        )
        == 1
    )


async def test_failed_response_is_kept(polling: Polling) -> None:
    """With the key masked, until a value or an empty response arrives."""
    made = polling()
    target = Target(Query.PEERS, Scope.SWITCH)
    said = b"Error: no access with key=admin-key from here"
    for after in (b'{"n1": 3}', b"\r\n"):
        made.switch.answers["COUNTPEERS"] = said
        await made.sweep(Query.PEERS, Scope.SWITCH)
        shown = made.poller.answers.of(target, Reason.REJECTED)
        failure = made.poller.store.attempts[target].failure
        assert failure is not None
        assert "no access with key" in failure.detail
        assert not [key for key in _KEYS if key in failure.detail + made.page()]

        made.switch.answers["COUNTPEERS"] = after
        await made.sweep(Query.PEERS, Scope.SWITCH)

        assert shown == "Error: no access with key=*** from here"
        assert [made.poller.answers.of(target, reason) for reason in Reason] == [None] * len(Reason)


async def test_failed_response_of_one_extension(polling: Polling) -> None:
    """The value of another extension does not replace it."""
    made = polling(tenants=[{"code": "ACME", "extensions": ["100", "101"]}])
    made.poller.targets.intervals[Query.REGISTRATIONS, Scope.TENANT] = 0.01
    made.poller.targets.plan.cycles[Query.REGISTRATIONS, Scope.TENANT] = 0.01  # type: ignore[index]  # quick
    made.switch.answers |= {"INFO regstate ACME 100": b"No id specified", "INFO regstate ACME 101": b"OK"}

    await made.sweep(Query.REGISTRATIONS, Scope.TENANT)

    target = Target(Query.REGISTRATIONS, Scope.TENANT, "ACME")
    assert made.poller.answers.of(target, Reason.REJECTED) == "No id specified"


async def test_stale_values_are_dropped(polling: Polling) -> None:
    """Three intervals after the last response, when `up` is 0, too."""
    made = polling()
    made.switch.answers["COUNTPEERS"] = b'{"n1": 3}'
    await made.sweep(Query.PEERS, Scope.SWITCH)

    made.now += 180
    assert 'softswitch_peers{switch="pbx"} 3\n' in made.page()
    made.now += 1
    page = made.page()
    assert "softswitch_peers{" not in page
    assert "softswitch_node_present{" not in page
    assert 'softswitch_up{switch="pbx"} 0\n' in page


async def test_stale_values_of_a_query_are_logged_together(polling: Polling) -> None:
    """One line for each of 5,000 tenants would delay everything else."""
    made = polling(tenants=[{"code": f"T{number}"} for number in range(5)])
    made.switch.answers |= {"COUNTPEERS": b"5", **{f"INFO balance T{number}": b"3" for number in range(5)}}
    made.poller.targets.plan.cycles[Query.BALANCE, Scope.TENANT] = 0.01  # type: ignore[index]  # quick
    await made.sweep(Query.PEERS, Scope.SWITCH)
    await made.sweep(Query.BALANCE, Scope.TENANT)
    made.time.asleep += 8 * 3600

    with structlog.testing.capture_logs() as log:
        made.poller.drop_stale()

    assert [(line["query"], line.get("tenant"), line.get("targets")) for line in log] == [
        ("peers", "", None),
        ("balance", None, 5),
    ]


async def test_up(polling: Polling) -> None:
    """It is 1 for 3 times the shortest interval (30 s) or 2 times the timeout, whichever is longer."""
    for timeout, window in (("10s", 90), ("60s", 120)):
        made = polling(timeout=timeout)
        made.switch.answers["COUNTPEERS"] = b"5"
        await made.sweep(Query.PEERS, Scope.SWITCH)
        made.now += window
        assert made.poller.is_up() is True
        made.now += 0.1
        assert made.poller.is_up() is False


async def test_is_tried(polling: Polling) -> None:
    """After one attempt of each query, successful or not."""
    made = polling()
    for query, scope in made.poller.jobs:
        assert not made.poller.is_tried()
        await made.sweep(query, scope)

    assert made.poller.is_tried()


async def test_large_response(polling: Polling) -> None:
    """It is decoded in a thread, with the same result."""
    made = polling()
    nodes = {f"node-{number:05}": number for number in range(1000)}
    answer = json.dumps(nodes).encode()
    made.switch.answers["COUNTPEERS"] = answer[:-1] + b" " * 256 * 1024 + b"}"

    await made.sweep(Query.PEERS, Scope.SWITCH)

    assert made.poller.store.values(catalogue.NODE_PEERS) == nodes


async def test_defect_in_the_client(configured: Configured) -> None:
    """It fails this one request, and the target is requested again."""

    class _Defective:
        url = URL("http://127.0.0.1/")

        def send(self, *_: object) -> bytes:
            raise RuntimeError("defect")

    configuration = configured()
    opened = open_client(configuration)
    instruments = Instruments(CollectorRegistry())
    client: Client = _Defective()  # type: ignore[assignment]  # stands for it, on purpose wrongly
    poller = Poller(SwitchContext(configuration, client, instruments, Mask(), Clock()))

    for _ in range(2):
        await poller.sweep(Query.PEERS, Scope.SWITCH)
        await asyncio.sleep(0.05)

    await opened.session.close()
    attempt = poller.store.attempts[Target(Query.PEERS, Scope.SWITCH)]
    assert attempt.failure is not None
    assert "defect" not in attempt.failure.detail
    labels = {"switch": "pbx", "query": "peers", "reason": "decode"}
    assert value(instruments, "softswitch_request_failures_total", labels) == 2
    assert poller.requests_in_flight == 0


async def test_shown_url_has_no_secret(polling: Polling) -> None:
    """Even a key in its path is masked."""
    made = polling(url="http://127.0.0.1:9/admin-key/api")
    made.mask.add("admin-key")

    assert made.poller.shown_url == "http://127.0.0.1:9/***/api"


async def test_sweep_of_a_disabled_query(polling: Polling) -> None:
    """It sends nothing, and raises nothing."""
    made = polling(queries={"license": {"interval": "off"}})

    await made.sweep(Query.LICENSE, Scope.SWITCH)

    assert made.switch.asked == []


async def test_nothing_is_sent_after_the_stop(polling: Polling) -> None:
    """The schedule may start a sweep late, when the session is closed."""
    made = polling()
    await made.poller.stop()

    await made.sweep(Query.PEERS, Scope.SWITCH)
    await made.poller.retry()

    assert made.switch.asked == []
    assert made.poller.store.attempts == {}


async def test_requests_wait_while_another_exporter_may_poll(polling: Polling) -> None:
    """They are sent once this exporter knows that it may poll, and are lost if it may not."""
    may_poll = asyncio.Event()
    made = polling(lambda: None if may_poll.is_set() else may_poll.wait(), tenants=[{"code": "ACME"}])
    made.switch.answers["COUNTCALLS"] = b"3"

    await made.poller.sweep(Query.CALLS, Scope.SWITCH)
    await made.poller.sweep(Query.PEERS, Scope.SWITCH)
    for _ in range(100):
        await asyncio.sleep(0)
    assert made.switch.asked == []

    may_poll.set()
    await made.answered()
    assert len(made.switch.asked) == 2

    may_poll.clear()
    await made.poller.sweep(Query.CALLS, Scope.SWITCH)
    await made.poller.stop()
    assert len(made.switch.asked) == 2


async def test_above_max_series_only_watched_extensions_are_requested(polling: Polling) -> None:
    """If even the values of the tenants are dropped."""
    tenants = [
        {"code": "A", "extensions": ["100", "101"], "watch": ["100"]},
        {"code": "B", "extensions": ["100"]},
    ]
    queries = {"registrations": {"source": "extensions", "tenant_interval": "20ms"}}
    made = polling(tenants=tenants, queries=queries, max_series=1)
    listed = b'[{"ex_number": "100", "st_state": "NOT_INUSE"}, {"ex_number": "101", "st_state": "NOT_INUSE"}]'
    made.switch.answers |= {"INFO extensions A": listed, "INFO extensions B": listed}

    await made.sweep(Query.REGISTRATIONS, Scope.TENANT)

    assert made.switch.asked == ["INFO extensions A (admin-key)"]
    assert made.poller.store.values(catalogue.EXTENSION_REGISTERED, "A") == {"100": 1}
    assert made.poller.store.is_limited
    skipped = {"switch": "pbx", "query": "registrations", "scope": "tenant", "reason": "budget"}
    assert value(made.instruments, "softswitch_targets_skipped_total", skipped) == 1


@pytest.mark.parametrize("key", ["admin-key", None])
async def test_peers_become_stale_with_their_list(key: str | None, polling: Polling) -> None:
    """Whether it is one list per switch or per tenant."""
    tenants = [{"code": "ACME", "key": "own-key-of-acme", "extensions": ["100"]}]
    made = polling(key=key, tenants=tenants, queries={"registrations": {"source": "peers"}})
    scope = Scope.SWITCH if key else Scope.TENANT
    peers = b'[{"node": "n1", "Name": "100-ACME/100-ACME", "Status": "OK (9 ms)"}]'
    made.switch.answers |= {"CHANSIPPEERS": peers, "CHANSIPPEERS ACME": peers}

    await made.sweep(Query.REGISTRATIONS, scope)
    assert made.poller.store.values(catalogue.EXTENSION_REGISTERED, "ACME") == {"100": 1}

    made.now += 3 * 300 + 1
    made.page()
    assert made.poller.store.values(catalogue.EXTENSION_REGISTERED, "ACME") is None


async def test_new_tenants_are_set_in_batches(polling: Polling) -> None:
    """Of 20 at most, because 5,000 at once would block the event loop."""
    made = polling(discover_tenants={"enabled": True})
    listed = [{"te_code": f"T{number}", "te_name": ""} for number in range(200)]
    made.switch.answers["MANAGEDB"] = json.dumps(listed).encode()
    sweep = asyncio.create_task(made.poller.sweep(Query.TENANTS, Scope.SWITCH))
    counts = [0]

    async with asyncio.timeout(10):
        while counts[-1] < len(listed):
            await asyncio.sleep(0)
            counts.append(sum(map(len, made.poller.store.sample_lines(catalogue.TENANT_INFO))))

    await sweep
    assert max(later - earlier for earlier, later in itertools.pairwise(counts)) <= 20


async def test_tenants_that_changed_during_a_restart(polling: Polling) -> None:
    """They are known with the first list; before it, also after a reload, no tenant counts as gone."""
    made = polling(discover_tenants={"enabled": True})
    made.poller.remember([{"tenants": ["ACME", "OLD"]}, {"phones": ["1"], "of": "ACME", "origin": ""}], 60)
    assert made.poller.memory.version == 1  # of the phones
    client = open_client(made.poller.configuration)
    made.poller.reconfigure(made.poller.configuration, client, ())
    assert {"tenants": ["ACME", "OLD"]} in made.poller.memory.parts()

    listed = [{"te_code": code, "te_name": ""} for code in ("ACME", "NEW")]
    made.switch.answers["MANAGEDB"] = json.dumps(listed).encode()
    await made.sweep(Query.TENANTS, Scope.SWITCH)

    parts = list(made.poller.memory.parts())
    assert {"tenants": ["ACME", "NEW"]} in parts
    assert {"phones": ["1"], "of": "ACME", "origin": ""} in parts


async def test_tenants_without_discovery(polling: Polling) -> None:
    """They are known from the start."""
    made = polling(tenants=[{"code": "ACME"}])
    made.poller.remember([{"tenants": ["ACME", "OLD"]}], 60)
    assert {"tenants": ["ACME"]} in made.poller.memory.parts()


async def test_cycle_excludes_the_time_a_query_was_off(polling: Polling) -> None:
    """It is measured again after two sweeps."""
    made = polling()
    on = made.poller.configuration
    peers = on.queries.options(peers_query.SPEC).model_copy(update={"interval": None})
    off = on.model_copy(update={"queries": on.queries.model_copy(update={"peers": peers})})
    await made.sweep(Query.PEERS, Scope.SWITCH)
    for configuration in (off, on):
        made.poller.reconfigure(configuration, open_client(on), ())
        await made.poller.wait_until_prepared()
        made.now += 3600

    await made.sweep(Query.PEERS, Scope.SWITCH)

    assert made.poller.store.cycle(Query.PEERS, Scope.SWITCH) is None


async def test_key_rotated_in_flight(polling: Polling, tmp_path: Path) -> None:
    """A number for the old key does not turn empty responses for the new key into 0."""
    file = tmp_path / "key"
    file.write_text("admin-key")
    made = polling(key=None, key_file=str(file))
    made.switch.answers["COUNTCALLS"] = b"7"
    await made.sent(Query.CALLS, Scope.SWITCH)
    file.write_text("another-key")
    assert made.poller.configuration.key is not None
    made.poller.configuration.key.reload()
    await made.answered()
    assert made.poller.store.values(catalogue.CALLS) == 7

    made.switch.answers["COUNTCALLS"] = b""
    await made.sweep(Query.CALLS, Scope.SWITCH)

    assert made.switch.asked == ["COUNTCALLS (admin-key)", "COUNTCALLS (another-key)"]
    assert made.failure(Query.CALLS) is Reason.EMPTY
    assert made.poller.store.values(catalogue.CALLS) == 7


async def test_response_of_a_replaced_switch_is_dropped(polling: Polling) -> None:
    """After a reload with another URL."""
    made = polling()
    made.switch.answers["COUNTPEERS"] = b"5"
    await made.sent(Query.PEERS, Scope.SWITCH)
    configuration = made.poller.configuration
    moved = configuration.model_copy(update={"url": configuration.url.replace("/api", "/other")})

    made.poller.reconfigure(moved, open_client(moved), ())
    await made.answered()

    assert made.poller.store.values(catalogue.PEERS) is None
    assert made.poller.is_up() is None
    await made.sweep(Query.PEERS, Scope.SWITCH)
    assert made.poller.store.values(catalogue.PEERS) == 5


async def test_reload_without_the_admin_key(polling: Polling) -> None:
    """Targets that are not polled any more do not count as backing off."""
    made = polling(tenants=[{"code": "ACME", "key": "own-key-of-acme"}])
    made.switch.head = b"403 Forbidden"
    for query in (Query.PEERS, Query.CHANNELS, Query.CALLS):
        await made.sweep(query, Scope.SWITCH)
    assert made.poller.policy.backoff_count == 3
    assert made.poller.policy.refused_keys == [""]
    configuration = made.poller.configuration
    without = configuration.model_copy(update={"literal_key": None})

    made.poller.reconfigure(without, open_client(without), ())
    await made.poller.wait_until_prepared()

    assert made.poller.policy.backoff_count == 0
    assert made.poller.policy.refused_keys == []


async def test_long_intervals_are_retried_after_the_pause(polling: Polling) -> None:
    """Otherwise there would be no license for an hour, and no tenants for six."""
    made = polling()
    made.switch.head = b"503 Down\r\nRetry-After: 120"
    for query in (Query.PEERS, Query.CHANNELS, Query.CALLS, Query.LICENSE):
        await made.sweep(query, Scope.SWITCH)
    await made.poller.retry()
    assert [asked.split()[0] for asked in made.switch.asked] == ["COUNTPEERS", "COUNTCHANNELS", "COUNTCALLS"]

    made.switch.head = b"200 OK"
    made.switch.answers["LICENSEDAYS"] = b"30"
    made.now += 120
    await made.poller.retry()
    await made.answered()

    assert made.poller.store.values(catalogue.LICENSE_REMAINING) == 30 * 86400
    assert made.poller.policy.backoff_count == 3  # those that got the 503


async def test_eight_hours_asleep(polling: Polling) -> None:
    """Values are stale, the switch is not up, and missed sweeps start at once."""
    made = polling(queries={"license": {"interval": "9h"}})
    made.switch.answers |= {"COUNTPEERS": b"5", "LICENSEDAYS": b"30"}
    for query in (Query.PEERS, Query.LICENSE):
        await made.sweep(query, Scope.SWITCH)
    assert made.poller.is_up() is True

    made.time.asleep += 8 * 3600
    made.now += 9
    page = made.page()
    assert 'softswitch_up{switch="pbx"} 0\n' in page
    assert "softswitch_peers{" not in page
    assert 'softswitch_license_remaining_seconds{switch="pbx"}' in page

    missed = made.poller.after_gap(8 * 3600)
    assert (Query.PEERS, Scope.SWITCH) in missed
    assert (Query.LICENSE, Scope.SWITCH) not in missed
    await made.sweep(Query.PEERS, Scope.SWITCH)
    assert 'softswitch_peers{switch="pbx"} 5\n' in made.page()
    assert made.poller.store.cycle(Query.PEERS, Scope.SWITCH) is None


async def test_cycle_excludes_sleep(polling: Polling) -> None:
    """Otherwise one night would keep values for three nights."""
    made = polling()
    for asleep in (0, 8 * 3600):
        made.time.asleep += asleep
        made.now += 60
        await made.sweep(Query.PEERS, Scope.SWITCH)

    assert made.poller.store.cycle(Query.PEERS, Scope.SWITCH) == 60


async def test_requests_in_flight_end_after_sleep(polling: Polling) -> None:
    """Their connections are dead; this is no failure."""
    made = polling(timeout="60s")
    made.switch.answers["COUNTPEERS"] = b"5"
    await made.sent(Query.PEERS, Scope.SWITCH)
    made.time.asleep += 59
    made.poller.after_gap(59)
    await asyncio.sleep(0.01)
    assert made.poller.requests_in_flight == 1

    made.time.asleep += 61
    made.poller.after_gap(61)
    async with asyncio.timeout(5):
        while made.poller.requests_in_flight:  # noqa: ASYNC110 -- a poller does not signal that it is idle
            await asyncio.sleep(0.001)

    assert Target(Query.PEERS, Scope.SWITCH) not in made.poller.store.attempts
    await made.sweep(Query.PEERS, Scope.SWITCH)
    assert made.poller.store.values(catalogue.PEERS) == 5
