import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.net import resolver
from exporter.net.resolver import Resolver

_UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@dataclass
class _Names:
    """Name servers that say ``answer``: an address or an error. They hang until ``gate`` is open."""

    answer: str | Exception = "192.0.2.1"
    asked: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.gate.set()

    def lookup(self, host: str, port: None, **_: object) -> list[tuple[Any, ...]]:
        answer = self.answer
        self.asked.append(host)
        assert self.gate.wait(30)
        if isinstance(answer, Exception):
            raise answer
        family = socket.AF_INET6 if ":" in answer else socket.AF_INET
        address = (answer, 0, 0, 0) if ":" in answer else (answer, 0)
        return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]


@pytest.fixture
def names() -> Iterator[_Names]:
    """Return name servers, which answer all that still waits when the test is over."""
    made = _Names()
    yield made
    made.gate.set()


@pytest.fixture
def resolves(names: _Names) -> Resolver:
    """Return a resolver that asks these name servers and has their clock."""
    return Resolver(names.lookup, lambda: names.now)


async def _addresses(resolves: Resolver, host: str = "pbx.test") -> list[str]:
    return [each["host"] for each in await resolves.resolve(host, 80)]


async def _ended(resolves: Resolver) -> None:
    """Wait until no lookup is under way."""
    async with asyncio.timeout(10):
        while any(name._lookups for name in resolves._names.values()):  # noqa: ASYNC110 -- it tells nobody
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
async def test_addresses(address: str, names: _Names, resolves: Resolver) -> None:
    """The addresses of the system are returned in the form of aiohttp, for IPv4 and IPv6."""
    names.answer = address

    (found,) = await resolves.resolve("pbx.test", 8080)

    assert (found["hostname"], found["host"], found["port"]) == ("pbx.test", address, 8080)
    assert found["family"] == (socket.AF_INET6 if ":" in address else socket.AF_INET)


async def test_the_system_resolver_is_the_default() -> None:
    """It knows localhost, and no name that ends in `.invalid`."""
    assert set(await _addresses(Resolver(), "localhost")) <= {"127.0.0.1", "::1"}
    with pytest.raises(OSError, match=r"."):
        await _addresses(Resolver(), "pbx.invalid")
    with pytest.raises(OSError, match="not a valid host name"):
        await _addresses(Resolver(), "pbx..test")


async def test_cache(names: _Names, resolves: Resolver) -> None:
    """An address is cached for half a minute."""
    for _ in range(3):
        assert await _addresses(resolves) == ["192.0.2.1"]
    assert names.asked == ["pbx.test"]

    names.answer = "192.0.2.2"
    names.now += resolver._CACHE_TIME

    assert await _addresses(resolves) == ["192.0.2.2"]
    assert names.asked == ["pbx.test"] * 2


async def test_concurrent_requests_share_a_lookup(names: _Names, resolves: Resolver) -> None:
    """Fifty requests for one name are one lookup."""
    assert await asyncio.gather(*[_addresses(resolves) for _ in range(50)]) == [["192.0.2.1"]] * 50
    assert names.asked == ["pbx.test"]


async def test_failure(names: _Names, resolves: Resolver) -> None:
    """A failed lookup is repeated after 5 s, and not for each request."""
    names.answer = _UNKNOWN
    for _ in range(3):
        with pytest.raises(socket.gaierror, match="not known"):
            await _addresses(resolves)
    assert names.asked == ["pbx.test"]

    names.answer = "192.0.2.1"
    names.now += resolver._RETRY

    assert await _addresses(resolves) == ["192.0.2.1"]


@pytest.mark.parametrize("failure", [_UNKNOWN, socket.gaierror(socket.EAI_AGAIN, "Temporary failure")])
async def test_last_known_address_while_a_lookup_fails(
    failure: Exception, names: _Names, resolves: Resolver
) -> None:
    """The previous address is used until another one is found, and logged once."""
    await _addresses(resolves)
    names.answer = failure
    with capture_logs() as logs:
        for _ in range(5):
            names.now += resolver._CACHE_TIME
            assert await _addresses(resolves) == ["192.0.2.1"]
        names.answer = "192.0.2.2"
        names.now += resolver._RETRY
        assert await _addresses(resolves) == ["192.0.2.2"]

    assert [(log["event"], log["host"]) for log in logs] == [
        ("name lookup failed; using the last known address", "pbx.test"),
        ("name lookup succeeded again", "pbx.test"),
    ]


async def test_last_known_address_while_a_lookup_hangs(names: _Names, resolves: Resolver) -> None:
    """If an address is known, requests wait at most a second from the start of a lookup."""
    await _addresses(resolves)
    names.gate.clear()
    names.answer = "192.0.2.2"
    names.now += resolver._CACHE_TIME
    first = asyncio.create_task(_addresses(resolves))
    await asyncio.sleep(0)  # it has started the lookup
    names.now += resolver._WAIT_WITH_ADDRESS

    assert await _addresses(resolves) == ["192.0.2.1"]

    names.gate.set()
    assert await first == ["192.0.2.2"]
    assert await _addresses(resolves) == ["192.0.2.2"]
    assert names.asked == ["pbx.test"] * 2


async def test_no_address_while_a_lookup_hangs(names: _Names, resolves: Resolver) -> None:
    """The failure states the timeout; a late result is still used."""
    names.gate.clear()
    first = asyncio.create_task(_addresses(resolves))
    await asyncio.sleep(0)
    names.now += resolver._WAIT

    with pytest.raises(OSError, match="no response to the lookup within 8 s"):
        await _addresses(resolves)

    names.gate.set()
    assert await first == ["192.0.2.1"]
    assert await _addresses(resolves) == ["192.0.2.1"]
    assert names.asked == ["pbx.test"]


async def test_threads_are_bounded(names: _Names, resolves: Resolver) -> None:
    """A hanging name has at most two threads, and other names have their own."""
    names.gate.clear()
    for _ in range(20):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await _addresses(resolves)
        names.now += resolver._HANGING_AFTER
    assert names.asked == ["pbx.test"] * 2
    names.gate.set()
    await _ended(resolves)

    assert await _addresses(resolves, "other.test") == ["192.0.2.1"]


async def test_a_late_result_of_an_old_lookup(names: _Names, resolves: Resolver) -> None:
    """It does not replace the result of a newer one."""
    old_gate = names.gate = threading.Event()
    names.answer = "192.0.2.1"
    old = asyncio.create_task(_addresses(resolves))
    async with asyncio.timeout(10):
        while not names.asked:  # noqa: ASYNC110 -- a thread tells no task
            await asyncio.sleep(0.001)
    names.gate = threading.Event()
    names.gate.set()
    names.answer = "192.0.2.2"
    names.now += resolver._HANGING_AFTER
    assert await _addresses(resolves) == ["192.0.2.2"]
    assert await old == ["192.0.2.2"]

    old_gate.set()
    await _ended(resolves)

    assert await _addresses(resolves) == ["192.0.2.2"]
