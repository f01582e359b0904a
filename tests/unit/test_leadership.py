import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from exporter.activity import Activity, State
from exporter.clock import Clock
from exporter.config import LeaseConfiguration
from exporter.election import Lease, LeaseApi, LeaseProblem
from exporter.errors import StartError
from exporter.leadership import Leadership
from exporter.metrics.self_metrics import Instruments
from exporter.storage.timeline import Timeline

_LEASE = LeaseConfiguration.model_validate({"name": "one", "namespace": "ns", "duration": "5s"})


class _Api:
    """A Lease that only this exporter uses."""

    name = "ns/one"

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.is_closed = False

    async def read(self) -> Lease | None:
        return self.lease

    async def write(self, lease: Lease) -> Lease:
        self.lease = lease
        return lease

    async def close(self) -> None:
        self.is_closed = True


class _Told:
    """A leadership, and what it does."""

    def __init__(self) -> None:
        clock = Clock()
        self.registry = CollectorRegistry()
        instruments = Instruments(self.registry)
        self.activity = Activity(instruments, Timeline(clock), clock, "mon-1")
        self.apis: list[_Api] = []
        self.states: list[State] = []
        self.error: Exception | None = None
        self.is_current: list[Callable[[], bool]] = []
        self.may_switch = asyncio.Event()
        self.may_switch.set()
        self.leadership = Leadership(self.activity, instruments, clock, self._connect, "me")

    async def _connect(self, _: LeaseConfiguration) -> LeaseApi:
        self.apis.append(_Api())
        return self.apis[-1]

    async def switch(self, state: State, reason: str, is_current: Callable[[], bool]) -> None:
        self.is_current.append(is_current)
        await self.may_switch.wait()
        self.states.append(state)
        if self.error:
            raise self.error
        self.activity.change(state, reason)

    async def follow(self, lease: LeaseConfiguration | None) -> None:
        await self.leadership.follow(lease, await self.leadership.open(lease), self.switch)

    def metric(self, name: str) -> list[str]:
        lines = generate_latest(self.registry).decode().splitlines()
        return [line for line in lines if line.startswith(f"softswitch_exporter_lease_{name}")]


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- no event tells it
            await asyncio.sleep(0.01)


@pytest.fixture
async def told() -> AsyncIterator[_Told]:
    """Return a leadership without a Lease."""
    made = _Told()
    yield made
    await made.leadership.stop()


async def test_without_a_lease(told: _Told) -> None:
    """Nothing decides, no request has to wait, and there is no metric."""
    await told.follow(None)
    assert told.leadership.decided_by == ""
    assert told.leadership.hold() is None
    assert told.metric("") == []


async def test_holding_the_lease(told: _Told) -> None:
    """The exporter polls, says who holds the Lease, and frees it at the end."""
    await told.follow(_LEASE)
    await _until(lambda: told.states)
    assert told.states == [State.ACTIVE]
    assert told.leadership.decided_by == "The Lease ns/one"
    assert (told.activity.holder, told.activity.lease_reachable) == ("me", True)
    assert told.metric("reachable") == ["softswitch_exporter_lease_reachable 1.0"]
    assert len(told.metric("failures_total{")) == len(LeaseProblem)
    assert told.leadership.hold() is None

    await told.leadership.stop()
    (api,) = told.apis
    assert api.lease is not None
    assert (api.lease.holder, api.is_closed) == ("", True)


async def test_another_lease(told: _Told) -> None:
    """The first one is free before the second one is read. Without any, the metrics end."""
    other = _LEASE.model_copy(update={"name": "two"})
    await told.follow(_LEASE)
    assert told.leadership.is_new(other)
    assert not told.leadership.is_new(_LEASE)
    await _until(lambda: told.states)
    await told.follow(other)
    assert [api.is_closed for api in told.apis] == [True, False]
    await told.follow(None)
    assert told.metric("reachable") == []
    assert (told.activity.holder, told.activity.lease_reachable) == (None, None)


async def test_what_cannot_be_polled(told: _Told) -> None:
    """The exporter frees the Lease, so that another one takes it."""
    told.error = StartError("switch pbx: tls: no file")
    await told.follow(_LEASE)
    await _until(lambda: told.apis[0].lease is not None and told.apis[0].lease.holder == "")
    assert told.states[0] is State.ACTIVE


async def test_a_switch_that_a_reload_has_overtaken(told: _Told) -> None:
    """What the Lease decided before a reload removed it has no effect after that."""
    told.may_switch.clear()
    await told.follow(_LEASE)
    await _until(lambda: told.is_current)
    assert told.is_current[0]()
    await told.follow(None)
    assert not told.is_current[0]()
