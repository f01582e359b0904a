"""Basic authentication (RFC 7617): whose password is right, without bcrypt's price for each scrape.

A check of bcrypt costs 60 ms and more, on purpose. So a password that was right is remembered, one for each
user, as a digest keyed with a secret of this process; and what has to be checked is checked outside the event
loop, one after the other. Whoever sends wrong passwords waits with the others who do, not with those who
scrape. Clients take turns, and of one client the users that it names, so a flood of wrong passwords delays
others and keeps nobody out. All names that are no users are one: random names would be many users.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial

import bcrypt

from exporter.threads import ThreadLimit
from exporter.web.connections import client_of
from exporter.web.fair_queue import FairQueue, Full

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

    def adopt(self, hashes: Mapping[bytes, bytes]) -> None:
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
                # Who sends several requests at once waits for the first of them alone.
                right = self._was_right(user, known, password) or await self._checked(known, password)
        except Full:
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
