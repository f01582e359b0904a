import resource
import socket
from collections.abc import Callable, Iterator

import pytest

from exporter.web.connections import Connection, Connections, client_of, most_connections

Open = Callable[..., Connection | None]


class _Site:
    """Connections whose clock is set by hand, with sockets that lead nowhere."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.connections = Connections(3, lambda: self.now)
        self.sockets: list[socket.socket] = []

    def open(self, address: str) -> Connection | None:
        self.now += 1
        self.sockets.append(socket.socket())
        return self.connections.admit(self.sockets[-1], address)

    def open_some(self, *addresses: str) -> list[Connection]:
        opened = [self.open(address) for address in addresses]
        return [connection for connection in opened if connection is not None]


@pytest.fixture
def site() -> Iterator[_Site]:
    """Return a site that has room for three."""
    made = _Site()
    yield made
    for sock in made.sockets:
        sock.close()


def test_the_one_that_has_been_idle_for_longest_ends(site: _Site) -> None:
    """One more than there may be ends another one, and is kept itself."""
    first, second, third = site.open_some("192.0.2.1", "192.0.2.1", "192.0.2.1")
    with site.connections.request(first.socket.fileno()):
        site.now += 1
    assert site.open("192.0.2.1")
    assert [one.is_open for one in (first, second, third)] == [True, False, True]


def test_a_crowd_ends_its_own(site: _Site) -> None:
    """Of the client that has the most connections one ends, however idle others are."""
    idle, first, second = site.open_some("192.0.2.2", "192.0.2.1", "192.0.2.1")
    for _ in range(10):
        assert site.open("192.0.2.1")
    assert site.open("192.0.2.3")
    assert [one.is_open for one in (idle, first, second)] == [True, False, False]


def test_a_request_that_runs_is_ended_last(site: _Site) -> None:
    """It is ended when nothing is idle, and then only after a second; else the newcomer is refused."""
    one, *others = site.open_some("192.0.2.1", "192.0.2.1", "192.0.2.1")
    with site.connections.request(one.socket.fileno()):
        for other in others:
            assert site.open("192.0.2.1")
            assert not other.is_open
        newest = [sock.fileno() for sock in site.sockets[-2:]]
        with site.connections.request(newest[0]), site.connections.request(newest[1]):
            site.now = one.active_at - 0.5
            assert site.open("192.0.2.1") is None
            assert one.is_open
            site.now += 10
            assert site.open("192.0.2.1")
            assert not one.is_open


def test_a_closed_connection_needs_no_room(site: _Site) -> None:
    """Whatever closed it: none ends for those that are not there any more."""
    first, second, third = site.open_some("192.0.2.1", "192.0.2.1", "192.0.2.1")
    second.socket.close()
    assert site.open("192.0.2.1")
    assert first.is_open
    assert third.is_open


def test_the_end(site: _Site) -> None:
    """All of them are closed."""
    opened = site.open_some("192.0.2.1", "192.0.2.2")
    site.connections.close()
    assert not [one for one in opened if one.is_open]


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::3", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::3", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a name", "a name"),
    ],
)
def test_who_is_one_client(address: str, client: str) -> None:
    """An IPv4 address, or a network of IPv6 that one client has for itself."""
    assert client_of(address) == client


def test_the_limit_leaves_descriptors_for_polling() -> None:
    """Half of what the process may open, and 500 at most."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert most_connections() == min(500, soft // 2)
