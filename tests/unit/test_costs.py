"""What work grows with, in counts that do not depend on the machine: docs/performance.md has the seconds."""

import asyncio
import contextlib
import gc
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from yarl import URL

from benchmarks.stores import answer, filled
from exporter.client import Client
from exporter.clock import Clock
from exporter.config import Key, SwitchConfiguration
from exporter.masking import Mask
from exporter.metrics.catalogue import METRICS
from exporter.metrics.exposition import SLICE_BYTES, Exposition, Format
from exporter.metrics.self_metrics import Instruments
from exporter.model import Query, Scope
from exporter.poll import Poller, SwitchContext
from exporter.request import Request
from exporter.store import Store

_FEW, _MANY = 2_000, 20_000
"""Series."""


def _calls(work: Callable[[], object]) -> Counter[str]:
    """Return how many functions of Python (`call`) and of C (`c_call`) it calls."""
    events: Counter[str] = Counter()

    def note(_: FrameType, event: str, __: object) -> None:
        events[event] += 1

    with _profiled(note):
        work()
    return events


@contextlib.contextmanager
def _called() -> Iterator[Counter[CodeType]]:
    """Count how often each function of Python runs, or goes on after it has waited."""
    calls: Counter[CodeType] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        calls[frame.f_code] += event == "call"

    with _profiled(note):
        yield calls


@contextlib.contextmanager
def _profiled(note: Callable[[FrameType, str, object], None]) -> Iterator[None]:
    gc.disable()  # what is collected may call functions: those of other tests
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)
        gc.enable()


@pytest.fixture(scope="module")
def stores() -> dict[int, Store]:
    """Return a store with few series and one with many."""
    return {size: filled(size)[0] for size in (_FEW, _MANY)}


def _exposition(store: Store) -> Exposition:
    return Exposition(lambda: [store], CollectorRegistry(), lambda: None)


def test_what_a_scrape_shows_is_noted_down_at_once(stores: dict[int, Store]) -> None:
    """However many series there are, as much is done until it is fixed what is served."""
    calls = [_calls(partial(_exposition(store).render, Format.TEXT))["call"] for store in stores.values()]

    assert calls[0] == calls[1] < 500


def test_a_scrape_calls_nothing_for_a_series(stores: dict[int, Store]) -> None:
    """Python is run for each slice; for a block of lines there are two calls into C, for a line none."""
    blocks, calls, c_calls = [], [], []
    for store in stores.values():
        page = _exposition(store)
        slices = page.render(Format.TEXT)
        made = _calls(partial(list, slices))
        blocks.append(sum(len(lines) for metric in METRICS for lines in store.sample_lines(metric)))
        calls.append(made["call"])
        c_calls.append(made["c_call"])

    assert blocks[1] > 9 * blocks[0]
    assert c_calls[1] - c_calls[0] < 2.2 * (blocks[1] - blocks[0])
    assert calls[1] - calls[0] <= 1 + stores[_MANY].series * 100 / SLICE_BYTES


def test_a_scrape_copies_a_slice_at_a_time(stores: dict[int, Store]) -> None:
    """A page of megabytes is never in memory as a whole: beside the kept lines there is one slice."""
    page = _exposition(stores[_MANY])
    tracemalloc.start()
    try:
        size = sum(map(len, page.render(Format.TEXT)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size > 4 * SLICE_BYTES
    assert peak < 2.2 * SLICE_BYTES


def test_an_answer_costs_the_same_among_few_and_many(stores: dict[int, Store]) -> None:
    """Taking in a tenant's answers calls as much, whatever else is held."""
    for store in stores.values():
        answer(store, "T00001", 6)  # a scrape of another test may have borrowed what is to change
    few, many = (_calls(partial(answer, store, "T00001", 7)) for store in stores.values())

    assert few == many


class _Answering(Client):
    """Answers without a network."""

    @contextlib.asynccontextmanager
    async def ask(self, request: Request, key: str, *, max_bytes: int) -> AsyncIterator[bytes]:
        del request, key, max_bytes
        yield b"3"


def _poller(configured: Callable[..., SwitchConfiguration], tenants: int, **more: Any) -> Poller:
    """Return a poller that asks so many tenants as fast as it can."""
    configuration = configured(
        max_requests_per_second=10_000,
        queries={query: {"tenant_interval": "10ms"} for query in ("channels", "calls", "balance")},
        tenants=[{"code": f"T{number}"} for number in range(tenants)],
        **more,
    )
    return Poller(
        SwitchContext(
            configuration,
            _Answering(None, URL(), 1, None, None, None),  # type: ignore[arg-type]  # it has no session
            Instruments(CollectorRegistry()),
            Mask(),
            Clock(),
        )
    )


async def _sweep(poller: Poller, query: Query) -> None:
    await poller.sweep(query, Scope.TENANT)
    while poller.requests_in_flight:  # noqa: ASYNC110 -- a poller tells nobody that it is idle
        await asyncio.sleep(0)


@pytest.mark.parametrize("tenants", [20, 200])
async def test_a_sweep_makes_one_task_for_a_request(
    tenants: int, configured: Callable[..., SwitchConfiguration]
) -> None:
    """And one for itself: nothing waits in a task for its turn."""
    made: list[asyncio.Task[Any]] = []

    def note(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        made.append(asyncio.Task(work, loop=loop, **more))
        return made[-1]

    poller = _poller(configured, tenants)
    asyncio.get_running_loop().set_task_factory(note)

    await _sweep(poller, Query.CALLS)

    assert len(made) == tenants + 1
    assert len(poller.store.attempts) == tenants


async def test_no_request_looks_at_the_key_file(
    configured: Callable[..., SwitchConfiguration], tmp_path: Path
) -> None:
    """A disk that takes seconds to answer slows no request: key files are read in a thread, by themselves."""
    file = tmp_path / "key"
    file.write_text("secret")
    poller = _poller(configured, 100, key=None, key_file=str(file))

    with _called() as called:
        await _sweep(poller, Query.BALANCE)

    assert len(poller.store.attempts) == 100
    assert called[Key.current.__code__] >= 100
    assert called[Key.reload.__code__] == 0


def test_the_daemon_loads_no_template() -> None:
    """Only who opens the status page pays for it: that is a fifth of what a start costs."""
    code = "import sys, exporter.cli.daemon; sys.exit('jinja2' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
