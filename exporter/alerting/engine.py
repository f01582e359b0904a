"""Evaluates every rule for every switch, and tracks the state of every alert. Pure: the time is an argument.

A *moment* is a time in seconds on a clock that is independent of the wall clock and continues after a
restart. Evaluations are whole numbers of intervals apart. Evaluations that were missed, for example during a
restart, are caught up with the last values, which count until their window ends. So a gap affects an alert in
the same way as a gap in scrapes affects an alert of Prometheus.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from exporter.alerting.inputs import Labels, SwitchInputs, SwitchSnapshot
from exporter.alerting.rule import Due, Identity, Rule
from exporter.alerting.rules import RULES

INTERVAL = 60.0
"""Seconds between two evaluations: the ``interval`` of the rules."""

RESOLVED_FOR = 900.0
"""Seconds for which a resolved alert is still sent, so that an Alertmanager that was down resolves it."""

_CAUGHT_UP = 40
"""Missed evaluations that are caught up one by one; later ones are skipped. By then, only the window of the
license is still open: all others end within 15 minutes, and ``keep_firing_for`` within another 15."""


@dataclass(frozen=True, slots=True)
class Now:
    """The current time, as a moment and on the wall clock. ``speed`` of moments: 1 except in tests."""

    moment: float
    wall: float
    speed: float = 1.0

    def wall_of(self, moment: float) -> float:
        """Return the wall clock time of a moment. A moment in the future counts as now."""
        return self.wall - max(0.0, self.moment - moment) / self.speed


class State(StrEnum):
    """The state of an alert. Inactive alerts are not stored."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(slots=True, eq=False)
class Alert:
    """One occurrence of an alert. If it fires again after it resolved, that is a new ``Alert``.

    It is *due* in an evaluation if the condition of its rule is met.

    ``since``: when it entered its state; ``fired_at``: when it began to fire.
    ``value``, ``threshold``: from the latest evaluation in which it was due.
    ``ending_since``: when it stopped being due; until ``keep_firing_for`` has passed, it still fires.
    ``team``: the tenant's team when the alert began to fire. If the label changed, Alertmanager would see a
    different alert and resolve this one, although its cause persists.
    ``due_in``: the number of the latest evaluation in which it was due.
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
        rule, labels = self.identity
        self.severity = rule.severity or dict(labels).get("severity", "")

    @property
    def labels(self) -> dict[str, str]:
        """All labels except those from ``alerting.labels``."""
        rule, labels = self.identity
        return rule.labels(labels) | ({"team": self.team} if self.team else {})

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations, with the latest value and threshold."""
        rule, labels = self.identity
        return rule.annotations(labels, self.value, self.threshold)

    @property
    def figures(self) -> Mapping[str, float | None]:
        """Its value and threshold for the status; None if its rule has none."""
        rule = self.identity[0]
        return {
            "value": self.value if rule.has_value else None,
            "threshold": self.threshold if rule.compares else None,
        }


class Alerts:
    """All alerts, by identity. For each evaluation, call ``due`` for each rule, then ``advance``.

    ``changed``: the alerts that began to fire or resolved in the latest evaluation.
    """

    def __init__(self) -> None:
        self.by_identity: dict[Identity, Alert] = {}
        self.changed: list[Alert] = []
        self._evaluation = 1

    def firing(self, name: str) -> Collection[Labels]:
        """Return the labels of the firing alerts of this name."""
        return [
            alert.identity[1]
            for alert in self.by_identity.values()
            if alert.identity[0].name == name and alert.state is State.FIRING
        ]

    def due(self, rule: Rule, found: Iterable[Due], now: float) -> None:
        """Record which alerts of a rule are due."""
        for labels, value, threshold, team in found:
            identity = rule, labels
            alert = self.by_identity.get(identity)
            if alert is None or alert.state is State.RESOLVED:
                alert = self.by_identity[identity] = Alert(identity, State.PENDING, now, value, threshold)
            if alert.state is State.PENDING:
                alert.team = team
            alert.value, alert.threshold, alert.ending_since = value, threshold, None
            alert.due_in = self._evaluation

    def advance(self, now: float) -> None:
        """Finish an evaluation: fire and resolve alerts, and drop those that resolved over 15 minutes ago."""
        self.changed, over = [], []
        for alert in self.by_identity.values():
            if alert.due_in != self._evaluation:
                if self._is_over(alert, now):
                    over.append(alert.identity)
            elif alert.state is State.PENDING and now - alert.since >= alert.identity[0].pending_for:
                alert.state, alert.since, alert.fired_at = State.FIRING, now, now
                self.changed.append(alert)
        for identity in over:
            del self.by_identity[identity]
        self._evaluation += 1

    def drop_resolved(self) -> None:
        """Forget the alerts that have resolved, so that they are not sent."""
        self.by_identity = {
            identity: alert
            for identity, alert in self.by_identity.items()
            if alert.state is not State.RESOLVED
        }

    def _is_over(self, alert: Alert, now: float) -> bool:
        """Advance an alert that is not due; return whether to drop it."""
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


class Engine:
    """Evaluates ``rules`` on the inputs of every switch."""

    def __init__(self, rules: Sequence[Rule] = RULES) -> None:
        self.alerts = Alerts()
        self.switches: dict[str, SwitchInputs] = {}
        self.evaluated_at: float | None = None
        self._rules = rules

    def switch(self, name: str) -> SwitchInputs:
        """Return the inputs of a switch. A new switch starts with empty inputs."""
        if name not in self.switches:
            declared = [each for rule in self._rules for each in rule.inputs]
            self.switches[name] = SwitchInputs(name, declared, self.alerts.firing)
        return self.switches[name]

    def evaluate(self, snapshots: Mapping[str, SwitchSnapshot], now: float) -> Iterator[None]:
        """Evaluate all rules. Yields after each input and each rule, for the event loop.

        A switch that is not in ``snapshots`` is dropped when the windows of all its values have ended.
        """
        for name in snapshots:
            self.switch(name)
        changed = []
        for missed in self._missed(now):
            yield from self._evaluate(snapshots, missed, is_missed=True)
            changed += self.alerts.changed
        yield from self._evaluate(snapshots, now, is_missed=False)
        self.alerts.changed = changed + self.alerts.changed
        for name in self.switches.keys() - snapshots.keys():
            if self.switches[name].is_empty:
                del self.switches[name]

    def _missed(self, now: float) -> Sequence[float]:
        if self.evaluated_at is None:
            return []
        count = round((now - self.evaluated_at) / INTERVAL) - 1
        return [self.evaluated_at + INTERVAL * number for number in range(1, min(count, _CAUGHT_UP) + 1)]

    def _evaluate(
        self, snapshots: Mapping[str, SwitchSnapshot], now: float, *, is_missed: bool
    ) -> Iterator[None]:
        for name, inputs in self.switches.items():
            yield from inputs.observe(snapshots.get(name), now, is_missed=is_missed)
        for rule in self._rules:
            if rule.condition is None:
                self.alerts.due(rule, [Due((), 1)], now)
                continue
            for inputs in self.switches.values():
                self.alerts.due(rule, rule.condition(inputs), now)
                yield
        self.alerts.advance(now)
        yield
        self.evaluated_at = now
