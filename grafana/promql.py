"""PromQL of the dashboards. All names come from the catalogue and the recording rules.

``$job``, ``$switch`` and so on are dashboard variables, declared in ``board``.
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
    """Return the selector of a metric, for the series of all exporters."""
    return _selector(metric.name, _JOB, *matchers) + (f" offset {offset}" if offset else "")


def newest(metric: Metric, *matchers: str, offset: str = "") -> str:
    """Return the series of a metric; of two exporters the larger value, as in the rules."""
    return f"max by ({', '.join(metric.labels)}) ({select(metric, *matchers, offset=offset)})"


def rate(metric: Metric, suffix: str, *matchers: str) -> str:
    """Return the per-second rate of a counter, or of a part of a histogram; the caller aggregates it."""
    return f"rate({_selector(metric.name + suffix, _JOB, *matchers)}[$__rate_interval])"


def age(metric: Metric, *matchers: str) -> str:
    """Return the age of a timestamp metric in seconds, at least 0: the exporter's clock may be ahead."""
    return f"clamp_min(time() - {newest(metric, *matchers)}, 0)"


def recorded(name: str, *matchers: str, over: str = "", offset: str = "") -> str:
    """Return the selector of a recorded series, or of a range of it. Raises KeyError if no rule records it.

    For allowed ranges see ``tests/rule_ranges.py``.
    """
    if name not in _RECORDED:
        raise KeyError(f"{name} is not recorded by {_RULES.name}")
    return (
        _selector(name, *matchers) + (f"[{over}]" if over else "") + (f" offset {offset}" if offset else "")
    )


def firing(*matchers: str) -> str:
    """Return the selector of firing alerts."""
    return _selector("ALERTS", 'alertname=~"Softswitch.+"', 'alertstate="firing"', *matchers)


def firing_since(*matchers: str, by: str) -> str:
    """Return the start of the oldest matching alert, in Unix milliseconds."""
    since = _selector("ALERTS_FOR_STATE", 'alertname=~"Softswitch.+"', *matchers)
    return f"1000 * min by ({by}) ({since} and ignoring (alertstate) {firing(*matchers)})"


def _selector(name: str, *matchers: str) -> str:
    return f"{name}{{{','.join(matchers)}}}"
