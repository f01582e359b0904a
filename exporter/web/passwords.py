"""Basic authentication (RFC 7617) without the cost of bcrypt on every scrape.

A bcrypt check costs 60 ms or more, by design. So the last correct password of each user is stored, as a keyed
digest. Other passwords are checked outside the event loop, one at a time, in a queue that is fair to clients:
a flood of wrong passwords delays other checks but does not prevent them, and does not delay scrapes with a
stored password.
"""

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from enum import Enum
from functools import partial

import bcrypt

from exporter.threads import ThreadLimit
from exporter.web.limits import client_of


class QueueFull(Exception):  # noqa: N818 -- a state, not an error
    """The queue has no free place, or the place was given to another client."""


Lane = tuple[str, Hashable]
"""A client and a user. Each pair has its own queue; all unknown users of a client count as one."""


class FairQueue:
    """Runs one request at a time, round robin over the clients, and over the lanes of each client.

    ``size`` is the maximum number of requests in all lanes, ``size_per_lane`` in one. Both include the
    running request.
    """

    def __init__(self, *, size: int, size_per_lane: int) -> None:
        self._size = size
        self._size_per_lane = size_per_lane
        self._running: tuple[Lane, asyncio.Future[bool]] | None = None
        # In the order of service: all lanes of a client move to the end when one of them is served.
        self._waiting: dict[Lane, list[asyncio.Future[bool]]] = {}

    @contextlib.asynccontextmanager
    async def turn(self, lane: Lane) -> AsyncIterator[None]:
        """Wait for a turn, and keep it until the end of the context. Raises QueueFull."""
        place = self._join(lane)
        try:
            if not await place:
                raise QueueFull
            yield
        finally:
            if self._running == (lane, place):
                self._running = None
            else:
                self._leave(lane, place)
            self._serve_next()

    def _join(self, lane: Lane) -> asyncio.Future[bool]:
        own = len(self._waiting.get(lane, ())) + (self._running is not None and self._running[0] == lane)
        if own >= self._size_per_lane:
            raise QueueFull
        if sum(map(len, self._waiting.values())) + (self._running is not None) >= self._size:
            self._displace(lane[0])
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(lane, []).append(place)
        self._serve_next()
        return place

    def _displace(self, client: str) -> None:
        """Take a place from the client with the most places, for ``client``.

        Raises QueueFull if ``client`` would then have as many places as that client had.
        """
        counts: Counter[str] = Counter()
        for (other, _), places in self._waiting.items():
            counts[other] += len(places)
        most = max(counts.values(), default=0)
        if most <= counts[client] + 1:
            raise QueueFull
        lanes = [lane for lane in self._waiting if counts[lane[0]] == most]
        lane = max(lanes, key=lambda each: len(self._waiting[each]))
        place = self._waiting[lane][-1]
        self._leave(lane, place)
        if not place.done():
            place.set_result(False)

    def _leave(self, lane: Lane, place: asyncio.Future[bool]) -> None:
        places = self._waiting.get(lane, [])
        if place in places:
            places.remove(place)
            if not places:
                del self._waiting[lane]

    def _serve_next(self) -> None:
        while self._waiting and self._running is None:
            lane = next(iter(self._waiting))
            places = self._waiting.pop(lane)
            place = places.pop(0)
            for other in [each for each in self._waiting if each[0] == lane[0]]:
                self._waiting[other] = self._waiting.pop(other)
            if places:
                self._waiting[lane] = places
            if not place.done():  # else its request was cancelled
                self._running = lane, place
                place.set_result(True)


_LONGEST = 72
"""Bytes. bcrypt ignores the rest of a password, and the library raises (seen, bcrypt 5.0)."""

_QUEUE = 64
_QUEUE_PER_LANE = 4

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
        self._queue = FairQueue(size=_QUEUE, size_per_lane=_QUEUE_PER_LANE)
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
        """Check a user and password that were sent from an address."""
        user, password = given
        known = self._hashes.get(user, self._decoy)
        if self._was_right(user, known, password):
            return Verdict.RIGHT
        if len(password) > _LONGEST:
            return Verdict.WRONG
        # All unknown users of a client share one lane: otherwise random names would get many.
        lane = client_of(address), user if user in self._hashes else None
        try:
            async with self._queue.turn(lane):
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
