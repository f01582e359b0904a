"""Judges every switch and keeps the state of every alert. Pure: what is known and the moment are passed in.

A *moment* is seconds on an axis that knows no wall clock and goes on over a restart. Evaluations are at whole
intervals of it. Those that were missed, because nobody ran, are made up for: what counted then still counts
for its window, so a gap is to an alert what a gap in its scrapes is to Prometheus.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence

from exporter.alerting import rules
from exporter.alerting.alerts import Alerts
from exporter.alerting.conditions import Findings, Found, findings
from exporter.alerting.look import Look
from exporter.alerting.memory import Memory

INTERVAL = 60.0
"""Seconds between two evaluations: the ``interval`` of the rules."""

_MADE_UP_FOR = 40
"""Evaluations. By then every window but that of the license has passed, in 15 minutes, and what went on
firing has ended, in 15 more: what is left is one step."""


class Engine:
    """The memory of every switch, and the alerts that follow from it."""

    def __init__(self) -> None:
        self.alerts = Alerts()
        self.memories: dict[str, Memory] = {}
        self.evaluated_at: float | None = None

    def evaluate(self, looks: Mapping[str, Look], now: float) -> Generator[None, None, None]:
        """Judge what the switches look like now. Yields where others may have their turn.

        A switch that is not among ``looks`` any more is forgotten when nothing of it counts any longer.
        """
        for name in looks:
            self.memories.setdefault(name, Memory(name))
        changed = []
        for missed in self._missed(now):
            yield from self._step(dict.fromkeys(looks), looks, missed)
            changed += self.alerts.changed
        yield from self._step(looks, looks, now)
        self.alerts.changed = changed + self.alerts.changed
        for name in self.memories.keys() - looks.keys():
            if self.memories[name].is_empty:
                del self.memories[name]

    def _missed(self, now: float) -> Sequence[float]:
        if self.evaluated_at is None:
            return []
        count = round((now - self.evaluated_at) / INTERVAL) - 1
        return [self.evaluated_at + INTERVAL * number for number in range(1, min(count, _MADE_UP_FOR) + 1)]

    def _step(
        self, looks: Mapping[str, Look | None], declared: Mapping[str, Look], now: float
    ) -> Iterator[None]:
        yield from self.alerts.step(self._due(looks, declared, now), now)
        self.evaluated_at = now

    def _due(self, looks: Mapping[str, Look | None], declared: Mapping[str, Look], now: float) -> Findings:
        yield Found((rules.WATCHDOG, ()), 1)
        for name, memory in self.memories.items():
            store = declared[name].store if name in declared else None
            yield from memory.observe(looks.get(name), store, now)
            yield from findings(memory, self.alerts.firing, now)
