import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Failure, Reason
from exporter.net import bodies
from exporter.net.bodies import HUGE, LARGE, BodyBudget, Reservation, coding, unpack
from exporter.threads import ThreadLimit


class _Switch:
    """A switch whose bodies share a place for a large one."""

    def __init__(self, shared: BodyBudget) -> None:
        self._shared = shared
        self._large = asyncio.Semaphore(1)

    def room(self) -> Reservation:
        return Reservation(self._shared, self._large)


async def _waits(room: Reservation, size: int) -> asyncio.Task[None] | None:
    """Return the task that waits for a room of this size, None where it is there at once."""
    task = asyncio.create_task(room.grow(size))
    for _ in range(5):
        await asyncio.sleep(0)
    return None if task.done() else task


@pytest.fixture
def shared() -> BodyBudget:
    """Return what all switches share."""
    return BodyBudget()


async def test_small_bodies_are_not_limited(shared: BodyBudget) -> None:
    """Fifty of them fit at once."""
    switch = _Switch(shared)
    for _ in range(50):
        assert await _waits(switch.room(), LARGE) is None


async def test_one_large_body_per_switch(shared: BodyBudget) -> None:
    """The next one waits until the previous one is decoded; other switches do not wait."""
    switch, other = _Switch(shared), _Switch(shared)
    first, second = switch.room(), switch.room()
    assert await _waits(first, LARGE + 1) is None
    assert await _waits(first, HUGE) is None
    waiting = await _waits(second, LARGE + 1)
    assert waiting is not None
    assert await _waits(other.room(), LARGE + 1) is None

    first.release()
    first.release()
    await waiting
    assert await _waits(switch.room(), LARGE + 1) is not None


async def test_two_huge_bodies_over_all_switches(shared: BodyBudget) -> None:
    """An endless body of one switch does not block the others."""
    rooms = [_Switch(shared).room() for _ in range(3)]
    assert await _waits(rooms[0], HUGE + 1) is None
    assert await _waits(rooms[1], HUGE + 1) is None
    waiting = await _waits(rooms[2], HUGE + 1)
    assert waiting is not None

    rooms[0].release()
    await waiting


async def test_large_bodies_are_decoded_one_at_a_time(shared: BodyBudget) -> None:
    """Threads decode sequentially, and the result is returned."""
    busy = 0

    def work() -> int:
        nonlocal busy
        busy += 1
        assert busy == 1
        sum(range(100_000))
        busy -= 1
        return busy

    def decode() -> int:
        return shared.decode(work)

    assert await asyncio.gather(*(asyncio.to_thread(decode) for _ in range(8))) == [0] * 8


_Result = TypeVar("_Result")
_MIB = 2**20
_RAW = slice(2, -4)
"""What is left of the zlib format without its first and last bytes."""


def _room() -> Reservation:
    return Reservation(BodyBudget(), asyncio.Semaphore(1))


async def _unpacked(body: bytes, named: str = "gzip", limit: int = _MIB) -> bytes | bytearray | Failure:
    return await unpack(body, named, limit, ThreadLimit("test", 1), _room())


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("", ""),
        (" , ", ""),
        ("Identity", ""),
        ("NONE", ""),
        ("utf-8", ""),
        ("GZIP", "gzip"),
        (" x-gzip ", "x-gzip"),
        ("deflate, identity", "deflate"),
    ],
)
def test_coding(header: str, named: str) -> None:
    """Values without meaning are ignored, and case makes no difference."""
    assert coding(header) == named


@pytest.mark.parametrize("header", ["br", "gzip, gzip", "gzip, br", "whatever"])
def test_an_unsupported_coding(header: str) -> None:
    """The failure quotes only known names."""
    failure = coding(header)

    assert isinstance(failure, Failure)
    assert failure.reason is Reason.DECODE
    assert "whatever" not in failure.detail


@given(header=st.text(max_size=20))
def test_any_header(header: str) -> None:
    """Any header gives a known name or a failure."""
    assert isinstance(coding(header), Failure) or coding(header) in {"", *bodies._ZLIB_WINDOWS}


@pytest.mark.parametrize("size", [0, 1, bodies._ON_THE_LOOP, bodies._ON_THE_LOOP + 1, _MIB])
@pytest.mark.parametrize("form", ["gzip", "x-gzip", "deflate", "deflate without its frame"])
async def test_unpack(form: str, size: int) -> None:
    """Both formats are unpacked, up to the exact limit; deflate also without its header."""
    packed = {
        "gzip": gzip.compress(bytes(size)),
        "x-gzip": gzip.compress(bytes(size)) + bytes(10),
        "deflate": zlib.compress(bytes(size)),
        "deflate without its frame": zlib.compress(bytes(size))[_RAW],
    }[form]

    assert await _unpacked(packed, form.split(maxsplit=1)[0]) == bytes(size)


@pytest.mark.parametrize("named", ["gzip", "deflate"])
async def test_a_bomb(named: str) -> None:
    """No more than the limit is unpacked."""
    bomb = gzip.compress(bytes(16 * _MIB)) if named == "gzip" else zlib.compress(bytes(16 * _MIB))
    tracemalloc.start()
    try:
        failure = await _unpacked(bomb, named)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert failure == Failure(Reason.TOO_LARGE, "the response is larger than 1 MiB when unpacked")
    assert most < 4 * _MIB


async def test_large_bodies_are_unpacked_in_a_thread() -> None:
    """Neither a large input nor a large output blocks the event loop."""
    threads: list[str] = []

    class Noting(ThreadLimit):
        async def run(self, work: Callable[[], _Result]) -> _Result:
            threads.append("used")
            return await super().run(work)

    noting = Noting("test", 1)
    await unpack(gzip.compress(bytes(1000)), "gzip", _MIB, noting, _room())
    assert not threads
    await unpack(gzip.compress(bytes(_MIB)), "gzip", _MIB, noting, _room())
    await unpack(gzip.compress(b"1", 0) + bytes(_MIB), "gzip", _MIB, noting, _room())
    assert len(threads) == 2


_PACKED = gzip.compress(b"42")


@pytest.mark.parametrize(
    "body",
    [b"42", _PACKED[:-1], _PACKED + b"9", _PACKED + _PACKED[:-1], _PACKED * 17],
    ids=["plain", "half", "a byte too many", "a half more", "too many members"],
)
@pytest.mark.parametrize("named", ["gzip", "deflate"])
async def test_invalid_data(named: str, body: bytes) -> None:
    """Truncated data and trailing data are failures."""
    failure = await _unpacked(body, named)

    assert failure == Failure(
        Reason.DECODE, f"the response has Content-Encoding {named}, but is not valid {named}"
    )


@pytest.mark.parametrize("between", [b"", bytes(3)])
async def test_several_members(between: bytes) -> None:
    """They are one response (RFC 1952, 2.2), and the limit applies to all of them together."""
    packed = between.join(gzip.compress(bytes(_MIB // 16)) for _ in range(16))

    assert await _unpacked(packed) == bytes(_MIB)
    assert await _unpacked(packed, limit=_MIB - 1) == Failure(
        Reason.TOO_LARGE, "the response is larger than 0 MiB when unpacked"
    )


async def test_an_empty_body() -> None:
    """It is empty, whatever its header states."""
    assert await _unpacked(b"") == b""
