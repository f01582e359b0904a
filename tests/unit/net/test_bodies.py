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


async def test_small_bodies_pass_freely(shared: BodyBudget) -> None:
    """However many there are."""
    switch = _Switch(shared)
    for _ in range(50):
        assert await _waits(switch.room(), LARGE) is None


async def test_one_large_body_of_a_switch_at_a_time(shared: BodyBudget) -> None:
    """The next one waits until the one before is decoded, and other switches do not."""
    switch, other = _Switch(shared), _Switch(shared)
    first, second = switch.room(), switch.room()
    assert await _waits(first, LARGE + 1) is None
    assert await _waits(first, HUGE) is None
    waiting = await _waits(second, LARGE + 1)
    assert waiting is not None
    assert await _waits(other.room(), LARGE + 1) is None

    first.__exit__(None, None, None)
    first.__exit__(None, None, None)
    await waiting
    assert await _waits(switch.room(), LARGE + 1) is not None


async def test_two_huge_bodies_of_all_switches_at_a_time(shared: BodyBudget) -> None:
    """One switch that sends for ever cannot keep the others from theirs."""
    rooms = [_Switch(shared).room() for _ in range(3)]
    assert await _waits(rooms[0], HUGE + 1) is None
    assert await _waits(rooms[1], HUGE + 1) is None
    waiting = await _waits(rooms[2], HUGE + 1)
    assert waiting is not None

    rooms[0].__exit__(None, None, None)
    await waiting


async def test_who_gives_up_waiting_holds_nothing(shared: BodyBudget) -> None:
    """A request that times out while it waits leaves its room to the next."""
    switch = _Switch(shared)
    first, second, third = switch.room(), switch.room(), switch.room()
    assert await _waits(first, HUGE + 1) is None
    waiting = await _waits(second, HUGE + 1)
    assert waiting is not None
    waiting.cancel()
    await asyncio.wait([waiting])
    second.__exit__(None, None, None)

    first.__exit__(None, None, None)
    assert await _waits(third, HUGE + 1) is None


async def test_large_bodies_are_decoded_one_at_a_time(shared: BodyBudget) -> None:
    """In whichever threads: what the work returns is returned."""
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
    """What means nothing is left out, and the case of letters does not matter."""
    assert coding(header) == named


@pytest.mark.parametrize("header", ["br", "gzip, gzip", "gzip, br", "whatever"])
def test_a_coding_that_cannot_be_undone(header: str) -> None:
    """It is a failure that says so, and repeats known names alone."""
    failure = coding(header)

    assert isinstance(failure, Failure)
    assert failure.reason is Reason.DECODE
    assert "whatever" not in failure.detail


@given(header=st.text(max_size=20))
def test_any_header(header: str) -> None:
    """Whatever a server writes there, the outcome is a known name or a failure."""
    assert isinstance(coding(header), Failure) or coding(header) in {"", *bodies._ZLIB_WINDOWS}


@pytest.mark.parametrize("size", [0, 1, bodies._ON_THE_LOOP, bodies._ON_THE_LOOP + 1, _MIB])
@pytest.mark.parametrize("form", ["gzip", "x-gzip", "deflate", "deflate without its frame"])
async def test_unpack(form: str, size: int) -> None:
    """Both formats are undone, up to the limit to the byte; deflate also as some servers mean it."""
    packed = {
        "gzip": gzip.compress(bytes(size)),
        "x-gzip": gzip.compress(bytes(size)) + bytes(10),
        "deflate": zlib.compress(bytes(size)),
        "deflate without its frame": zlib.compress(bytes(size))[_RAW],
    }[form]

    assert await _unpacked(packed, form.split(maxsplit=1)[0]) == bytes(size)


@pytest.mark.parametrize("named", ["gzip", "deflate"])
async def test_a_bomb(named: str) -> None:
    """Of what grows a thousandfold no more than the limit is unpacked."""
    bomb = gzip.compress(bytes(16 * _MIB)) if named == "gzip" else zlib.compress(bytes(16 * _MIB))
    tracemalloc.start()
    try:
        failure = await _unpacked(bomb, named)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert failure == Failure(Reason.TOO_LARGE, "the response is larger than 1 MiB when unpacked")
    assert most < 4 * _MIB


async def test_what_is_large_is_unpacked_in_a_thread() -> None:
    """The event loop is not held up, neither by much that comes out nor by much that goes in."""
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
async def test_what_is_not_valid(named: str, body: bytes) -> None:
    """Half an answer, and what is followed by something else, is a failure."""
    failure = await _unpacked(body, named)

    assert failure == Failure(
        Reason.DECODE, f"the response has Content-Encoding {named}, but is not valid {named}"
    )


@pytest.mark.parametrize("between", [b"", bytes(3)])
async def test_several_members(between: bytes) -> None:
    """They are one answer (RFC 1952, 2.2), as curl reads it, and the limit is for all of them."""
    packed = between.join(gzip.compress(bytes(_MIB // 16)) for _ in range(16))

    assert await _unpacked(packed) == bytes(_MIB)
    assert await _unpacked(packed, limit=_MIB - 1) == Failure(
        Reason.TOO_LARGE, "the response is larger than 0 MiB when unpacked"
    )


async def test_several_members_of_deflate() -> None:
    """Only gzip has them."""
    failure = await _unpacked(zlib.compress(b"4") * 2, "deflate")

    assert isinstance(failure, Failure)
    assert failure.reason is Reason.DECODE


async def test_nothing() -> None:
    """An empty body is empty, whatever its header says."""
    assert await _unpacked(b"") == b""
