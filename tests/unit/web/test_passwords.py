import asyncio
import base64
import threading
from collections.abc import AsyncIterator

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.passwords import FairQueue, Passwords, QueueFull, Verdict, credentials

_HASHES = {
    user: bcrypt.hashpw(password, bcrypt.gensalt(4)) for user, password in [(b"a", b"A"), (b"b", b"B")]
}


class _Bcrypt:
    """Checks as bcrypt does, counts, and waits where it is told to."""

    def __init__(self) -> None:
        self.checked: list[tuple[bytes, bytes]] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, password: bytes, known: bytes) -> bool:
        self.checked.append((password, known))
        self.go_on.wait(10)
        return bcrypt.checkpw(password, known)


@pytest.fixture
def check() -> _Bcrypt:
    """Return the check that the passwords are checked with."""
    return _Bcrypt()


@pytest.fixture
async def passwords(check: _Bcrypt) -> AsyncIterator[Passwords]:
    """Know the users a and b, whose passwords are A and B."""
    made = Passwords(check)
    made.apply(_HASHES)
    yield made
    check.go_on.set()


async def _verdict(passwords: Passwords, user: str, password: str, address: str = "192.0.2.1") -> Verdict:
    return await passwords.verdict((user.encode(), password.encode()), address)


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
def test_the_header(header: str, given: tuple[bytes, bytes] | None) -> None:
    """The scheme in any case, one pair in base64 that is written as it should be, or nothing."""
    assert credentials(header) == given


@given(user=st.binary().filter(lambda user: b":" not in user), password=st.binary())
def test_any_pair_arrives(user: bytes, password: bytes) -> None:
    """What a client encodes is what is read, whatever the bytes are."""
    encoded = base64.b64encode(user + b":" + password).decode()
    assert credentials(f"Basic {encoded}") == (user, password)


@given(header=st.text() | st.text().map("Basic {}".format) | st.binary().map(lambda b: f"Basic {b!r}"))
def test_any_header_is_read_or_refused(header: str) -> None:
    """Nothing is raised, and a pair comes only from a header that says Basic."""
    found = credentials(header)
    assert found is None or header[:6].lower() == "basic "


async def test_a_right_password_is_checked_once(passwords: Passwords, check: _Bcrypt) -> None:
    """A hundred scrapes cost one check for each user, also where the first come at the same time."""
    for user in "ab":
        first = [_verdict(passwords, user, user.upper()) for _ in range(4)]
        assert set(await asyncio.gather(*first)) == {Verdict.RIGHT}
        for _ in range(100):
            assert await _verdict(passwords, user, user.upper()) is Verdict.RIGHT
    assert len(check.checked) == 2


@pytest.mark.parametrize(("user", "password"), [("a", "B"), ("a", ""), ("c", "A"), ("", ""), ("A", "A")])
async def test_a_wrong_one_is_checked_each_time(
    passwords: Passwords, check: _Bcrypt, user: str, password: str
) -> None:
    """Who is not a user costs as much as who is: one check, of the same cost."""
    assert await _verdict(passwords, "a", "A") is Verdict.RIGHT
    for _ in range(2):
        assert await _verdict(passwords, user, password) is Verdict.WRONG
    assert len(check.checked) == 3


async def test_the_password_of_the_decoy_opens_nothing(passwords: Passwords) -> None:
    """Nobody who is not a user is let in with the password of someone who is."""
    for password in "AB":
        assert await _verdict(passwords, "c", password) is Verdict.WRONG
        assert await _verdict(passwords, "c", password) is Verdict.WRONG


async def test_who_is_not_a_user_costs_what_the_dearest_costs(check: _Bcrypt) -> None:
    """The decoy is the hash with the highest cost."""
    made = Passwords(check)
    made.apply({b"a": _HASHES[b"a"], b"b": bcrypt.hashpw(b"B", bcrypt.gensalt(5))})
    await _verdict(made, "nobody", "x")
    assert check.checked[0][1].startswith(b"$2b$05$")


async def test_more_than_bcrypt_takes(passwords: Passwords, check: _Bcrypt) -> None:
    """Beyond 72 bytes a password is wrong, whoever's it is said to be, and not even checked."""
    for user in "ac":
        assert await _verdict(passwords, user, "A" * 73) is Verdict.WRONG
    assert check.checked == []
    assert await _verdict(passwords, "a", "A" * 72) is Verdict.WRONG
    assert len(check.checked) == 1


async def test_one_check_at_a_time_and_a_few_in_line(passwords: Passwords, check: _Bcrypt) -> None:
    """Four from one address may wait, 64 in all, shared by the addresses; who is known passes at once."""
    assert await _verdict(passwords, "a", "A") is Verdict.RIGHT
    check.go_on.clear()
    addresses = [f"192.0.2.{number // 10}" for number in range(200)]
    crowd = [
        asyncio.create_task(_verdict(passwords, "a", f"wrong {n}", at)) for n, at in enumerate(addresses)
    ]
    while len([task for task in crowd if task.done()]) < 200 - 64:  # noqa: ASYNC110 -- tasks tell nobody
        await asyncio.sleep(0)

    assert await _verdict(passwords, "a", "A") is Verdict.RIGHT
    assert not [task for task in crowd if task.done() and task.result() is not Verdict.BUSY]
    assert len(check.checked) <= 2

    check.go_on.set()
    verdicts = await asyncio.gather(*crowd)
    by_address = [verdicts[start : start + 10].count(Verdict.WRONG) for start in range(0, 200, 10)]
    assert sum(by_address) == 64
    assert set(by_address) == {3, 4}
    assert len(check.checked) == 65
    assert await _verdict(passwords, "b", "B") is Verdict.RIGHT


@pytest.mark.parametrize("name", ["random", "a"])
async def test_a_flood_keeps_no_new_user_out(name: str, passwords: Passwords, check: _Bcrypt) -> None:
    """From the same address under other names, or from others under any: who is new waits for two checks."""
    check.go_on.clear()
    crowd = []
    for number in range(200):
        user = name if name == "a" else f"nobody {number}"
        crowd.append(asyncio.create_task(_verdict(passwords, user, f"wrong {number}", "192.0.2.1")))
    await asyncio.sleep(0)
    address = "192.0.2.1" if name == "random" else "192.0.2.2"
    new = asyncio.create_task(_verdict(passwords, "b", "B", address))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    check.go_on.set()
    assert await new is Verdict.RIGHT
    assert len(check.checked) <= 3
    await asyncio.gather(*crowd)


async def test_a_new_address_displaces_one_of_a_crowd(passwords: Passwords, check: _Bcrypt) -> None:
    """With all places taken, by few addresses, another one still has its turn."""
    check.go_on.clear()
    crowd = [
        asyncio.create_task(_verdict(passwords, user, f"wrong {number}", f"192.0.2.{number}"))
        for number in range(20)
        for user in "aac"
        for _ in range(2)
    ]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    new = asyncio.create_task(_verdict(passwords, "b", "B", "198.51.100.1"))
    await asyncio.sleep(0)
    check.go_on.set()
    assert await new is Verdict.RIGHT
    assert [await task for task in crowd].count(Verdict.WRONG) == 63


async def test_who_hangs_up_leaves_the_line(passwords: Passwords, check: _Bcrypt) -> None:
    """Requests that are cancelled while they wait hold no place, and start no further check."""
    check.go_on.clear()
    for _ in range(20):
        gone = asyncio.create_task(_verdict(passwords, "a", "wrong"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
    check.go_on.set()
    assert await _verdict(passwords, "a", "A") is Verdict.RIGHT
    assert len(check.checked) <= 3


async def test_other_users(passwords: Passwords, check: _Bcrypt) -> None:
    """Who stays with the same password stays known; who leaves, or has a new one, does not."""
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


async def test_a_password_that_is_changed_while_it_is_checked(passwords: Passwords, check: _Bcrypt) -> None:
    """The old one, found right too late, opens nothing any more."""
    check.go_on.clear()
    late = asyncio.create_task(_verdict(passwords, "a", "A"))
    while not check.checked:  # noqa: ASYNC110 -- the thread tells nobody
        await asyncio.sleep(0)
    passwords.apply({b"a": _HASHES[b"b"]})
    check.go_on.set()
    assert await late is Verdict.WRONG
    assert await _verdict(passwords, "a", "A") is Verdict.WRONG


async def test_no_password_is_kept() -> None:
    """What is remembered of a right password is a digest, which does not show it."""
    passwords = Passwords()
    passwords.apply({b"a": bcrypt.hashpw(b"S3CRET-PASSWORD", bcrypt.gensalt(4))})
    assert await _verdict(passwords, "a", "S3CRET-PASSWORD") is Verdict.RIGHT
    assert "S3CRET" not in repr(vars(passwords))


async def _pass(queue: FairQueue, passed: list[str], client: str, lane: object = None) -> None:
    async with queue.turn(client, lane):
        passed.append(f"{client}{lane or ''}")
        await asyncio.sleep(0)


def _join(queue: FairQueue, passed: list[str], *names: str) -> list[asyncio.Task[None]]:
    return [
        asyncio.create_task(_pass(queue, passed, name[0], name[1:])) for name in " ".join(names).split(" ")
    ]


async def test_clients_take_turns_and_lanes_of_a_client_do() -> None:
    """Whoever has many places has no more turns than others while they wait."""
    queue, passed = FairQueue(most=50, most_of_lane=9), list[str]()
    tasks = _join(queue, passed, "a1 a1 a1 a2 b1 b1 c1")
    await asyncio.gather(*tasks)
    assert passed == ["a1", "b1", "c1", "a2", "b1", "a1", "a1"]


async def test_a_lane_is_bounded() -> None:
    """The rest of the client and of the queue stay open to others."""
    queue, passed = FairQueue(most=50, most_of_lane=2), list[str]()
    tasks = _join(queue, passed, "a1 a1 a1 a2 b1")
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, QueueFull) for outcome in outcomes] == [False, False, True, False, False]


async def test_the_queue_is_bounded_and_shared() -> None:
    """A newcomer takes the newest place of whoever has the most, unless it has as many itself."""
    queue, passed = FairQueue(most=4, most_of_lane=9), list[str]()
    tasks = _join(queue, passed, "a a a a b a")
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, QueueFull) for outcome in outcomes] == [
        False,
        False,
        False,
        True,
        False,
        True,
    ]
    assert sorted(passed) == ["a", "a", "a", "b"]


async def test_who_leaves_holds_no_place() -> None:
    """Neither while it waits nor while it has its turn; the next one goes on."""
    queue, passed = FairQueue(most=2, most_of_lane=9), list[str]()
    for _ in range(3):
        tasks = _join(queue, passed, "a b")
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    await asyncio.gather(*_join(queue, passed, "c d"))
    assert passed[-2:] == ["c", "d"]


async def test_an_error_ends_the_turn() -> None:
    """Whatever is raised within it."""
    queue = FairQueue(most=2, most_of_lane=9)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with queue.turn("a", None):
                raise RuntimeError
