"""A queue in which nobody keeps others out: clients take turns, and of a client each of its lanes."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Hashable


class Full(Exception):  # noqa: N818 -- a state, and no error
    """There is no place in the queue for this client, or it had to give it up for another one."""


class _Place:
    """Of one who waits. ``turn`` is True once it has its turn, and False where it lost its place."""

    __slots__ = ("client", "lane", "number", "turn")

    def __init__(self, client: str, lane: Hashable, number: int, turn: asyncio.Future[bool]) -> None:
        self.client = client
        self.lane = (client, lane)
        self.number = number
        self.turn = turn


class FairQueue:
    """Lets one through at a time. ``most`` may wait, and ``most_of_lane`` of one lane of a client."""

    def __init__(self, *, most: int, most_of_lane: int) -> None:
        self._most = most
        self._most_of_lane = most_of_lane
        self._waiting: list[_Place] = []
        self._running: _Place | None = None
        self._served: dict[Hashable, int] = {}
        self._number = 0

    @contextlib.asynccontextmanager
    async def turn(self, client: str, lane: Hashable) -> AsyncIterator[None]:
        """Wait for a turn, and hold it. Raises Full where there is no place, or none any more."""
        place = self._join(client, lane)
        try:
            if not await place.turn:
                raise Full
            yield
        finally:
            if place is self._running:
                self._running = None
                self._go_on()
            elif place in self._waiting:
                self._waiting.remove(place)

    def _join(self, client: str, lane: Hashable) -> _Place:
        self._number += 1
        place = _Place(client, lane, self._number, asyncio.get_running_loop().create_future())
        everyone = [*self._waiting, self._running] if self._running else self._waiting
        if sum(one.lane == place.lane for one in everyone) >= self._most_of_lane:
            raise Full
        if len(everyone) >= self._most:
            self._make_room(client)
        self._waiting.append(place)
        if self._running is None:
            self._go_on()
        return place

    def _make_room(self, client: str) -> None:
        """Take the newest place of the client that has the most. Raises Full where this one has as many."""
        counts = Counter(one.client for one in self._waiting)
        most = max(counts.values(), default=0)
        if most <= counts[client] + 1:
            raise Full
        loser = max((one for one in self._waiting if counts[one.client] == most), key=lambda one: one.number)
        self._waiting.remove(loser)
        if not loser.turn.done():
            loser.turn.set_result(False)

    def _go_on(self) -> None:
        waiting = {one.client for one in self._waiting} | {one.lane for one in self._waiting}
        self._served = {key: number for key, number in self._served.items() if key in waiting}
        self._waiting = [one for one in self._waiting if not one.turn.done()]  # else it was cancelled
        if not self._waiting:
            return
        place = min(self._waiting, key=self._rank)
        self._waiting.remove(place)
        self._number += 1
        self._served[place.client] = self._served[place.lane] = self._number
        self._running = place
        place.turn.set_result(True)

    def _rank(self, place: _Place) -> tuple[int, int, int]:
        return self._served.get(place.client, 0), self._served.get(place.lane, 0), place.number
