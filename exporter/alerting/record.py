"""Adds alerts to the timeline when they fire or resolve, except those that a worse alert covers."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from exporter.alerting.engine import Alert, State
from exporter.alerting.groups import Sources
from exporter.alerting.monitoring_rules import WATCHDOG
from exporter.storage.timeline import Kind, Timeline

_NAMED = 5
_AT_A_TIME = 1_000
_ABOUT = ("node", "tenant", "trunk", "extension", "queue", "query")


def record(timeline: Timeline, changed: Sequence[Alert], firing: Sources) -> Iterator[None]:
    """Add alerts: one entry per summary, severity and switch. ``firing``: all alerts that fire now.

    Each yield is a chance to run the event loop.
    """
    resolved = Sources()
    for number, alert in enumerate(changed, 1):
        if alert.state is State.RESOLVED:
            resolved.add(alert)
        if not number % _AT_A_TIME:
            yield
    counts: Counter[tuple[State, str, str]] = Counter()
    first: dict[tuple[State, str, str], list[str]] = defaultdict(list)
    for number, alert in enumerate(changed, 1):
        if not number % _AT_A_TIME:
            yield
        rule, labels = alert.identity
        if rule is WATCHDOG or firing.cover(alert) or resolved.cover(alert):
            continue
        names = dict(labels)
        key = alert.state, f"{_phrase(rule.summary)} ({alert.severity})", names.get("switch", "")
        counts[key] += 1
        if len(first[key]) < _NAMED:
            first[key].append(", ".join(f"{name} {names[name]}" for name in _ABOUT if name in names))
    for key, count in counts.items():
        state, what, switch = key
        is_firing = state is State.FIRING
        timeline.add(
            Kind.ALERT_FIRING if is_firing else Kind.ALERT_RESOLVED,
            what if is_firing else f"{what}, resolved",
            switch=switch,
            names=[name for name in first[key] if name],
            count=count,
        )


def _phrase(summary: str) -> str:
    """Return a summary as the other entries of the timeline are written."""
    return summary[:1].lower() + summary[1:].removesuffix(".")
