"""PromQL of the dashboards. Names come from the catalogue and the recording rules, and from nowhere else.

``$job``, ``$switch`` and so on are variables of the dashboards; ``board`` declares them.
"""

from pathlib import Path

import yaml

from exporter.metrics.catalogue import Metric

_RULES = Path(__file__).parents[1] / "alerts/softswitch.rules.yaml"
_RECORDED = frozenset(
    rule["record"] for group in yaml.safe_load(_RULES.read_text("utf-8"))["groups"] for rule in group["rules"]
)

_JOB = 'job=~"$job"'
SWITCHES = 'switch=~"$switch"'
TENANT = 'switch="$switch",tenant="$tenant"'
NODES = 'switch=~"$switch",node=~"$node"'
SEVERE = 'severity=~"critical|warning"'
EXPORTERS = 'instance=~"$instance",switch=~"$switch"'


def select(metric: Metric, *matchers: str, offset: str = "") -> str:
    """Return the selector of a metric: every exporter's series."""
    return _selector(metric.name, _JOB, *matchers) + (f" offset {offset}" if offset else "")


def newest(metric: Metric, *matchers: str, offset: str = "") -> str:
    """Return the series of a metric; of a pair of exporters the larger figure, as the rules do."""
    return f"max by ({', '.join(metric.labels)}) ({select(metric, *matchers, offset=offset)})"


def rate(metric: Metric, suffix: str, *matchers: str) -> str:
    """Return what a counter, or a part of a histogram, grows by in a second; to be aggregated."""
    return f"rate({_selector(metric.name + suffix, _JOB, *matchers)}[$__rate_interval])"


def age(metric: Metric, *matchers: str) -> str:
    """Return how many seconds ago a moment was that a metric tells; an exporter's clock may be ahead."""
    return f"clamp_min(time() - {newest(metric, *matchers)}, 0)"


def recorded(name: str, *matchers: str, over: str = "", offset: str = "") -> str:
    """Return the selector of a recorded series, or of a range of it. Raises KeyError where there is none.

    A range is a second longer than whole minutes, and longer than two intervals of the record: see
    ``tests/rule_ranges.py``.
    """
    if name not in _RECORDED:
        raise KeyError(f"{name} is not recorded by {_RULES.name}")
    return (
        _selector(name, *matchers) + (f"[{over}]" if over else "") + (f" offset {offset}" if offset else "")
    )


def firing(*matchers: str) -> str:
    """Return the selector of alerts that fire."""
    return _selector("ALERTS", 'alertname=~"Softswitch.+"', 'alertstate="firing"', *matchers)


def firing_since(*matchers: str, by: str) -> str:
    """Return since when the first of some alerts is active, in milliseconds since 1970, as Grafana has it."""
    since = _selector("ALERTS_FOR_STATE", 'alertname=~"Softswitch.+"', *matchers)
    return f"1000 * min by ({by}) ({since} and ignoring (alertstate) {firing(*matchers)})"


def _selector(name: str, *matchers: str) -> str:
    return f"{name}{{{','.join(matchers)}}}"
