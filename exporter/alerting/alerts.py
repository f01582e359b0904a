"""The state of every alert: pending, firing or resolved, as Prometheus's rules keep it. Times are moments."""

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from exporter.alerting.conditions import Found, Identity
from exporter.alerting.rules import Labels, Rule

RESOLVED_FOR = 900.0
"""Seconds for which the end of an alert is told: an Alertmanager that was away must not keep it burning."""

_AT_A_TIME = 200


class State(StrEnum):
    """The states of an alert that is not inactive."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(slots=True, eq=False)
class Alert:
    """One alert, equal to no other: one that ended and fires again is another.

    ``since`` is when its present state began, ``fired_at`` when it began to fire.

    ``value`` and ``threshold`` are those of the newest evaluation at which it was due, ``last_due_at``.
    ``ending_since``: it fires although it is not due any more, for its ``keep_firing_for``, since then.
    ``team``: of its tenant, until it fires. Then it keeps that label, by which Alertmanager knows it: with
    another one it would be another alert, and the end of this one would be told while its cause goes on.
    ``due_in``: in which evaluation of this process it was due last. ``severity`` is that of its rule, or of
    the threshold that was crossed.
    """

    identity: Identity
    state: State
    since: float
    value: float
    threshold: float
    fired_at: float | None = None
    ending_since: float | None = None
    team: str = ""
    due_in: int = 0
    severity: str = field(init=False)

    def __post_init__(self) -> None:
        rule, found = self.identity
        self.severity = rule.severity or dict(found).get("severity", "")

    @property
    def labels(self) -> dict[str, str]:
        """All its labels but those that the configuration adds."""
        rule, found = self.identity
        return rule.labels(found) | ({"team": self.team} if self.team else {})

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations, with the values that it was last due with."""
        rule, found = self.identity
        return rule.annotations(found, self.value, self.threshold)


class Alerts:
    """Every alert there is, by identity. ``step`` is one evaluation."""

    def __init__(self) -> None:
        self.by_identity: dict[Identity, Alert] = {}
        self.changed: list[Alert] = []
        self._evaluation = 0

    def firing(self, rule: Rule) -> Collection[Labels]:
        """Return the labels of the alerts of a rule that fire."""
        return [
            alert.identity[1]
            for alert in self.by_identity.values()
            if alert.identity[0] is rule and alert.state is State.FIRING
        ]

    def step(self, due: Iterable[Found | None], now: float) -> Iterator[None]:
        """Take in what is due now, and let every alert go on.

        Yields where others may have their turn, also where there is None among what is due. ``changed``
        then holds the alerts that began to fire or ended with this step.
        """
        self._evaluation += 1
        for number, found in enumerate(due, 1):
            if found is not None:
                self._is_due(found, now)
            if found is None or not number % _AT_A_TIME:
                yield
        yield
        over = yield from self._go_on(now)
        for number, identity in enumerate(over, 1):
            del self.by_identity[identity]
            if not number % _AT_A_TIME:
                yield

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Take back what was written to a file, which may be done in portions."""
        self.by_identity |= {alert.identity: alert for alert in alerts}

    def _is_due(self, found: Found, now: float) -> None:
        alert = self.by_identity.get(found.identity)
        if alert is None or alert.state is State.RESOLVED:
            # What ended and is due again is another alert: it has to hold anew.
            alert = Alert(found.identity, State.PENDING, now, found.value, found.threshold)
            self.by_identity[found.identity] = alert
        if alert.state is State.PENDING:
            alert.team = found.team
        alert.value, alert.threshold, alert.ending_since = found.value, found.threshold, None
        alert.due_in = self._evaluation

    def _go_on(self, now: float) -> Generator[None, None, list[Identity]]:
        """Let every alert go on; return those of which nothing is left to be told."""
        self.changed, over = [], []
        for number, alert in enumerate(self.by_identity.values(), 1):
            if alert.due_in != self._evaluation:
                if self._is_over(alert, now):
                    over.append(alert.identity)
            elif alert.state is State.PENDING and now - alert.since >= alert.identity[0].pending_for:
                alert.state, alert.since, alert.fired_at = State.FIRING, now, now
                self.changed.append(alert)
            if not number % _AT_A_TIME:
                yield
        return over

    def _is_over(self, alert: Alert, now: float) -> bool:
        """Let an alert that is not due go on; tell whether nothing is left to be told of it."""
        match alert.state:
            case State.PENDING:
                return True
            case State.FIRING:
                if alert.ending_since is None:
                    alert.ending_since = now
                if now - alert.ending_since >= alert.identity[0].keep_firing_for:
                    alert.state, alert.since = State.RESOLVED, now
                    self.changed.append(alert)
                return False
            case State.RESOLVED:
                return now - alert.since > RESOLVED_FOR
