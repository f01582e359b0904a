"""Evaluates every rule for every switch, and keeps the state of every alert. Pure: the moment is passed in.

A *moment* is seconds on an axis that knows no wall clock and goes on over a restart. Evaluations are at whole
intervals of it. Those that were missed, because the daemon did not run, are caught up: what counted then
still counts for its window, so a gap is to an alert what a gap in its scrapes is to Prometheus.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from exporter.alerting.inputs import Labels, SwitchInputs, SwitchSnapshot
from exporter.alerting.rule import Due, Identity, Rule
from exporter.alerting.rules import RULES

INTERVAL = 60.0
"""Seconds between two evaluations: the ``interval`` of the rules."""

RESOLVED_FOR = 900.0
"""Seconds for which the end of an alert is sent: an Alertmanager that was away must not keep it firing."""

_AT_A_TIME = 2000
_CAUGHT_UP = 40
"""Evaluations. By then every window but that of the license has passed, in 15 minutes, and what went on
firing has ended, in 15 more: what is left is one step."""


@dataclass(frozen=True, slots=True)
class Now:
    """One instant on both axes: the moment of the engine, and our wall clock.

    ``speed``: seconds of moments in a second: 1, but for tests.
    """

    moment: float
    wall: float
    speed: float = 1.0

    def wall_of(self, moment: float) -> float:
        """Return when a moment was; one that is yet to come counts as now."""
        return self.wall - max(0.0, self.moment - moment) / self.speed


class State(StrEnum):
    """The states of an alert that is not inactive."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(slots=True, eq=False)
class Alert:
    """One alert, equal to no other: one that ended and fires again is another.

    ``since`` is when its present state began, ``fired_at`` when it began to fire.

    ``value`` and ``threshold`` are those of the newest evaluation at which it was due.
    ``ending_since``: it fires although it is not due any more, for its ``keep_firing_for``, since then.
    ``team``: of its tenant, until it fires. Then it keeps that label, by which Alertmanager knows it: with
    another one it would be another alert, and the end of this one would be sent while its cause goes on.
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
        rule, labels = self.identity
        self.severity = rule.severity or dict(labels).get("severity", "")

    @property
    def labels(self) -> dict[str, str]:
        """All its labels but those that the configuration adds."""
        rule, labels = self.identity
        return rule.labels(labels) | ({"team": self.team} if self.team else {})

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations, with the values that it was last due with."""
        rule, labels = self.identity
        return rule.annotations(labels, self.value, self.threshold)


class Alerts:
    """Every alert there is, by identity. An evaluation is ``due`` for each rule, and then ``advance``.

    ``changed`` holds the alerts that began to fire or ended with the newest evaluation.
    """

    def __init__(self) -> None:
        self.by_identity: dict[Identity, Alert] = {}
        self.changed: list[Alert] = []
        self._evaluation = 1

    def firing(self, name: str) -> Collection[Labels]:
        """Return the labels of the alerts of a name that fire."""
        return [
            alert.identity[1]
            for alert in self.by_identity.values()
            if alert.identity[0].name == name and alert.state is State.FIRING
        ]

    def due(self, rule: Rule, found: Iterable[Due], now: float) -> None:
        """Take in which alerts of a rule are due now."""
        for labels, value, threshold, team in found:
            identity = rule, labels
            alert = self.by_identity.get(identity)
            if alert is None or alert.state is State.RESOLVED:
                # What ended and is due again is another alert: it has to hold anew.
                alert = self.by_identity[identity] = Alert(identity, State.PENDING, now, value, threshold)
            if alert.state is State.PENDING:
                alert.team = team
            alert.value, alert.threshold, alert.ending_since = value, threshold, None
            alert.due_in = self._evaluation

    def advance(self, now: float) -> None:
        """End an evaluation: let alerts fire and end, and forget those that ended a while ago."""
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

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Take back what was written to a file, which may be done in portions."""
        self.by_identity |= {alert.identity: alert for alert in alerts}

    def _is_over(self, alert: Alert, now: float) -> bool:
        """Let an alert that is not due go on; tell whether it can be forgotten."""
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
    """The inputs of every switch, and the alerts that follow from them by ``rules``."""

    def __init__(self, rules: Sequence[Rule] = RULES) -> None:
        self.alerts = Alerts()
        self.switches: dict[str, SwitchInputs] = {}
        self.evaluated_at: float | None = None
        self._rules = rules

    def switch(self, name: str) -> SwitchInputs:
        """Return the inputs of a switch; of one that is new nothing is known."""
        if name not in self.switches:
            declared = dict.fromkeys(each for rule in self._rules for each in rule.inputs)
            self.switches[name] = SwitchInputs(name, declared, self.alerts.firing)
        return self.switches[name]

    def evaluate(self, snapshots: Mapping[str, SwitchSnapshot], now: float) -> Iterator[None]:
        """Evaluate all rules; yields after each input and some thousand alerts, for the event loop.

        A switch that is not among ``snapshots`` any more is forgotten when nothing of it counts any longer.
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
            snapshot = snapshots.get(name)
            store = snapshot.store if snapshot else None
            yield from inputs.observe(None if is_missed else snapshot, store, now)
        for rule in self._rules:
            if rule.condition is None:
                self.alerts.due(rule, [Due((), 1)], now)
                continue
            for inputs in self.switches.values():
                found = iter(rule.condition(inputs))
                is_more = True
                while is_more:
                    portion = list(islice(found, _AT_A_TIME))
                    self.alerts.due(rule, portion, now)
                    is_more = len(portion) == _AT_A_TIME
                    yield
        self.alerts.advance(now)
        yield
        self.evaluated_at = now
