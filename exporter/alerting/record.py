"""Adds alerts to the timeline when they fire or resolve."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from exporter.alerting.engine import Alert, State
from exporter.alerting.monitoring_rules import WATCHDOG
from exporter.storage.timeline import Kind, Timeline

_NAMED = 5
_AT_A_TIME = 1_000
_ABOUT = ("node", "tenant", "trunk", "extension", "queue", "query")


def record(timeline: Timeline, changed: Sequence[Alert]) -> Iterator[None]:
    """Add alerts: one entry per name, severity and switch. Each yield is a chance to run the event loop."""
    counts: Counter[tuple[State, str, str]] = Counter()
    first: dict[tuple[State, str, str], list[str]] = defaultdict(list)
    for number, alert in enumerate(changed, 1):
        rule, labels = alert.identity
        if rule is WATCHDOG:
            continue
        names = dict(labels)
        key = alert.state, f"{rule.name} ({alert.severity})", names.get("switch", "")
        counts[key] += 1
        if len(first[key]) < _NAMED:
            first[key].append(", ".join(f"{name} {names[name]}" for name in _ABOUT if name in names))
        if not number % _AT_A_TIME:
            yield
    for key, count in counts.items():
        state, alert_name, switch = key
        is_firing = state is State.FIRING
        timeline.add(
            Kind.ALERT_FIRING if is_firing else Kind.ALERT_RESOLVED,
            f"{alert_name} {'fires' if is_firing else 'resolved'}",
            switch=switch,
            names=[name for name in first[key] if name],
            count=count,
        )
