import asyncio
import base64
import threading
from collections.abc import AsyncIterator, Iterable

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.passwords import FairQueue, Passwords, QueueFull, Verdict, credentials

_HASHES = {
    user: bcrypt.hashpw(password, bcrypt.gensalt(4)) for user, password in [(b"a", b"A"), (b"b", b"B")]
}


class _Bcrypt:
    """A bcrypt check that records its arguments and can be paused."""

    def __init__(self) -> None:
        self.checked: list[tuple[bytes, bytes]] = []
        self.resume = threading.Event()
        self.resume.set()

    def __call__(self, password: bytes, known: bytes) -> bool:
        self.checked.append((password, known))
        self.resume.wait(10)
        return bcrypt.checkpw(password, known)


@pytest.fixture
def check() -> _Bcrypt:
    """Return the check of the passwords."""
    return _Bcrypt()


@pytest.fixture
async def passwords(check: _Bcrypt) -> AsyncIterator[Passwords]:
    """Return the users a and b with the passwords A and B."""
    made = Passwords(check)
    made.apply(_HASHES)
    yield made
    check.resume.set()


async def _verdict(passwords: Passwords, user: str, password: str, address: str = "192.0.2.1") -> Verdict:
    return await passwords.verdict((user.encode(), password.encode()), address)


def _try(passwords: Passwords, user: str, password: str, address: str) -> asyncio.Task[Verdict]:
    return asyncio.create_task(_verdict(passwords, user, password, address))


async def _yield() -> None:
    for _ in range(2):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("header", "given"),
    [
        ("Basic YTpiOmM=", (b"a", b"b:c")),
        ("basic  YTpi ", (b"a", b"b")),
        ("BASIC Og==", (b"", b"")),
        ("Basic YWI=", None),
        ("Basic YTp", None),
        ("Basic Y Tpi", None),
        ("Basic é", None),
        ("Basic", None),
        ("Bearer YTpi", None),
        ("", None),
    ],
)
def test_credentials(header: str, given: tuple[bytes, bytes] | None) -> None:
    """The scheme is case-insensitive; the rest must be valid base64 of a pair."""
    assert credentials(header) == given


@given(user=st.binary().filter(lambda user: b":" not in user), password=st.binary())
def test_any_pair_is_decoded(user: bytes, password: bytes) -> None:
    """User and password can be any bytes."""
    encoded = base64.b64encode(user + b":" + password).decode()
    assert credentials(f"Basic {encoded}") == (user, password)


@given(header=st.text() | st.text().map("Basic {}".format) | st.binary().map(lambda b: f"Basic {b!r}"))
def test_untrusted_headers(header: str) -> None:
    """No header raises, and only Basic authentication gives a pair."""
    found = credentials(header)
    assert found is None or header[:6].lower() == "basic "


async def test_a_correct_password_is_checked_once(passwords: Passwords, check: _Bcrypt) -> None:
    """A hundred scrapes cost one check per user, even if the first ones are concurrent."""
    for user in "ab":
        first = [_verdict(passwords, user, user.upper()) for _ in range(4)]
        assert set(await asyncio.gather(*first)) == {Verdict.RIGHT}
        for _ in range(100):
            assert await _verdict(passwords, user, user.upper()) is Verdict.RIGHT
    assert len(check.checked) == 2


@pytest.mark.parametrize(
    ("user", "password"), [("a", "B"), ("a", ""), ("c", "A"), ("c", "B"), ("", ""), ("A", "A")]
)
async def test_a_wrong_password_is_checked_each_time(
    passwords: Passwords, check: _Bcrypt, user: str, password: str
) -> None:
    """An unknown user costs a check, too, and the password of another user does not help."""
    assert await _verdict(passwords, "a", "A") is Verdict.RIGHT
    for _ in range(2):
        assert await _verdict(passwords, user, password) is Verdict.WRONG
    assert len(check.checked) == 3


async def test_an_unknown_user_costs_as_much_as_the_most_expensive(check: _Bcrypt) -> None:
    """The decoy is the hash with the highest cost."""
    made = Passwords(check)
    made.apply({b"a": _HASHES[b"a"], b"b": bcrypt.hashpw(b"B", bcrypt.gensalt(5))})
    await _verdict(made, "nobody", "x")
    assert check.checked[0][1].startswith(b"$2b$05$")


async def test_passwords_that_are_too_long(passwords: Passwords, check: _Bcrypt) -> None:
    """A password of more than 72 bytes is wrong without a check."""
    for user in "ac":
        assert await _verdict(passwords, user, "A" * 73) is Verdict.WRONG
    assert check.checked == []
    assert await _verdict(passwords, "a", "A" * 72) is Verdict.WRONG
    assert len(check.checked) == 1


async def test_the_queue_is_limited_and_known_passwords_skip_it(passwords: Passwords, check: _Bcrypt) -> None:
    """Checks are sequential; 64 wait, shared by the clients; a verified password passes at once."""
    assert await _verdict(passwords, "a", "A") is Verdict.RIGHT
    check.resume.clear()
    crowd = [_try(passwords, "a", f"wrong {n}", f"192.0.2.{n // 10}") for n in range(200)]
    while len([task for task in crowd if task.done()]) < 200 - 64:  # noqa: ASYNC110 -- tasks have no event
        await asyncio.sleep(0)

    assert await _verdict(passwords, "a", "A") is Verdict.RIGHT
    assert not [task for task in crowd if task.done() and task.result() is not Verdict.BUSY]
    assert len(check.checked) <= 2

    check.resume.set()
    verdicts = await asyncio.gather(*crowd)
    by_address = [verdicts[start : start + 10].count(Verdict.WRONG) for start in range(0, 200, 10)]
    assert sum(by_address) == 64
    assert set(by_address) == {3, 4}
    assert len(check.checked) == 65
    assert await _verdict(passwords, "b", "B") is Verdict.RIGHT


@pytest.mark.parametrize(
    ("flood", "address"), [("nobody {}", "192.0.2.1"), ("a", "192.0.2.2")], ids=["same address", "same user"]
)
async def test_a_flood_does_not_block_others(
    flood: str, address: str, passwords: Passwords, check: _Bcrypt
) -> None:
    """Another user of the address, and the same user from another one, wait for at most two checks."""
    check.resume.clear()
    crowd = [_try(passwords, flood.format(n), f"wrong {n}", "192.0.2.1") for n in range(200)]
    await asyncio.sleep(0)
    new = _try(passwords, "b", "B", address)
    await _yield()
    check.resume.set()
    assert await new is Verdict.RIGHT
    assert [password for password, _ in check.checked].index(b"B") <= 2
    await asyncio.gather(*crowd)


async def test_cancelled_requests_leave_the_queue(passwords: Passwords, check: _Bcrypt) -> None:
    """Requests that are cancelled while they wait keep no place and start no check."""
    check.resume.clear()
    for _ in range(20):
        gone = _try(passwords, "a", "wrong", "192.0.2.1")
        await _yield()
        gone.cancel()
        await asyncio.wait([gone])
    check.resume.set()
    assert await _verdict(passwords, "a", "A") is Verdict.RIGHT
    assert len(check.checked) <= 3


async def test_users_are_replaced(passwords: Passwords, check: _Bcrypt) -> None:
    """A user with the same hash stays verified; one with a new hash, or removed, does not."""
    for user in "ab":
        await _verdict(passwords, user, user.upper())
    passwords.apply({b"a": _HASHES[b"a"], b"b": _HASHES[b"a"]})
    assert [await _verdict(passwords, *pair) for pair in ("aA", "bB", "bA")] == [
        Verdict.RIGHT,
        Verdict.WRONG,
        Verdict.RIGHT,
    ]
    assert len(check.checked) == 4
    passwords.apply({b"b": _HASHES[b"a"]})
    assert await _verdict(passwords, "a", "A") is Verdict.WRONG
    passwords.apply({})
    assert not passwords.needed


async def test_a_password_that_changes_during_its_check(passwords: Passwords, check: _Bcrypt) -> None:
    """The old password is wrong even if its check succeeds afterwards."""
    check.resume.clear()
    late = _try(passwords, "a", "A", "192.0.2.1")
    while not check.checked:  # noqa: ASYNC110 -- the thread has no event
        await asyncio.sleep(0)
    passwords.apply({b"a": _HASHES[b"b"]})
    check.resume.set()
    assert await late is Verdict.WRONG
    assert await _verdict(passwords, "a", "A") is Verdict.WRONG


async def test_no_password_is_stored() -> None:
    """Only a digest of a correct password is stored."""
    passwords = Passwords()
    passwords.apply({b"a": bcrypt.hashpw(b"S3CRET-PASSWORD", bcrypt.gensalt(4))})
    assert await _verdict(passwords, "a", "S3CRET-PASSWORD") is Verdict.RIGHT
    assert "S3CRET" not in repr(vars(passwords))


def _join(queue: FairQueue, served: list[str], lanes: Iterable[str]) -> list[asyncio.Task[None]]:
    """Join the queue; the first letter of a lane is the client."""

    async def take(lane: str) -> None:
        async with queue.turn((lane[0], lane)):
            served.append(lane)
            await asyncio.sleep(0)

    return [asyncio.create_task(take(lane)) for lane in lanes]


async def _full(tasks: list[asyncio.Task[None]]) -> list[bool]:
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    return [isinstance(outcome, QueueFull) for outcome in outcomes]


@pytest.mark.parametrize(
    ("lanes", "order"),
    [
        ("a a a a b b c", "a a b c a b a"),  # many places of a client
        ("a1 a1 a2 a3 b1 b1 c1", "a1 a1 b1 c1 a2 b1 a3"),  # many users of a client
    ],
)
async def test_clients_are_served_round_robin(lanes: str, order: str) -> None:
    """A client gets no more turns than others while they wait; its users take turns among themselves."""
    queue, served = FairQueue(size=50, size_per_lane=9), list[str]()
    await asyncio.gather(*_join(queue, served, lanes.split()))
    assert served == order.split()


@pytest.mark.parametrize(
    ("size", "size_per_lane", "lanes", "refused"),
    [
        (50, 2, "a a a b", [2]),  # each lane is limited
        (4, 9, "a a a a b a", [3, 5]),  # a newcomer takes the newest place of the client with the most
        (3, 9, "a a b c", [3]),  # but not of one that would then have fewer than it
        (4, 9, "a1 a2 a3 a4 b1 a5", [1, 5]),  # also of one with many users
    ],
)
async def test_a_full_queue_is_shared(size: int, size_per_lane: int, lanes: str, refused: list[int]) -> None:
    """No client fills it, with however many users."""
    queue, served = FairQueue(size=size, size_per_lane=size_per_lane), list[str]()
    full = await _full(_join(queue, served, lanes.split()))
    assert [place for place, is_refused in enumerate(full) if is_refused] == refused


async def test_a_cancelled_request_has_no_place() -> None:
    """It frees its place while it waits and during its turn, and the next one is served."""
    queue, served = FairQueue(size=2, size_per_lane=9), list[str]()
    for _ in range(3):
        tasks = _join(queue, served, "ab")
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    await asyncio.gather(*_join(queue, served, "cd"))
    assert served[-2:] == ["c", "d"]


async def test_a_cancelled_place_is_skipped_and_free_again() -> None:
    """A client that was cancelled at the end of another turn is not served, and can join again."""
    queue, served, done = FairQueue(size=4, size_per_lane=1), list[str](), asyncio.Event()

    async def occupy() -> None:
        async with queue.turn(("a", "a")):
            await done.wait()

    first = asyncio.create_task(occupy())
    await asyncio.sleep(0)
    for is_last in (False, True):
        (waiting,) = _join(queue, served, "b")
        await asyncio.sleep(0)
        if is_last:
            done.set()
        waiting.cancel()
        await asyncio.wait([waiting])
    await first
    await asyncio.gather(*_join(queue, served, "b"))
    assert served == ["b"]


async def test_an_error_ends_the_turn() -> None:
    """An exception in the context frees the place."""
    queue = FairQueue(size=2, size_per_lane=9)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with queue.turn(("a", "a")):
                raise RuntimeError
