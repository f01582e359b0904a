"""The alerts that wait for one Alertmanager, in the order of sending. Pure.

Alertmanager may need longer than a minute for a list: at 1 s per message of 64, the last of 6,000 firing
alerts were never sent (seen 2026-11). So a waiting alert keeps its place when the next list arrives, and an
alert that was sent goes to the end of its queue.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from itertools import islice

from exporter.alerting.engine import Alert, State
from exporter.alerting.monitoring_rules import WATCHDOG
from exporter.alerting.rule import Identity


class Kind(StrEnum):
    """Why an alert waits: the values of the label ``kind``."""

    NEW = "new"  # its present state was not sent yet
    REPEAT = "repeat"  # sent again so that it does not expire in Alertmanager


class NotificationQueue:
    """Four ordered queues, most urgent first: critical new and repeated alerts, then the others."""

    def __init__(self) -> None:
        self._queues: tuple[dict[Alert, None], ...] = ({}, {}, {}, {})
        self._sent: dict[Alert, State] = {}
        self._refused: dict[Identity, Alert | None] = {}
        self.size = 0

    def replace(self, alerts: Collection[Alert]) -> list[Alert]:
        """Queue exactly these alerts; return the dropped alerts whose end was never sent."""
        self.size = len(alerts)
        before, self._refused = self._refused, {}
        for alert in alerts:
            if before and alert.identity in before:
                self._refused[alert.identity] = alert
            else:
                self._put(alert)
        wanted = set(alerts)
        dropped = []
        for queue in self._queues:
            for alert in queue.keys() - wanted:
                del queue[alert]
                if alert.state is State.RESOLVED and self._sent.get(alert) is not alert.state:
                    dropped.append(alert)
        self._sent = {alert: state for alert, state in self._sent.items() if alert in wanted}
        return dropped

    def next(self, size: int) -> list[Alert]:
        """Return up to ``size`` alerts; they stay queued until ``record_sent`` or ``refuse``.

        Each queue leaves a quarter of the message to the less urgent ones, so that none waits forever.
        """
        batch: list[Alert] = []
        for number, queue in enumerate(self._queues, 1):
            left = size - len(batch)
            reserved = left // 4 if any(self._queues[number:]) else 0
            batch += islice(queue, left - reserved)
        return batch

    def next_refused(self) -> Alert | None:
        """Return a refused alert that was not sent since the newest list arrived."""
        for identity, alert in self._refused.items():
            if alert is not None:
                self._refused[identity] = None
                return alert
        return None

    def record_sent(self, sent: Iterable[tuple[Alert, State]]) -> None:
        """Remove accepted alerts; ``sent`` has the state of each in the message."""
        for alert, state in sent:
            self._sent[alert] = state
            self._refused.pop(alert.identity, None)
            self._remove(alert)
            if alert.state is not state:  # it changed meanwhile
                self._put(alert)

    def refuse(self, alert: Alert) -> bool:
        """Make an alert be sent alone from now on; return whether this is its first refusal."""
        is_news = alert.identity not in self._refused
        self._refused[alert.identity] = None
        self._remove(alert)
        return is_news

    def waiting(self, kind: Kind) -> int:
        """Return how many alerts wait."""
        first = 0 if kind is Kind.NEW else 1
        return sum(map(len, self._queues[first::2]))

    def _put(self, alert: Alert) -> None:
        is_urgent = alert.severity == "critical" or alert.identity[0] is WATCHDOG
        own = self._queues[(0 if is_urgent else 2) + (self._sent.get(alert) is alert.state)]
        if alert not in own:
            self._remove(alert)
            own[alert] = None

    def _remove(self, alert: Alert) -> None:
        for queue in self._queues:
            queue.pop(alert, None)


def parts(batch: Sequence[Alert]) -> list[Sequence[Alert]]:
    """Split a refused message, to find its refused alerts."""
    step = max(1, len(batch) // 8)
    return [batch[start : start + step] for start in range(0, len(batch), step)]
