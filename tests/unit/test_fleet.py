import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from exporter.clock import Clock
from exporter.config import Configuration, load
from exporter.errors import StartError
from exporter.fleet import Fleet
from exporter.masking import Mask
from exporter.metrics import catalogue
from exporter.metrics.exposition import Source
from exporter.metrics.self_metrics import Instruments
from exporter.model import Failure, Query, Scope, Target
from exporter.net.resolver import Resolver
from exporter.request import Operation, Request
from exporter.schedule import Schedule
from exporter.store import Store
from tests.certificates import Authority
from tests.e2e.full_configuration import configuration
from tests.served import samples

_CALLS = Target(Query.CALLS, Scope.TENANT, "A")


class _Idle(Schedule):
    """A schedule that knows its jobs and runs none: nothing is asked behind a test's back."""

    def __init__(self) -> None:
        super().__init__(Clock())
        self._names: set[str] = set()
        self.restarted: list[str] = []

    @property
    def names(self) -> set[str]:
        return set(self._names)

    def ensure(self, name: str, run: object, period: object) -> None:
        self._names.add(name)

    def remove(self, name: str) -> None:
        self._names.remove(name)

    def run_now(self, name: str) -> None:
        self.restarted.append(name)


@dataclass
class _Adopting:
    """A fleet, and what it works with."""

    fleet: Fleet
    schedule: _Idle
    instruments: Instruments
    mask: Mask
    file: Path

    async def adopt(self, *switches: dict[str, Any]) -> None:
        await self.fleet.adopt(self.read(*switches))

    def read(self, *switches: dict[str, Any]) -> Configuration:
        self.file.write_text(configuration(*switches))
        return load(self.file, {})

    def store(self, name: str) -> Store:
        return next(poller.store for poller in self.fleet.pollers if poller.store.switch == name)

    def counted(self) -> set[str]:
        """Return the switches of which anything is counted or measured."""
        return {sample.labels["switch"] for sample in samples(self.instruments) if "switch" in sample.labels}


@pytest.fixture
async def adopting(tmp_path: Path) -> AsyncIterator[_Adopting]:
    """Return a fleet without any switch."""
    clock, instruments, mask = Clock(), Instruments(CollectorRegistry()), Mask()
    schedule = _Idle()
    fleet = Fleet(schedule, instruments, mask, clock)
    yield _Adopting(fleet, schedule, instruments, mask, tmp_path / "config.yaml")
    await fleet.stop()


def _switch(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "url": "http://127.0.0.1:9/api", "key": "admin-key", **more}


async def test_switches_and_their_sources(adopting: _Adopting) -> None:
    """In the order of the configuration, also after a reload; a removed switch has no source."""
    fleet = adopting.fleet
    assert fleet.switches == []
    await adopting.adopt(_switch("b"), _switch("a"), _switch("c"))

    assert fleet.switches == ["b", "a", "c"]
    assert [poller.store.switch for poller in fleet.pollers] == ["b", "a", "c"]
    assert _switches_in(fleet.sources()) == {"a", "b", "c"}
    assert _switches_in(fleet.sources({"a", "c"})) == {"a", "c"}
    assert _switches_in(fleet.sources(set())) == set()

    await adopting.adopt(_switch("d"), _switch("b"))
    assert fleet.switches == ["d", "b"]
    assert _switches_in(fleet.sources({"a", "b"})) == {"b"}


async def test_a_scrape_updates_only_its_switches(adopting: _Adopting) -> None:
    """With a hundred switches, each scrape would otherwise update a hundred stores."""
    await adopting.adopt(_switch("a", tenants=[{"code": "A"}]), _switch("b"))
    store = adopting.store("a")
    store.put(_CALLS, {catalogue.TENANT_CALLS: 1}, interval=120, now=-1e6)

    adopting.fleet.sources({"b"})
    assert store.values(catalogue.TENANT_CALLS, "A") == 1
    adopting.fleet.sources({"a"})
    assert store.values(catalogue.TENANT_CALLS, "A") is None


def _switches_in(sources: Sequence[Source]) -> set[str]:
    return {sample.labels["switch"] for sample in samples(*sources)}


async def test_jobs(adopting: _Adopting) -> None:
    """One per query and scope, never one per tenant, and none for a disabled query."""
    tenants = [{"code": "A"}, {"code": "B"}]
    await adopting.adopt(_switch("pbx", tenants=tenants))
    assert adopting.schedule.names == {
        "pbx peers switch",
        "pbx channels switch",
        "pbx channels tenant",
        "pbx calls switch",
        "pbx calls tenant",
        "pbx license switch",
        "pbx balance tenant",
        "pbx retry",
    }

    await adopting.adopt(_switch("pbx", queries={"license": {"interval": "off"}}), _switch("pbx peers"))
    assert adopting.schedule.names == {
        *("pbx peers switch", "pbx channels switch", "pbx calls switch", "pbx retry"),
        *("pbx peers peers switch", "pbx peers channels switch", "pbx peers calls switch"),
        *("pbx peers license switch", "pbx peers retry"),
    }


async def test_jobs_and_intervals_change_together(adopting: _Adopting) -> None:
    """While many tenants are added, no job is left without an interval."""
    before = [{"code": "A"}]
    after = [{"code": f"T{number}"} for number in range(200)]
    await adopting.adopt(_switch("pbx", tenants=before, queries={"limits": {"tenant_interval": "1h"}}))
    reading = adopting.read(_switch("pbx", tenants=after))
    reload = asyncio.create_task(adopting.fleet.adopt(reading))
    (poller,) = adopting.fleet.pollers

    turns = 0
    while not reload.done():
        await asyncio.sleep(0)
        polled = {f"pbx {query} {scope}" for query, scope in poller.jobs}
        assert adopting.schedule.names == polled | {"pbx retry"}
        turns += 1

    await reload
    assert turns > 5


async def test_reload_keeps_values(adopting: _Adopting) -> None:
    """Except those that the new configuration drops: of a tenant, or of a query."""
    await adopting.adopt(_switch("pbx", tenants=[{"code": "A"}, {"code": "B"}]))
    store = adopting.store("pbx")
    balance = Target(Query.BALANCE, Scope.TENANT, "A")
    other = Target(Query.CALLS, Scope.TENANT, "B")
    store.put(_CALLS, {catalogue.TENANT_CALLS: 3}, interval=120, now=0)
    store.put(other, {catalogue.TENANT_CALLS: 3}, interval=120, now=0)
    store.put(balance, {catalogue.TENANT_BALANCE: 5}, interval=300, now=0)
    for target in (_CALLS, other, balance):
        store.record(target, None, now=0, wall=0)

    await adopting.adopt(_switch("pbx", url="http://127.0.0.1:9/other", tenants=[{"code": "A"}]))

    assert adopting.store("pbx") is store
    assert store.values(catalogue.TENANT_CALLS, "A") == 3
    assert store.values(catalogue.TENANT_CALLS, "B") is None
    assert set(store.attempts) == {_CALLS, balance}
    assert store.values(catalogue.TENANTS) == 1

    off = {"calls": {"tenant_interval": "off"}}
    await adopting.adopt(_switch("pbx", tenants=[{"code": "A"}], queries=off))

    assert store.values(catalogue.TENANT_CALLS, "A") is None
    assert store.values(catalogue.QUERY_SUCCESS, "A", Query.CALLS) is None
    assert store.values(catalogue.QUERY_INTERVAL, "", "calls tenant") is None
    assert store.values(catalogue.QUERY_INTERVAL, "", "calls switch") == 30
    assert store.values(catalogue.TENANT_BALANCE, "A") == 5
    assert set(store.attempts) == {balance}


async def test_removed_switch(adopting: _Adopting) -> None:
    """No poller, job or counter of it is left."""
    await adopting.adopt(_switch("stays"), _switch("leaves"))
    assert adopting.counted() == {"stays", "leaves"}

    await adopting.adopt(_switch("stays"))

    assert [poller.store.switch for poller in adopting.fleet.pollers] == ["stays"]
    assert not [name for name in adopting.schedule.names if name.startswith("leaves ")]
    assert adopting.counted() == {"stays"}


async def test_sweeps_of_a_removed_switch_end(adopting: _Adopting) -> None:
    """Even one that is spread over hours; nothing is sent on a closed connection."""
    tenants = [{"code": f"T{number}"} for number in range(100)]
    await adopting.adopt(_switch("stays"), _switch("leaves", tenants=tenants))
    leaving = adopting.fleet.pollers[1]
    sweep = asyncio.create_task(leaving.sweep(Query.BALANCE, Scope.TENANT))
    await asyncio.sleep(0.05)
    assert not sweep.done()

    await adopting.adopt(_switch("stays"))

    async with asyncio.timeout(1):
        await sweep
    assert leaving.requests_in_flight == 0
    assert adopting.counted() == {"stays"}


@pytest.mark.parametrize("has_admin_key", [True, False])
async def test_tenant_removed_during_a_sweep(
    has_admin_key: bool,  # noqa: FBT001 -- a table
    adopting: _Adopting,
) -> None:
    """The sweep continues, even if the tenant's key was the only one."""
    tenants = [{"code": f"T{number}", "key": "key-of-all"} for number in range(4)]
    settings = _switch("pbx", max_requests_per_second=100, queries={"balance": {"tenant_interval": "400ms"}})
    if not has_admin_key:
        del settings["key"]
    await adopting.adopt({**settings, "tenants": tenants})
    (poller,) = adopting.fleet.pollers
    sweep = asyncio.create_task(poller.sweep(Query.BALANCE, Scope.TENANT))
    await asyncio.sleep(0)

    await adopting.adopt({**settings, "tenants": [tenants[0], tenants[3]]})
    async with asyncio.timeout(5):
        await sweep
        while poller.requests_in_flight:  # noqa: ASYNC110 -- a poller tells nobody that it is idle
            await asyncio.sleep(0.01)

    assert {target.tenant for target in poller.store.attempts} == {"T0", "T3"}


async def test_invalid_tls_files(adopting: _Adopting, authority: Authority) -> None:
    """The reload fails, and nothing changes."""
    await adopting.adopt(_switch("pbx"))
    stays = adopting.fleet.pollers
    file = authority.certificate
    behind_tls = _switch("pbx", url="https://127.0.0.1:9/", tls={"ca_file": str(file)})
    configured = adopting.read(_switch("new"), behind_tls)
    file.write_text("not a certificate")

    with pytest.raises(StartError, match="switch pbx"):
        await adopting.fleet.adopt(configured)

    assert adopting.fleet.pollers == stays


async def test_secrets_are_masked(adopting: _Adopting) -> None:
    """Keys of switches and tenants, and passwords in URLs."""
    await adopting.adopt(
        _switch(
            "pbx",
            key="k-admin",
            proxy_url="http://u:p-proxy@127.0.0.1:1",
            tenants=[{"code": "A", "key": "k-a"}],
        )
    )

    assert adopting.mask("k-admin k-a p-proxy") == "*** *** ***"


async def test_after_a_gap(adopting: _Adopting) -> None:
    """Missed sweeps start at once, after a long one on new connections."""
    queries = {"license": {"interval": "9h"}, "calls": {"interval": "5s"}}
    await adopting.adopt(_switch("pbx", queries=queries), _switch("other"))
    before = [poller.client for poller in adopting.fleet.pollers]

    adopting.schedule.on_gap(6)
    assert adopting.schedule.restarted == ["pbx calls switch"]
    await asyncio.sleep(0)
    assert [poller.client for poller in adopting.fleet.pollers] == before

    adopting.schedule.restarted.clear()
    adopting.schedule.on_gap(8 * 3600)
    due = [f"{name} {query} switch" for name in ("pbx", "other") for query in ("peers", "channels", "calls")]
    assert sorted(adopting.schedule.restarted) == sorted([*due, "other license switch"])
    async with asyncio.timeout(5):
        while not all(client.session.closed for client in before):  # noqa: ASYNC110 -- it is done aside
            await asyncio.sleep(0.01)
    after = [poller.client for poller in adopting.fleet.pollers]
    assert not [client for client in after if client.session.closed or client in before]


async def test_failed_reconnect_after_a_gap(adopting: _Adopting, authority: Authority) -> None:
    """A missing certificate is logged, and polling continues."""
    await adopting.adopt(
        _switch("pbx", url="https://127.0.0.1:9/api", tls={"ca_file": str(authority.certificate)})
    )
    (poller,) = adopting.fleet.pollers
    before = poller.client
    authority.certificate.write_text("not a certificate")

    with structlog.testing.capture_logs() as log:
        adopting.schedule.on_gap(3600)
        async with asyncio.timeout(5):
            while not log:  # noqa: ASYNC110 -- a log tells nobody
                await asyncio.sleep(0.01)

    assert [line["event"] for line in log] == ["could not reconnect after a gap"]
    assert poller.client is before
    assert not before.session.closed


async def test_reload_keeps_resolved_addresses(tmp_path: Path) -> None:
    """If name servers fail after a reload, the last address is used."""
    answers: list[list[tuple[Any, ...]]] = [[(2, 1, 6, "", ("127.0.0.1", 0))]]

    def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        if not answers:
            raise OSError(None, "no name server answers")
        return answers.pop()

    now = [0.0]
    resolver = Resolver(lookup, lambda: now[0])
    fleet = Fleet(_Idle(), Instruments(CollectorRegistry()), Mask(), Clock(), resolver)
    file = tmp_path / "config.yaml"
    file.write_text("switches: [{name: pbx, url: 'http://pbx.test:9/api', key: k1234567, timeout: 5s}]")
    details = []
    for _ in range(2):
        await fleet.adopt(load(file, {}))
        request = Request(Operation.COUNT_CALLS)
        async with fleet.pollers[0].client.send(request, "k1234567", max_bytes=1000) as outcome:
            assert isinstance(outcome, Failure)
            details.append(outcome.detail)
        now[0] += 60
    await fleet.stop()

    assert not answers
    assert details == ["no connection: Connection refused"] * 2


async def test_standing_by(adopting: _Adopting) -> None:
    """Nothing is left of a switch: no job, no poller, no counter. After that, it can be polled again."""
    await adopting.adopt(_switch("a"), _switch("b"))
    (memory, _) = adopting.fleet.memories.values()
    jobs = adopting.schedule.names

    await adopting.fleet.stand_by()
    assert (adopting.schedule.names, adopting.counted(), [*adopting.fleet.pollers]) == (set(), set(), [])
    assert adopting.fleet.switches == ["a", "b"]  # Prometheus keeps its targets
    assert memory.version >= 0  # what it remembers can still be written

    await adopting.adopt(_switch("a"), _switch("b"))
    assert adopting.schedule.names == jobs
    assert adopting.counted() == {"a", "b"}


async def test_a_check_changes_nothing(adopting: _Adopting, authority_of_module: Authority) -> None:
    """It hides the keys of the configuration, and finds TLS files that cannot be used.

    Only the names of the switches are used, so that service discovery lists them.
    """
    await adopting.fleet.check(adopting.read(_switch("a", key="hidden-from-now-on")))
    assert adopting.mask("hidden-from-now-on") == "***"
    assert (adopting.schedule.names, [*adopting.fleet.pollers]) == (set(), [])
    assert adopting.fleet.switches == ["a"]

    authority = adopting.file.with_name("authority.pem")
    shutil.copy(authority_of_module.certificate, authority)
    secured = _switch("a", url="https://127.0.0.1:9/api", tls={"ca_file": str(authority)})
    read = adopting.read(secured)
    authority.unlink()
    with pytest.raises(StartError, match="switch a: tls"):
        await adopting.fleet.check(read)
