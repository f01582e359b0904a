"""Basic authentication (RFC 7617): whose password is right, without bcrypt's price for each scrape.

A check of bcrypt costs 60 ms and more, on purpose. So a password that was right is remembered, one for each
user, as a digest keyed with a secret of this process; and what has to be checked is checked outside the event
loop, one after the other. A scrape with a known password does not wait for the checks of wrong ones. The
queue is fair to clients, and to the users that each client names: a flood of wrong passwords delays other
checks, but does not prevent them. Names of no user count as one: random names would be many users.
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


class QueueFull(Exception):  # noqa: N818 -- a state, and no error
    """The queue is full, or another client took this place in it."""


class _Waiter:
    """A request in the queue. ``turn`` results in True when it may run, in False when it lost its place."""

    __slots__ = ("client", "lane", "number", "turn")

    def __init__(self, client: str, lane: Hashable, number: int, turn: asyncio.Future[bool]) -> None:
        self.client = client
        self.lane = (client, lane)
        self.number = number
        self.turn = turn


class FairQueue:
    """Runs one at a time, round robin over clients, and over the lanes of each client.

    ``most`` may wait, and ``most_of_lane`` of one lane of a client.
    """

    def __init__(self, *, most: int, most_of_lane: int) -> None:
        self._most = most
        self._most_of_lane = most_of_lane
        self._waiting: list[_Waiter] = []
        self._running: _Waiter | None = None
        self._served: dict[Hashable, int] = {}
        self._number = 0

    @contextlib.asynccontextmanager
    async def turn(self, client: str, lane: Hashable) -> AsyncIterator[None]:
        """Wait for a turn, and hold it. Raises QueueFull."""
        waiter = self._join(client, lane)
        try:
            if not await waiter.turn:
                raise QueueFull
            yield
        finally:
            if waiter is self._running:
                self._running = None
                self._serve_next()
            elif waiter in self._waiting:
                self._waiting.remove(waiter)

    def _join(self, client: str, lane: Hashable) -> _Waiter:
        self._number += 1
        waiter = _Waiter(client, lane, self._number, asyncio.get_running_loop().create_future())
        everyone = [*self._waiting, self._running] if self._running else self._waiting
        if sum(one.lane == waiter.lane for one in everyone) >= self._most_of_lane:
            raise QueueFull
        if len(everyone) >= self._most:
            self._make_room(client)
        self._waiting.append(waiter)
        if self._running is None:
            self._serve_next()
        return waiter

    def _make_room(self, client: str) -> None:
        """Take the newest place of the client that has the most. Raises QueueFull if this one has as many."""
        counts = Counter(one.client for one in self._waiting)
        most = max(counts.values(), default=0)
        if most <= counts[client] + 1:
            raise QueueFull
        loser = max((one for one in self._waiting if counts[one.client] == most), key=lambda one: one.number)
        self._waiting.remove(loser)
        if not loser.turn.done():
            loser.turn.set_result(False)

    def _serve_next(self) -> None:
        waiting = {one.client for one in self._waiting} | {one.lane for one in self._waiting}
        self._served = {key: number for key, number in self._served.items() if key in waiting}
        self._waiting = [one for one in self._waiting if not one.turn.done()]  # else it was cancelled
        if not self._waiting:
            return
        waiter = min(self._waiting, key=self._rank)
        self._waiting.remove(waiter)
        self._number += 1
        self._served[waiter.client] = self._served[waiter.lane] = self._number
        self._running = waiter
        waiter.turn.set_result(True)

    def _rank(self, waiter: _Waiter) -> tuple[int, int, int]:
        return self._served.get(waiter.client, 0), self._served.get(waiter.lane, 0), waiter.number


_LONGEST = 72
"""Bytes. bcrypt knows no more of a password, and the library raises for longer ones (seen, bcrypt 5.0)."""

_WAITING_OF_USER = 4
"""Of one user, from one client."""
_WAITING = 64

Credentials = tuple[bytes, bytes]
Check = Callable[[bytes, bytes], bool]


class Verdict(Enum):
    """What is known of a user and password. BUSY: nothing, because too many others are being checked."""

    RIGHT = "right"
    WRONG = "wrong"
    BUSY = "busy"


def credentials(header: str) -> Credentials | None:
    """Return user and password of an Authorization header, or None where it has none. Raises nothing."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(" "), validate=True).partition(b":")
    except (binascii.Error, ValueError):  # the latter for letters beyond ASCII
        return None
    return (user, password) if colon else None


class Passwords:
    """The users, and whose password was right. Checks with ``check``, which is bcrypt's."""

    def __init__(self, check: Check = bcrypt.checkpw) -> None:
        self._check = check
        self._secret = secrets.token_bytes(32)
        self._hashes: Mapping[bytes, bytes] = {}
        self._decoy = b""
        self._right: dict[bytes, bytes] = {}
        self._queue = FairQueue(most=_WAITING, most_of_lane=_WAITING_OF_USER)
        self._thread = ThreadLimit("password", 1)

    def apply(self, hashes: Mapping[bytes, bytes]) -> None:
        """Know these users from now on, each with the hash of the password; without any, all are let in."""
        self._right = {user: d for user, d in self._right.items() if hashes.get(user) == self._hashes[user]}
        self._hashes = hashes
        # For users that do not exist: they cost what the dearest of the others costs (the 10 of $2b$10$…).
        self._decoy = max(hashes.values(), key=lambda known: known[4:6], default=b"")

    @property
    def needed(self) -> bool:
        """Whether there are users at all."""
        return bool(self._hashes)

    async def verdict(self, given: Credentials, address: str) -> Verdict:
        """Tell whether a user and password that came from an address are right."""
        user, password = given
        known = self._hashes.get(user, self._decoy)
        if self._was_right(user, known, password):
            return Verdict.RIGHT
        if len(password) > _LONGEST:
            return Verdict.WRONG
        try:
            async with self._queue.turn(client_of(address), user if user in self._hashes else None):
                # Of several requests at once with one password, only the first needs a check.
                right = self._was_right(user, known, password) or await self._checked(known, password)
        except QueueFull:
            return Verdict.BUSY
        if right and self._hashes.get(user) == known:
            self._right[user] = self._digest(known, password)
            return Verdict.RIGHT
        return Verdict.WRONG

    async def _checked(self, known: bytes, password: bytes) -> bool:
        return await self._thread.run(partial(self._check, password, known))

    def _was_right(self, user: bytes, known: bytes, password: bytes) -> bool:
        return hmac.compare_digest(self._right.get(user, b""), self._digest(known, password))

    def _digest(self, known: bytes, password: bytes) -> bytes:
        return hashlib.blake2b(known + password, key=self._secret).digest()
