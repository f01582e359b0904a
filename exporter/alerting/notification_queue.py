"""What one Alertmanager has yet to be sent, and in which order. Pure.

An Alertmanager may be slower than the alerts that come anew each minute: at 1 s for a message, 6,000 firing
alerts take longer than a minute, and those at the end of the list were never sent (seen 2026-11). So an alert
that waits keeps its place when the next list comes, and what was sent goes to the end of the queue.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from itertools import islice

from exporter.alerting.engine import Alert, State
from exporter.alerting.monitoring_rules import WATCHDOG
from exporter.alerting.rule import Identity


class Kind(StrEnum):
    """Why an alert waits: the values of the label ``kind``."""

    NEW = "new"  # its beginning, or its end, was not sent yet
    REPEAT = "repeat"  # sent before; sent again so that Alertmanager does not let it expire


class NotificationQueue:
    """The queues of one Alertmanager, most urgent first; each is a dict for its order."""

    def __init__(self) -> None:
        self._queues: tuple[dict[Alert, None], ...] = ({}, {}, {}, {})
        self._sent: dict[Alert, State] = {}
        self._refused: dict[Identity, Alert | None] = {}
        self.size = 0

    def replace(self, alerts: Collection[Alert]) -> list[Alert]:
        """Queue all of these, and nothing else.

        Returns the alerts that ended and are dropped although their end was never sent.
        """
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
        """Return up to so many alerts for one message; they wait until ``note_sent`` or ``refuse``.

        A queue leaves a quarter of the room to the less urgent ones behind it: none of them waits for ever.
        """
        batch: list[Alert] = []
        for number, queue in enumerate(self._queues, 1):
            room = size - len(batch)
            reserved = room // 4 if any(self._queues[number:]) else 0
            batch += islice(queue, room - reserved)
        return batch

    def next_refused(self) -> Alert | None:
        """Return a refused alert that was not tried since the newest list came."""
        for identity, alert in self._refused.items():
            if alert is not None:
                self._refused[identity] = None
                return alert
        return None

    def note_sent(self, sent: Iterable[tuple[Alert, State]]) -> None:
        """Note that alerts were accepted, each with the state that the message said."""
        for alert, state in sent:
            self._sent[alert] = state
            self._refused.pop(alert.identity, None)
            self._remove(alert)
            if alert.state is not state:  # it changed while the message was on its way
                self._put(alert)

    def refuse(self, alert: Alert) -> bool:
        """Keep an alert out of messages with others; return whether it was not refused before."""
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
        if alert not in own:  # else it keeps its place
            self._remove(alert)
            own[alert] = None

    def _remove(self, alert: Alert) -> None:
        for queue in self._queues:
            queue.pop(alert, None)


def parts(batch: Sequence[Alert]) -> list[Sequence[Alert]]:
    """Return a refused message in parts, to find which of its alerts is refused."""
    step = max(1, len(batch) // 8)
    return [batch[start : start + step] for start in range(0, len(batch), step)]
