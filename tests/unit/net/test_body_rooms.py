"""However a request ends, the room of its body is free afterwards: else large bodies wait for ever."""

import asyncio
import contextlib
import gzip
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from exporter.cli.probe.findings import QueryRequest
from exporter.cli.probe.runner import open_runner
from exporter.client import open_client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.masking import Mask
from exporter.metrics.self_metrics import Instruments
from exporter.model import Answer, Failure, Query, Reason, Scope, Target
from exporter.net import bodies
from exporter.net.bodies import HUGE, LARGE, Reservation
from exporter.poll import SwitchContext, fetch
from exporter.poll.fetch import Fetcher
from exporter.poll.requests import Item
from exporter.queries import QUERIES
from exporter.request import Operation, Request

_LIMIT = HUGE + 2**20
_ITEM = Item(Target(Query.TENANTS, Scope.SWITCH), Request(Operation.TENANTS))
_SMALL_WHEN_UNPACKED = gzip.compress(b"5") + bytes(400_000)
_GZIP = "Content-Encoding: gzip\r\n"

Configured = Callable[..., SwitchConfiguration]


@pytest.fixture(autouse=True)
def lists_that_are_not_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let lists be no larger than what is huge, or the tests would be slow."""
    tenants = QUERIES[Query.TENANTS]
    assert tenants.switch
    small = replace(tenants, switch=replace(tenants.switch, max_bytes=_LIMIT))
    monkeypatch.setattr(fetch, "QUERIES", {Query.TENANTS: small})


def _context(configuration: SwitchConfiguration) -> SwitchContext:
    instruments = Instruments(CollectorRegistry())
    return SwitchContext(configuration, open_client(configuration), instruments, Mask(), Clock())


@contextlib.asynccontextmanager
async def _switch(body: bytes, more: str = "", length: int | None = None) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                size = len(body) if length is None else length
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n{more}\r\n".encode() + body)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"


@contextlib.asynccontextmanager
async def _asking(url: str, configured: Configured, limit: str = "5s") -> AsyncIterator[SwitchContext]:
    """Give what asks a switch; at the end all places are free, those of threads as soon as these end."""
    context = _context(configured(url=url, timeout=limit))
    client = context.client
    try:
        yield context
    finally:
        await client.session.close()
    assert client._large._value == 1
    assert client.budget.huge._value == 2
    async with asyncio.timeout(5):
        await context.decode_in_thread(int)
        await client._unpacking.run(int)


async def _fetch(context: SwitchContext) -> Answer | Failure:
    unused: Any = None
    return await Fetcher(context, unused, unused).fetch(_ITEM, "k1234567")


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 -- semaphores and threads tell nobody
            await asyncio.sleep(0.005)


async def _cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("body", "more", "length", "reason"),
    [
        (_SMALL_WHEN_UNPACKED, _GZIP, None, Reason.DECODE),
        (gzip.compress(b"5" * (LARGE + 1)), _GZIP, None, Reason.DECODE),
        (gzip.compress(bytes(_LIMIT + 1)), _GZIP, None, Reason.TOO_LARGE),
        (b"nonsense" * 100_000, _GZIP, None, Reason.DECODE),
        (gzip.compress(b"5")[:-1] + bytes(HUGE), _GZIP, None, Reason.DECODE),
        (b"5" * (HUGE + 1), "", None, Reason.DECODE),
        (b"5" * (_LIMIT + 1), "", None, Reason.TOO_LARGE),
        (b"5" * (HUGE + 1), "", _LIMIT, Reason.TIMEOUT),
    ],
    ids=[
        "small when unpacked",
        "large when unpacked",
        "a bomb",
        "bad gzip",
        "bad gzip, huge",
        "plain",
        "too large",
        "no end",
    ],
)
async def test_every_outcome(
    body: bytes, more: str, length: int | None, reason: Reason, configured: Configured
) -> None:
    """Success or failure, several times: none of them leaves a place taken."""
    timeout = "5s" if length is None else "300ms"
    async with _switch(body, more, length) as url, _asking(url, configured, timeout) as context:
        for _ in range(3):
            outcome = await _fetch(context)
            assert isinstance(outcome, Failure)
            assert outcome.reason is reason


@pytest.mark.parametrize("body", [b"5", b"5" * (HUGE + 1)], ids=["on the loop", "in a thread"])
async def test_a_decoder_that_raises(
    body: bytes, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours costs this answer alone."""

    def fail(*_: object) -> None:
        raise KeyError("defect")

    monkeypatch.setattr(fetch, "read_answer", fail)
    async with _switch(body) as url, _asking(url, configured) as context:
        with pytest.raises(KeyError):
            await _fetch(context)


@pytest.mark.parametrize("taken", ["large", "huge"])
@pytest.mark.parametrize(
    ("body", "more"),
    [(b"5" * (HUGE + 1), ""), (_SMALL_WHEN_UNPACKED, _GZIP)],
    ids=["while reading", "before unpacking"],
)
@pytest.mark.parametrize("is_cancelled", [True, False], ids=["cancelled", "timed out"])
async def test_the_end_while_waiting_for_room(
    taken: str,
    body: bytes,
    more: str,
    is_cancelled: bool,  # noqa: FBT001 -- a table
    configured: Configured,
) -> None:
    """Who gives up waiting holds nothing, not even the first of two places."""
    async with _switch(body, more) as url, _asking(url, configured, "300ms") as context:
        client = context.client
        with contextlib.ExitStack() as stack:
            places = [client._large] if taken == "large" else [asyncio.Semaphore(1) for _ in range(2)]
            for large in places:
                room = stack.enter_context(Reservation(client.budget, large))
                await room.grow(LARGE + 1 if taken == "large" else HUGE + 1)
            scarce = client._large if taken == "large" else client.budget.huge
            task = asyncio.create_task(_fetch(context))
            await _until(lambda: bool(scarce._waiters))
            if is_cancelled:
                await _cancelled(task)
            else:
                outcome = await task
                assert isinstance(outcome, Failure)
                assert outcome.reason is Reason.TIMEOUT


@pytest.mark.parametrize("where", ["unpacking", "decoding"])
async def test_cancelled_in_a_thread(
    where: str, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread ends when it is done, and the room is free at once."""
    began, go_on = threading.Event(), threading.Event()

    def hang(*_: object) -> bytes:
        began.set()
        go_on.wait(5)
        return b""

    if where == "unpacking":
        monkeypatch.setattr(bodies, "_unpack", hang)
        body, more = _SMALL_WHEN_UNPACKED, _GZIP
    else:
        monkeypatch.setattr(fetch, "read_answer", hang)
        body, more = b"5" * (HUGE + 1), ""
    async with _switch(body, more) as url, _asking(url, configured) as context:
        task = asyncio.create_task(_fetch(context))
        await _until(began.is_set)
        await _cancelled(task)
        assert not context.client._large.locked()
        assert context.client.budget.huge._value == 2
        go_on.set()


async def test_a_defect_beside_the_client(configured: Configured) -> None:
    """Whoever asks, and whatever is raised while the body is at hand."""
    async with _switch(b"5" * (HUGE + 1)) as url, _asking(url, configured) as context:

        async def use(do: Callable[[], Awaitable[object]]) -> None:
            async with context.client.ask(_ITEM.request, "k1234567", max_bytes=64 * 2**20):
                assert context.client._large.locked()
                await do()

        with pytest.raises(asyncio.InvalidStateError):
            await use(lambda: _raising(asyncio.InvalidStateError()))
        with pytest.raises(OSError, match="of another file"):
            await use(lambda: _raising(OSError("of another file")))
        await use(lambda: asyncio.sleep(0))


async def _raising(error: Exception) -> None:
    raise error


async def test_the_probe(configured: Configured) -> None:
    """It asks for one large list after the other."""
    async with _switch(b"5" * (HUGE + 1)) as url:
        switch = configured(url=url, timeout="5s", key="k1234567")
        async with open_runner(switch, Mask()) as probing:
            question = QueryRequest(Query.TENANTS, _ITEM.request)
            for _ in range(3):
                finding = await probing._finding(question, "k1234567")
                assert isinstance(finding.verdict, Failure)
                assert finding.verdict.reason is Reason.DECODE
