"""What holds whatever happens: any sequence of answers, failures, lists, reloads and time passing.

The poller, its schedule and its decoders are real; the switch is a table, and the clock is fast. The model
beside it knows no more than what the switch said last, and when.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import aiohttp
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from yarl import URL

from exporter.client import Client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration, load
from exporter.masking import Mask
from exporter.metrics.exposition import Exposition, Format, Source
from exporter.metrics.self_metrics import Instruments
from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.poll import Poller, SwitchContext
from exporter.request import Operation, Request
from tests.e2e.fast_clock import FastLoop
from tests.e2e.fast_fleet import FastSchedule
from tests.e2e.programs import Series, samples

INTERVAL = 60.0
TIMEOUT = 10.0
CODES = ("A", "B", "C", "D")

Asked = tuple[Operation, str]

_METRICS = {
    (Operation.COUNT_CALLS, Scope.SWITCH): "softswitch_calls",
    (Operation.COUNT_CALLS, Scope.TENANT): "softswitch_tenant_calls",
    (Operation.BALANCE, Scope.TENANT): "softswitch_tenant_balance",
    (Operation.REGISTRATION, Scope.TENANT): "softswitch_extension_registered",
}
_QUERIES = {
    Operation.COUNT_CALLS: Query.CALLS,
    Operation.BALANCE: Query.BALANCE,
    Operation.REGISTRATION: Query.REGISTRATIONS,
    Operation.TENANTS: Query.TENANTS,
}
_ASKED: list[Asked] = [
    (operation, code) for operation, scope in _METRICS for code in (CODES if scope is Scope.TENANT else ("",))
]
_FAULTS: list[bytes | Failure] = [
    b"",
    b"<html>login</html>",
    b"Too bad... you mistaken the security api key.\n",
    b"No id specified",
    b"\xff\x00",
    Failure(Reason.CONNECT, "no connection"),
    Failure(Reason.TIMEOUT, "no complete answer"),
    Failure(Reason.TOO_LARGE, "the answer is larger"),
]


@dataclass
class _Table:
    """What the switch says, what is wrong with it, and what the model is to know of it.

    ``is_polled`` tells whether anybody waits for an answer still: nobody does where its tenant has left, or
    its query was switched off, since it was asked. ``failed`` counts the failures that somebody waits for.
    """

    values: dict[Asked, int] = field(default_factory=lambda: dict.fromkeys(_ASKED, 1))
    faults: dict[Asked, bytes | Failure] = field(default_factory=dict)
    listed: tuple[str, ...] = CODES[:2]
    succeeded: dict[Asked, tuple[float, int]] = field(default_factory=dict)
    asked: int = 0
    failed: int = 0
    newest: float | None = None
    is_polled: Callable[[Target], bool] = lambda _: True

    async def answer(self, request: Request) -> bytes | Failure:
        """Answer a request, and note how it went."""
        asked = request.operation, request.tenant
        self.asked += 1
        fault = self.faults.get(asked)
        if isinstance(fault, Failure) and fault.reason is Reason.TIMEOUT:
            await asyncio.sleep(TIMEOUT)
        now = asyncio.get_running_loop().time()
        if fault is not None:
            scope = Scope.TENANT if request.tenant else Scope.SWITCH
            self.failed += self.is_polled(Target(_QUERIES[request.operation], scope, request.tenant))
            return fault
        self.newest = now
        if request.operation is Operation.TENANTS:
            return json.dumps([{"te_code": code} for code in self.listed]).encode()
        self.succeeded[asked] = now, self.values[asked]
        if request.operation is Operation.REGISTRATION:
            return json.dumps("OK" if self.values[asked] else "Offline").encode()
        return str(self.values[asked]).encode()


class _Session:
    async def close(self) -> None:
        """Close nothing."""


@dataclass
class _TableClient(Client):
    """Asks the table."""

    table: _Table

    @contextlib.asynccontextmanager
    async def send(self, request: Request, key: str, *, max_bytes: int) -> AsyncIterator[bytes | Failure]:
        """Give what the table says."""
        yield await self.table.answer(request)


@dataclass(frozen=True)
class _Configured:
    """What the configuration says."""

    tenants: frozenset[str] = frozenset(CODES[:2])
    discovers: bool = False
    stale_after: int = 3
    balance: bool = True


_parsed: set[tuple[Format, tuple[str, ...]]] = set()


def _samples(page: str, form: Format) -> dict[Series, float]:
    """Return the samples of a page; the slow parsers read only pages that differ in more than values."""
    shape = form, tuple(line.rpartition(" ")[0] for line in page.splitlines())
    if shape not in _parsed:
        parse: Any = parse_openmetrics if form is Format.OPENMETRICS else parse_text
        assert list(parse(page))
        _parsed.add(shape)
    return samples(page)


class Polling(RuleBasedStateMachine):
    """One switch, polled for as long as Hypothesis likes."""

    @initialize()
    def start(self) -> None:
        """Start polling with two tenants."""
        self.runner = asyncio.Runner(loop_factory=FastLoop)
        self.folder = TemporaryDirectory()
        self.table = _Table()
        self.counters: dict[Series, float] = {}
        self.configured = _Configured()
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        clock = Clock(monotonic=loop.time, wall=lambda: 1_700_000_000 + loop.time())
        configuration = self._configuration()
        registry = CollectorRegistry()
        instruments = Instruments(registry)
        self.poller = Poller(SwitchContext(configuration, self._client(), instruments, Mask(), clock))
        self.table.is_polled = self.poller.targets.is_polled
        self.page = Exposition(lambda _: self._refreshed(instruments), registry)
        self.schedule = FastSchedule(clock)
        self._schedule()

    def _client(self) -> Client:
        return _TableClient(
            session=cast("aiohttp.ClientSession", _Session()),
            url=URL("http://127.0.0.1:9/api"),
            timeout=TIMEOUT,
            proxy=None,
            server_name=None,
            tls=None,
            table=self.table,
        )

    def _configuration(self) -> SwitchConfiguration:
        file = Path(self.folder.name) / "config.yaml"
        every = f"{INTERVAL:.0f}s"
        switch = {
            "name": "pbx",
            "url": "http://127.0.0.1:9/api",
            "key": "admin-key",
            "timeout": f"{TIMEOUT:.0f}s",
            "max_requests_per_second": 1000,
            "stale_after": self.configured.stale_after,
            "discover_tenants": {"enabled": self.configured.discovers},
            "tenant_defaults": {"extensions": ["100"]},
            "tenants": [{"code": code} for code in sorted(self.configured.tenants)],
            "queries": {
                "peers": {"interval": "off"},
                "channels": {"interval": "off", "tenant_interval": "off"},
                "calls": {"interval": every, "tenant_interval": every, "empty": "error"},
                "license": {"interval": "off"},
                "balance": {"tenant_interval": every if self.configured.balance else "off"},
                "registrations": {"tenant_interval": every},
                "tenants": {"interval": "5m"},
            },
        }
        file.write_text(json.dumps({"switches": [switch]}))
        (made,) = load(file, {}).switches
        return made

    def _schedule(self) -> None:
        wanted: dict[str, Any] = {f"{query} {scope}": (query, scope) for query, scope in self.poller.jobs}
        for name in self.schedule.names - wanted.keys() - {"retry"}:
            self.schedule.remove(name)
        for name, (query, scope) in wanted.items():
            self.schedule.ensure(
                name, partial(self.poller.sweep, query, scope), partial(self.poller.period, query, scope)
            )
        self.schedule.ensure("retry", self.poller.retry, lambda: 10.0)

    def teardown(self) -> None:
        """Stop, which raises what any job raised."""
        if hasattr(self, "runner"):
            self.runner.run(self._end())
            self.runner.close()
            self.folder.cleanup()

    async def _end(self) -> None:
        await self.schedule.stop()
        await self.poller.stop()

    @rule(asked=st.sampled_from(_ASKED), value=st.integers(0, 9))
    def say(self, asked: Asked, value: int) -> None:
        """Let the switch say something else from now on."""
        self.table.values[asked] = value % 2 if asked[0] is Operation.REGISTRATION else value

    @rule(
        asked=st.lists(st.sampled_from([*_ASKED, (Operation.TENANTS, "")]), min_size=1, max_size=14),
        fault=st.sampled_from(_FAULTS),
    )
    def fail(self, asked: list[Asked], fault: bytes | Failure) -> None:
        """Let some requests fail from now on."""
        self.table.faults |= dict.fromkeys(asked, fault)

    @rule()
    def mend(self) -> None:
        """Let nothing fail any more."""
        self.table.faults.clear()

    @rule(codes=st.sets(st.sampled_from(CODES)))
    def change_list(self, codes: set[str]) -> None:
        """Let the switch have other tenants."""
        self.table.listed = tuple(sorted(codes))

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0, 185.0, 310.0, 2000.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.runner.run(asyncio.sleep(seconds))

    @rule(
        codes=st.sets(st.sampled_from(CODES)),
        discovers=st.booleans(),
        stale_after=st.sampled_from([1, 3]),
        balance=st.booleans(),
    )
    def reload(self, codes: set[str], stale_after: int, *, discovers: bool, balance: bool) -> None:
        """Load another configuration."""
        self.configured = _Configured(frozenset(codes), discovers, stale_after, balance)
        self.runner.run(self._reload())

    async def _reload(self) -> None:
        self.poller.reconfigure(self._configuration(), self._client(), ())
        self._forget_who_left()  # who is found again at once has to be asked first
        await self.poller.wait_until_prepared()
        self._forget_who_left()
        self._schedule()

    @invariant()
    def holds(self) -> None:
        """Look at a page, as text and as OpenMetrics, and hold it against the model."""
        if not hasattr(self, "poller"):
            return
        page, now = self.runner.run(self._scrape())
        polled = self.poller.targets.tenants.keys()
        self._forget_who_left()
        self._assert_tenants(page, polled)
        self._assert_values(page, now)
        self._assert_statuses(page)
        self._assert_sums(page, len(polled))
        counters = {series: value for series, value in page.items() if series[0].endswith(_COUNTED)}
        assert not [series for series, value in self.counters.items() if counters[series] < value]
        self.counters = counters

    def _refreshed(self, instruments: Instruments) -> list[Source]:
        self.poller.refresh()
        return [self.poller.store, instruments]

    async def _scrape(self) -> tuple[dict[Series, float], float]:
        await asyncio.sleep(0.00037)  # at no moment at which anything is due: what came is taken in
        pages = [
            {
                series: value
                for series, value in _samples(b"".join(self.page.render(form)).decode(), form).items()
                if series[0].startswith("softswitch_")
            }
            for form in (Format.TEXT, Format.OPENMETRICS)
        ]
        assert pages[0] == pages[1]
        return pages[0], asyncio.get_running_loop().time()

    def _forget_who_left(self) -> None:
        """Expect nothing of what is not asked any more, until it is answered anew."""
        self.table.succeeded = {
            (operation, tenant): said
            for (operation, tenant), said in self.table.succeeded.items()
            if (not tenant or tenant in self.poller.targets.tenants)
            and (operation is not Operation.BALANCE or self.configured.balance)
        }

    def _assert_tenants(self, page: dict[Series, float], polled: AbstractSet[str]) -> None:
        named = {text for _, labels in page for label, text in labels if label == "tenant" and text}
        assert named <= polled
        configured = self.configured.tenants
        assert configured <= polled
        if not self.configured.discovers:
            assert configured == polled

    def _assert_values(self, page: dict[Series, float], now: float) -> None:
        served = {
            (name, dict(labels).get("tenant", "")): value
            for (name, labels), value in page.items()
            if name in _METRICS.values()
        }
        for (operation, tenant), (at, value) in list(self.table.succeeded.items()):
            metric = _METRICS[operation, Scope.TENANT if tenant else Scope.SWITCH]
            found = served.pop((metric, tenant), None)
            longest = self.configured.stale_after * max(INTERVAL, self._cycle(page, operation))
            if now - at <= self.configured.stale_after * INTERVAL:
                assert found == value, (metric, tenant, now - at)
            elif now - at > longest:
                assert found is None, (metric, tenant)
            else:
                assert found in {None, value}, (metric, tenant)
            if found is None:  # with a longer `stale_after` it does not come back
                del self.table.succeeded[operation, tenant]
        assert not served, "a value that nobody gave"

    @staticmethod
    def _cycle(page: dict[Series, float], operation: Operation) -> float:
        query = _QUERIES[operation].value
        return max(
            (
                value
                for (name, labels), value in page.items()
                if name == "softswitch_query_cycle_seconds" and ("query", query) in labels
            ),
            default=0.0,
        )

    def _assert_statuses(self, page: dict[Series, float]) -> None:
        """Fail where a target that succeeded has a reason, or one that failed has not just one."""
        status: dict[frozenset[tuple[str, str]], float] = {}
        reasons: dict[frozenset[tuple[str, str]], list[str]] = {}
        for (name, labels), value in page.items():
            if name == "softswitch_query_success":
                status[labels] = value
            if name == "softswitch_query_failure":
                of = dict(labels)
                reason = of.pop("reason")
                reasons.setdefault(frozenset(of.items()), []).append(reason)
        assert {labels for labels, value in status.items() if not value} == reasons.keys()
        assert all(len(told) == 1 for told in reasons.values())

    def _assert_sums(self, page: dict[Series, float], tenants: int) -> None:
        switch = frozenset({("switch", "pbx")})
        own = (*_COUNTED, "softswitch_breaker_open")
        held = [name for name, labels in page if switch <= labels and not name.endswith(own)]
        assert page["softswitch_series", switch] == len(held)
        assert page["softswitch_tenants", switch] == tenants
        states: dict[str, float] = {}
        for (name, labels), value in page.items():
            if name == "softswitch_tenant_extensions":
                states[dict(labels)["tenant"]] = states.get(dict(labels)["tenant"], 0.0) + value
        assert set(states.values()) <= {1.0}, "each tenant has one extension"
        in_flight = self.poller.requests_in_flight
        asked = _sum(page, "softswitch_request_duration_seconds_count")
        assert self.table.asked - in_flight <= asked <= self.table.asked
        # A list that is not believed is counted as a failure; the switch knows nothing of it.
        assert _sum(page, "softswitch_request_failures_total") >= self.table.failed - in_flight


_COUNTED = ("_total", "_count", "_sum", "_bucket")


def _sum(page: dict[Series, float], name: str) -> float:
    return sum(value for (metric, _), value in page.items() if metric == name)


TestPolling = Polling.TestCase
TestPolling.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    phases=[Phase.reuse, Phase.generate],  # to find a shorter story takes minutes
    report_multiple_bugs=False,
)
