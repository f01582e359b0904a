"""Whose turn it is to be asked, and with which requests."""

import asyncio
import math
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from exporter.model import Query, Scope, Target
from exporter.poll import requests
from exporter.poll.requests import Item
from exporter.poll.targets import Targets
from exporter.request import Operation

_AT_A_TIME = 500
"""How many tenants are looked at before others have a turn: some 2 ms."""


class _Turn(NamedTuple):
    """When a target is due again, at this pace; at another one it is due at once."""

    at: float
    pace: float


class Turns:
    """When each target of a switch is asked again. Times are monotonic seconds.

    What takes long for 5,000 tenants lets others have their turn, so tenants may leave and come meanwhile.
    """

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        # All that keeps something of a target keeps this one: else each would have one of its own.
        self._known: dict[Query, dict[str, Target]] = {}
        self._turns: dict[Target, _Turn] = {}

    async def items(self, query: Query, scope: Scope, now: float) -> Collection[Item]:
        """Return the requests of a sweep that starts now: to every target that is due.

        A tenant with a longer interval than the query's shortest is in only as many sweeps as it asks for.
        """
        if scope is Scope.SWITCH:
            return self._targets.for_switch(query)
        return await self._items(query, list(self._targets.tenants), due_at=now, now=now)

    async def items_of(self, query: Query, codes: Sequence[str], now: float) -> Collection[Item]:
        """Return the requests that ask these tenants now, whether they are due or not."""
        return await self._items(query, codes, due_at=math.inf, now=now)

    def item(self, target: Target, now: float) -> Item | None:
        """Return a request to one target, or None where it is not polled (any more)."""
        if not self._targets.is_polled(target):
            return None
        if target.scope is Scope.SWITCH:
            return self._targets.for_switch(target.query)[0]
        self._take(target, now, 1.0)
        return next(iter(self._requests(target.query, [target])), None)

    def forget(self, codes: Collection[str]) -> None:
        """Forget tenants that left."""
        for known in self._known.values():
            for code in known.keys() & codes:
                self._turns.pop(known.pop(code), None)

    async def _items(
        self, query: Query, codes: Sequence[str], *, due_at: float, now: float
    ) -> Collection[Item]:
        due: list[Target] = []
        for start in range(0, len(codes), _AT_A_TIME):
            if start:
                await asyncio.sleep(0)
            due += self._due(query, codes[start : start + _AT_A_TIME], due_at)
        for start in range(0, len(due), _AT_A_TIME):
            if start:
                await asyncio.sleep(0)
            for position, target in enumerate(due[start : start + _AT_A_TIME], start=start + 1):
                self._take(target, now, position / len(due))
        return self._requests(query, [target for target in due if self._targets.is_polled(target)])

    def _due(self, query: Query, codes: Iterable[str], at: float) -> Iterable[Target]:
        known = self._known.setdefault(query, {})
        for code in codes:
            tenant = self._targets.tenants.get(code)
            if tenant is None or not self._targets.asks(query, tenant):
                continue
            target = known.get(code) or known.setdefault(code, Target(query, Scope.TENANT, code))
            turn, pace = self._turns.get(target), self._targets.pace(target)
            if pace < math.inf and (turn is None or turn.at <= at or turn.pace != pace):
                yield target

    def _take(self, target: Target, now: float, share: float) -> None:
        """Note that it is a target's turn. ``share`` tells the last one in a sweep, 1, from the others."""
        pace = self._targets.pace(target)
        if pace == math.inf:
            return  # it has left meanwhile
        # Half a sweep is taken off, so that one that comes a little early counts as well.
        early = self._targets.plan.cycles[target.query, target.scope] / 2
        turn = self._turns.get(target)
        if pace <= 2 * early or (turn and turn.pace == pace):
            share = 1.0  # asked together for the first time, the others would stay together for good
        self._turns[target] = _Turn(now + pace * share - early, pace)

    def _requests(self, query: Query, targets: list[Target]) -> Collection[Item]:
        operation = self._targets.operation(query)
        if operation is not Operation.REGISTRATION:
            return requests.for_tenants(operation, targets)
        return requests.for_extensions(
            {target: self._targets.extensions(target.tenant) for target in targets},
            self._targets.registration_parameter,
        )
