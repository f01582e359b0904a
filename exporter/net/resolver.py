"""Host name lookups that do not block anything else.

A lookup blocks its thread until the name servers respond. In asyncio's default pool, which has six threads on
two cores and is joined at exit, one hanging name delayed the exit by 16 s, and twenty of them stopped the
polling of healthy switches (seen 2026-11). Here every name has its own threads, at most two, which are not
joined at exit.

Create one Resolver for the program, so that addresses survive a reload, and pass it to every connector::

    aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, ...)

``use_dns_cache=False`` because the resolver caches, and aiohttp's cache would hide that a name moved. If a
name cannot be resolved, the session raises ``aiohttp.ClientConnectorDNSError``, and the ``strerror`` of its
``os_error`` contains the reason. aiohttp does not resolve numeric addresses.
"""

import asyncio
import contextlib
import errno
import math
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog
from aiohttp.abc import AbstractResolver, ResolveResult

from exporter.threads import ThreadLimit

_CACHE_TIME = 30.0
"""Seconds that a lookup is cached: getaddrinfo does not return the TTL of the record."""

_RETRY = 5.0
"""Seconds from a failed lookup to the next one."""

_WAIT = 8.0
"""Seconds that a request waits if no address is known: more than the 5 s after which the system tries its
second name server, and less than the timeout of a message to an Alertmanager, whose error then has the
cause."""

_WAIT_WITH_ADDRESS = 1.0
"""Seconds from the start of a lookup after which the last known address is used."""

_HANGING_AFTER = 30.0
"""Seconds after which a second lookup is started beside a hanging one."""

_LOOKUPS_PER_NAME = 2

Lookup = Callable[..., Sequence[tuple[Any, ...]]]
"""``socket.getaddrinfo``, or a fake of it in a test."""

_Addresses = list[tuple[int, str]]


class Resolver(AbstractResolver):
    """Resolves names for any number of connectors. The last known addresses are used while lookups fail.

    ``lookup`` is called in a thread. ``clock`` returns seconds.
    """

    def __init__(
        self, lookup: Lookup = socket.getaddrinfo, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lookup = lookup
        self._clock = clock
        self._names: dict[tuple[str, int], _Name] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host in the order of the system.

        Raises OSError, with the reason in ``strerror``, if no address is known.
        """
        name = self._names.get((host, family))
        if name is None:
            name = self._names[host, family] = _Name(
                host, partial(self._in_thread, host, family), self._clock
            )
        addresses = await name.addresses()
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=its_family,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for its_family, address in addresses
        ]

    async def close(self) -> None:
        """Do nothing: running lookups are not joined."""

    def _in_thread(self, host: str, family: int) -> _Addresses:
        # AI_ADDRCONFIG: no IPv6 addresses on a host without IPv6.
        found = self._lookup(host, None, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        # getnameinfo keeps the zone of a link-local address (fe80::1%eth0). With these flags, it looks
        # nothing up.
        numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        return [(each[0], socket.getnameinfo(each[4], numeric)[0]) for each in found]


class _Name:
    """The addresses of one name. ``look_up`` blocks and is called in a thread."""

    def __init__(self, host: str, look_up: Callable[[], _Addresses], clock: Callable[[], float]) -> None:
        self._look_up = look_up
        self._clock = clock
        self._threads = ThreadLimit("name lookup", _LOOKUPS_PER_NAME)
        self._lookups: set[asyncio.Task[None]] = set()  # running
        self._began = -math.inf  # start of the newest lookup
        self._answered = -math.inf  # start of the newest lookup that has returned
        self._due = -math.inf
        self._known: _Addresses = []
        self._error: OSError | None = None
        self._returned = asyncio.Event()
        self._log = structlog.get_logger("exporter.resolver").bind(host=host)

    async def addresses(self) -> _Addresses:
        """Return the newest addresses, after waiting for a running lookup for a limited time."""
        now = self._clock()
        hangs = len(self._lookups)
        is_due = now >= self._began + _HANGING_AFTER if hangs else now >= self._due
        if is_due and hangs < _LOOKUPS_PER_NAME:
            self._began = now
            self._lookups.add(asyncio.create_task(self._look_up_once(now)))
        if self._lookups:
            wait = _WAIT_WITH_ADDRESS if self._known else _WAIT
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._began + wait - now):
                    await self._returned.wait()
        if self._known:
            return self._known
        raise self._error or OSError(errno.ETIMEDOUT, f"no response to the lookup within {_WAIT:g} s")

    async def _look_up_once(self, began: float) -> None:
        error: OSError | None
        try:
            found = await self._threads.run(self._look_up)
            error = None if found else OSError(errno.ENODATA, "the name has no address")
        except OSError as raised:
            found, error = [], raised
        except UnicodeError:  # a label is empty, or longer than 63 characters
            found, error = [], OSError(errno.EINVAL, "not a valid host name")
        except RuntimeError:
            found, error = [], OSError(errno.EAGAIN, "cannot start a thread for the lookup")
        finally:
            self._lookups -= {task for task in (asyncio.current_task(),) if task}
        if began >= self._answered:  # a hanging lookup may return after one that started later
            self._answered = began
            self._due = self._clock() + (_RETRY if error else _CACHE_TIME)
            self._update(found, error)
        self._returned.set()
        self._returned = asyncio.Event()

    def _update(self, found: _Addresses, error: OSError | None) -> None:
        if self._known and error and not self._error:
            self._log.warning("name lookup failed; using the last known address", reason=error.strerror)
        elif self._known and self._error and not error:
            self._log.info("name lookup succeeded again")
        self._known, self._error = found or self._known, error
