"""How long nobody polled, or several exporters did, according to the requests that the switch received."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_POLLING = 2.5
"""Seconds: a machine polls as long as its requests are not further apart. Every query is sent each second."""


@dataclass(frozen=True)
class RequestsSeen:
    """The requests that the switch received between two times: when, and from which client."""

    start: float
    end: float
    requests: Sequence[tuple[float, str]]

    def longest_silence(self) -> float:
        """Return the longest time without any request."""
        times = [self.start, *(at for at, _ in self.requests), self.end]
        return max(later - earlier for earlier, later in pairwise(times))

    def together(self) -> float:
        """Return for how long more than one client polled."""
        spans = sorted(
            span for client in {client for _, client in self.requests} for span in self._spans(client)
        )
        total, until = 0.0, self.start
        for begin, end in spans:
            total += max(0.0, min(until, end) - begin)
            until = max(until, end)
        return total

    def _spans(self, client: str) -> Iterator[tuple[float, float]]:
        times = [at for at, sender in self.requests if sender == client]
        begin = times[0]
        for earlier, later in pairwise(times):
            if later - earlier > _POLLING:
                yield begin, earlier
                begin = later
        yield begin, times[-1]

    def counts(self) -> dict[str, int]:
        """Return the number of requests of each client."""
        clients = [client for _, client in self.requests]
        return {client: clients.count(client) for client in sorted(set(clients))}
