"""The connections of clients that are open: how many there may be, and which one ends when there are more.

Each holds a file descriptor. Without a limit 1,024 idle clients left none for the switches, for files and for
scrapes (seen 2026-11).
"""

import contextlib
import ipaddress
import logging
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator

_MOST = 500
_WANTED = 65_536
_FRESH = 1.0
"""Seconds for which a request may run before it is ended in favor of a newcomer."""


class Connection:
    """One of them. ``end`` closes it at once, without waiting for its client."""

    __slots__ = ("active_at", "client", "end", "requests", "socket")

    def __init__(self, sock: socket.socket, client: str, now: float) -> None:
        self.socket = sock
        self.client = client
        self.active_at = now
        self.requests = 0
        self.end: Callable[[], object] = sock.close

    @property
    def is_open(self) -> bool:
        """Whether it still holds its file descriptor."""
        return self.socket.fileno() >= 0


class Connections:
    """All of them, at most ``most``."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._by_descriptor: dict[int, Connection] = {}
        # The standard library's: exporter.logs limits how often its lines are repeated.
        self._log = logging.getLogger("exporter.web.connection")

    def admit(self, sock: socket.socket, address: str) -> Connection | None:
        """Return a new connection; None, and nothing is kept, where it must be refused.

        A newcomer beyond the limit ends another one: of the client that has the most connections, the one
        that has been idle for longest, or else the one whose request has been running for longest.
        """
        client = client_of(address)
        if len(self._by_descriptor) >= self._most:
            self._forget_closed()
        if len(self._by_descriptor) >= self._most and not self.end_one():
            self._log.warning("connection refused: all others are busy")
            return None
        connection = Connection(sock, client, self._clock())
        self._by_descriptor[sock.fileno()] = connection
        return connection

    def end_one(self) -> bool:
        """End the connection that is needed least; return whether there was one."""
        now = self._clock()
        counts = Counter(connection.client for connection in self._by_descriptor.values())
        most = max(counts.values(), default=0)
        candidates = [
            (connection.requests > 0, connection.active_at, descriptor)
            for descriptor, connection in self._by_descriptor.items()
            if counts[connection.client] == most
            and (not connection.requests or now - connection.active_at >= _FRESH)
        ]
        if not candidates:
            return False
        self._log.warning("too many connections: the one that has been idle for longest is ended")
        self._by_descriptor.pop(min(candidates)[2]).end()
        return True

    @contextlib.contextmanager
    def request(self, descriptor: int) -> Iterator[None]:
        """Take note that a request of a connection is being answered."""
        connection = self._by_descriptor.get(descriptor)
        if connection is None:
            yield
            return
        connection.requests += 1
        connection.active_at = self._clock()
        try:
            yield
        finally:
            connection.requests -= 1
            connection.active_at = self._clock()

    def close(self) -> None:
        """End all of them."""
        for connection in self._by_descriptor.values():
            if connection.is_open:
                connection.end()
        self._by_descriptor = {}

    def _forget_closed(self) -> None:
        self._by_descriptor = {
            descriptor: connection
            for descriptor, connection in self._by_descriptor.items()
            if connection.is_open
        }


def client_of(address: str) -> str:
    """Return what tells clients apart: an IPv4 address, or the /64 of IPv6, of which one client has all."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return address
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))


def raise_descriptor_limit() -> None:
    """Let this process have as many file descriptors as it may, up to 65,536, as programs in Go do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if resource.RLIM_INFINITY != soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """Return how many connections of clients there may be: half of the file descriptors, and 500 at most.

    The other half is for the switches, for Alertmanagers and for files.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else max(1, min(_MOST, soft // 2))
