"""Remembers every request: when it came, what it asked, how many were in flight, and how it ended."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import count, islice

_KEPT = 200_000
_FORBIDDEN_KEPT = 10_000

IN_FLIGHT = "in flight"
ANSWERED = "answered"
REFUSED = "refused"
FORBIDDEN = "forbidden"
ABANDONED = "abandoned"


@dataclass(slots=True)
class Entry:
    """One request. ``time`` is in seconds since 1970; ``in_flight`` counts the others at its arrival.

    ``outcome`` is ``in flight``, ``answered``, ``refused``, ``forbidden``, ``abandoned`` (the client went
    before an answer), or ``fault`` and its kind.
    """

    number: int
    time: float
    parameters: Mapping[str, str]
    key: str
    in_flight: int
    outcome: str = IN_FLIGHT
    seconds: float | None = None


class Journal:
    """The newest 200,000 requests, and counts over all of them. ``clock`` tells seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._numbers = count()
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._forbidden: deque[dict[str, object]] = deque(maxlen=_FORBIDDEN_KEPT)
        self._in_flight: Counter[str] = Counter()  # by tenant, "" for the whole installation
        self._most_in_flight = 0
        self._most_in_flight_of_a_tenant = 0
        self._by_outcome: Counter[str] = Counter()
        self._by_operation: Counter[str] = Counter()

    def arrive(self, parameters: Mapping[str, str], key: str) -> Entry:
        """Write down a request that has come. ``parameters`` and ``key`` (its kind) hold no secret."""
        entry = Entry(next(self._numbers), self._clock(), parameters, key, self._in_flight.total())
        self._entries.append(entry)
        tenant = parameters.get("tenant", "")
        self._in_flight[tenant] += 1
        self._most_in_flight = max(self._most_in_flight, entry.in_flight + 1)
        if tenant:
            of_tenant = self._in_flight[tenant]
            self._most_in_flight_of_a_tenant = max(self._most_in_flight_of_a_tenant, of_tenant)
        operation = (parameters.get(name, "") for name in ("reqtype", "info", "object", "action"))
        self._by_operation[" ".join(filter(None, operation))] += 1
        return entry

    def leave(self, entry: Entry) -> None:
        """Write down that a request is over. One whose outcome nobody set was abandoned by its client."""
        if entry.outcome == IN_FLIGHT:
            entry.outcome = ABANDONED
        entry.seconds = self._clock() - entry.time
        tenant = entry.parameters.get("tenant", "")
        self._in_flight[tenant] -= 1
        if not self._in_flight[tenant]:
            del self._in_flight[tenant]
        self._by_outcome[entry.outcome] += 1

    def forbid(self, entry: Entry, why: str) -> None:
        """Write down that a request must not have been sent."""
        entry.outcome = FORBIDDEN
        self._forbidden.append({**asdict(entry), "why": why})

    def since(self, number: int, most: int = _KEPT) -> list[Entry]:
        """Return the entries from this number on, as far as they are kept, and so many at most."""
        if not self._entries:
            return []
        skipped = max(0, number - self._entries[0].number)
        return list(islice(self._entries, skipped, skipped + most))

    @property
    def forbidden(self) -> list[dict[str, object]]:
        """The requests that must not have been sent, each with why."""
        return list(self._forbidden)

    def counts(self) -> dict[str, object]:
        """Return the counts over all requests since the start."""
        return {
            "total": self._by_operation.total(),
            "in_flight": self._in_flight.total(),
            "most_in_flight": self._most_in_flight,
            "most_in_flight_of_a_tenant": self._most_in_flight_of_a_tenant,
            "by_outcome": dict(self._by_outcome),
            "by_operation": dict(self._by_operation),
        }
