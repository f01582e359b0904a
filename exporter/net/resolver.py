"""Looks up host names without holding up anything else.

A lookup blocks its thread for as long as the name servers do not answer. In asyncio's own pool, which has six
threads on two cores and is waited for at exit, one name that hung delayed the end of the program by 16 s, and
twenty such names kept healthy switches from being polled (seen 2026-11). Here every name has threads of its
own, two at most, and nobody waits for them at exit.

Use: create one Resolver for the whole program, so that what is known survives a reload, and hand it to every
connector::

    aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, ...)

``use_dns_cache=False`` because the resolver caches, and because aiohttp's cache would hide that a name moved.
Where a name cannot be resolved, the session raises ``aiohttp.ClientConnectorDNSError``; the ``strerror`` of
its ``os_error`` says why in words. aiohttp does not ask for addresses that are written as numbers.
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

_FRESH = 30.0
"""Seconds for which a lookup counts: getaddrinfo does not tell for how long the record is valid."""

_RETRY = 5.0
"""Seconds from a lookup that failed to the next one."""

_PATIENCE = 8.0
"""Seconds that a request waits where no address is known yet. Less than an Alertmanager has for a message, so
that the failure names its cause; more than the 5 s after which the system asks its second name server."""

_PATIENCE_WITH_AN_ADDRESS = 1.0
"""Seconds, from the start of the lookup, after which the last known address is used."""

_HANGS = 30.0
"""Seconds after which a second lookup is started beside one that does not return."""

_LOOKUPS_PER_NAME = 2

Lookup = Callable[..., Sequence[tuple[Any, ...]]]
"""``socket.getaddrinfo``, or what stands in for it in a test."""

_Addresses = list[tuple[int, str]]


class Resolver(AbstractResolver):
    """Resolves names for any number of connectors; the last known addresses are used while a lookup fails.

    ``lookup`` is called in a thread. ``clock`` counts seconds.
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
        """Return the addresses of a host, in the order in which the system says to try them.

        Raises OSError, whose ``strerror`` says why, where no address is known.
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
        """Do nothing: lookups under way are not waited for."""

    def _in_thread(self, host: str, family: int) -> _Addresses:
        # AI_ADDRCONFIG: no IPv6 addresses on a machine that has none.
        found = self._lookup(host, None, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        # getnameinfo keeps the zone of a link-local address (fe80::1%eth0). It looks nothing up here.
        numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        return [(each[0], socket.getnameinfo(each[4], numeric)[0]) for each in found]


class _Name:
    """What is known of one name. ``look_up`` blocks, and is called in a thread."""

    def __init__(self, host: str, look_up: Callable[[], _Addresses], clock: Callable[[], float]) -> None:
        self._look_up = look_up
        self._clock = clock
        self._threads = ThreadLimit("name lookup", _LOOKUPS_PER_NAME)
        self._lookups: set[asyncio.Task[None]] = set()  # that have not returned
        self._began = -math.inf  # when the newest of all lookups began
        self._answered = -math.inf  # when the newest of those that have returned began
        self._due = -math.inf
        self._known: _Addresses = []
        self._error: OSError | None = None
        self._returned = asyncio.Event()
        self._log = structlog.get_logger("exporter.resolver").bind(host=host)

    async def addresses(self) -> _Addresses:
        """Return the newest addresses; wait for a lookup no longer than makes sense."""
        now = self._clock()
        hangs = len(self._lookups)
        is_due = now >= self._began + _HANGS if hangs else now >= self._due
        if is_due and hangs < _LOOKUPS_PER_NAME:
            self._began = now
            self._lookups.add(asyncio.create_task(self._look_up_once(now)))
        if self._lookups:
            patience = _PATIENCE_WITH_AN_ADDRESS if self._known else _PATIENCE
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._began + patience - now):
                    await self._returned.wait()
        if self._known:
            return self._known
        raise self._error or OSError(errno.ETIMEDOUT, f"no answer to the lookup within {_PATIENCE:g} s")

    async def _look_up_once(self, began: float) -> None:
        error: OSError | None
        try:
            found = await self._threads.run(self._look_up)
            error = None if found else OSError(errno.ENODATA, "it has no address")
        except OSError as raised:
            found, error = [], raised
        except UnicodeError:  # a label is empty, or longer than 63 characters
            found, error = [], OSError(errno.EINVAL, "no host can have this name")
        except RuntimeError:
            found, error = [], OSError(errno.EAGAIN, "no thread can be started for the lookup")
        finally:
            self._lookups -= {task for task in (asyncio.current_task(),) if task}
        if began >= self._answered:  # one that hung may return after one that was started later
            self._answered = began
            self._due = self._clock() + (_RETRY if error else _FRESH)
            self._note(found, error)
        self._returned.set()
        self._returned = asyncio.Event()

    def _note(self, found: _Addresses, error: OSError | None) -> None:
        if self._known and error and not self._error:
            self._log.warning("name not resolved; its last known address is used", reason=error.strerror)
        elif self._known and self._error and not error:
            self._log.info("name resolved again")
        self._known, self._error = found or self._known, error
