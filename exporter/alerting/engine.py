"""Judges every switch and keeps the state of every alert. Pure: what is known and the moment are passed in.

A *moment* is seconds on an axis that knows no wall clock and goes on over a restart. Evaluations are at whole
intervals of it. Those that were missed, because nobody ran, are made up for: what counted then still counts
for its window, so a gap is to an alert what a gap in its scrapes is to Prometheus.
"""

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from exporter.alerting import rules
from exporter.alerting.attempts import SwitchSnapshot
from exporter.alerting.conditions import Findings, Found, Identity, findings
from exporter.alerting.inputs import Memory
from exporter.alerting.rules import Labels, Rule

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

    def evaluate(self, looks: Mapping[str, SwitchSnapshot], now: float) -> Generator[None, None, None]:
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
        self, looks: Mapping[str, SwitchSnapshot | None], declared: Mapping[str, SwitchSnapshot], now: float
    ) -> Iterator[None]:
        yield from self.alerts.step(self._due(looks, declared, now), now)
        self.evaluated_at = now

    def _due(
        self, looks: Mapping[str, SwitchSnapshot | None], declared: Mapping[str, SwitchSnapshot], now: float
    ) -> Findings:
        yield Found((rules.WATCHDOG, ()), 1)
        for name, memory in self.memories.items():
            store = declared[name].store if name in declared else None
            yield from memory.observe(looks.get(name), store, now)
            yield from findings(memory, self.alerts.firing, now)


RESOLVED_FOR = 900.0
"""Seconds for which the end of an alert is told: an Alertmanager that was away must not keep it burning."""

_AT_A_TIME = 200


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
