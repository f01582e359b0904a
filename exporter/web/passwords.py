"""Basic authentication (RFC 7617) without the cost of bcrypt on every scrape.

A bcrypt check costs 60 ms or more, by design. So the last correct password of each user is stored, as a keyed
digest. Other passwords are checked outside the event loop, one at a time, in a
fair queue: a flood of wrong passwords delays other checks but does not prevent them, and does not delay
scrapes with a stored password.
"""

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from enum import Enum
from functools import partial

import bcrypt

from exporter.threads import ThreadLimit
from exporter.web.limits import client_of


class QueueFull(Exception):  # noqa: N818 -- a state, not an error
    """The queue has no free place, or another party took this one."""


class FairQueue:
    """Runs one party at a time, round robin. ``size`` limits all places, ``size_per_party`` each party's."""

    def __init__(self, *, size: int, size_per_party: int) -> None:
        self._size = size
        self._size_per_party = size_per_party
        self._running: tuple[Hashable, asyncio.Future[bool]] | None = None
        # In the order of service; a party moves to the end when it is served.
        self._waiting: dict[Hashable, list[asyncio.Future[bool]]] = {}

    @contextlib.asynccontextmanager
    async def turn(self, party: Hashable) -> AsyncIterator[None]:
        """Wait for a turn, and keep it until the end of the context. Raises QueueFull."""
        place = self._join(party)
        try:
            if not await place:
                raise QueueFull
            yield
        finally:
            if self._running == (party, place):
                self._running = None
            else:
                self._leave(party, place)
            self._serve_next()

    def _join(self, party: Hashable) -> asyncio.Future[bool]:
        own = len(self._waiting.get(party, ())) + (self._running is not None and self._running[0] == party)
        if own >= self._size_per_party:
            raise QueueFull
        if sum(map(len, self._waiting.values())) + (self._running is not None) >= self._size:
            self._displace(party)
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(party, []).append(place)
        self._serve_next()
        return place

    def _displace(self, party: Hashable) -> None:
        """Take the newest place of the party with the most. Raises QueueFull if ``party`` has as many."""
        largest = max(self._waiting, key=lambda other: len(self._waiting[other]), default=None)
        if largest is None or len(self._waiting[largest]) <= len(self._waiting.get(party, ())) + 1:
            raise QueueFull
        place = self._waiting[largest][-1]
        self._leave(largest, place)
        if not place.done():
            place.set_result(False)

    def _leave(self, party: Hashable, place: asyncio.Future[bool]) -> None:
        places = self._waiting.get(party, [])
        if place in places:
            places.remove(place)
            if not places:
                del self._waiting[party]

    def _serve_next(self) -> None:
        while self._waiting and self._running is None:
            party = next(iter(self._waiting))
            places = self._waiting.pop(party)
            place = places.pop(0)
            if places:
                self._waiting[party] = places
            if not place.done():  # else its request was cancelled
                self._running = party, place
                place.set_result(True)


_LONGEST = 72
"""Bytes. bcrypt ignores the rest of a password, and the library raises (seen, bcrypt 5.0)."""

_QUEUE = 64
_QUEUE_PER_PARTY = 4

Credentials = tuple[bytes, bytes]
Check = Callable[[bytes, bytes], bool]


class Verdict(Enum):
    """The result for a user and password. BUSY: not checked, because too many others wait."""

    RIGHT = "right"
    WRONG = "wrong"
    BUSY = "busy"


def credentials(header: str) -> Credentials | None:
    """Return user and password of an Authorization header, or None if they are not in it."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(" "), validate=True).partition(b":")
    except (binascii.Error, ValueError):  # ValueError: non-ASCII characters
        return None
    return (user, password) if colon else None


class Passwords:
    """The users and their password hashes. ``check`` compares a password with a hash, like bcrypt's."""

    def __init__(self, check: Check = bcrypt.checkpw) -> None:
        self._check = check
        self._secret = secrets.token_bytes(32)
        self._hashes: Mapping[bytes, bytes] = {}
        self._decoy = b""
        self._right: dict[bytes, bytes] = {}
        self._queue = FairQueue(size=_QUEUE, size_per_party=_QUEUE_PER_PARTY)
        self._thread = ThreadLimit("password", 1)

    def apply(self, hashes: Mapping[bytes, bytes]) -> None:
        """Replace the users. Without users, no password is needed."""
        self._right = {user: d for user, d in self._right.items() if hashes.get(user) == self._hashes[user]}
        self._hashes = hashes
        # A check for an unknown user costs as much as the most expensive hash (the 10 in $2b$10$…), so that
        # the time does not reveal which users exist.
        self._decoy = max(hashes.values(), key=lambda known: known[4:6], default=b"")

    @property
    def needed(self) -> bool:
        """Whether there are users."""
        return bool(self._hashes)

    async def verdict(self, given: Credentials, address: str) -> Verdict:
        """Check a user and password that came from an address."""
        user, password = given
        known = self._hashes.get(user, self._decoy)
        if self._was_right(user, known, password):
            return Verdict.RIGHT
        if len(password) > _LONGEST:
            return Verdict.WRONG
        # All unknown users of a client are one party: random names would be many parties.
        party = client_of(address), user if user in self._hashes else None
        try:
            async with self._queue.turn(party):
                # Of several concurrent requests with one password, only the first needs a check.
                right = self._was_right(user, known, password) or await self._thread.run(
                    partial(self._check, password, known)
                )
        except QueueFull:
            return Verdict.BUSY
        if right and self._hashes.get(user) == known:
            self._right[user] = self._digest(known, password)
            return Verdict.RIGHT
        return Verdict.WRONG

    def _was_right(self, user: bytes, known: bytes, password: bytes) -> bool:
        return hmac.compare_digest(self._right.get(user, b""), self._digest(known, password))

    def _digest(self, known: bytes, password: bytes) -> bytes:
        return hashlib.blake2b(known + password, key=self._secret).digest()
