"""PromQL of the dashboards. All names come from the catalogue and the recording rules.

``$job``, ``$switch`` and so on are dashboard variables, declared in ``board``.
"""

from pathlib import Path

import yaml

from exporter.metrics import catalogue
from exporter.metrics.metric import Metric

_RULES = Path(__file__).parents[1] / "alerts/softswitch.rules.yaml"
_RECORDED = frozenset(
    rule["record"] for group in yaml.safe_load(_RULES.read_text("utf-8"))["groups"] for rule in group["rules"]
)

_JOB = 'job=~"$job"'
SWITCHES = 'switch=~"$switch"'
ONE_SWITCH = 'switch="$switch"'
TENANT = 'switch="$switch",tenant="$tenant"'
NODES = 'switch=~"$switch",node=~"$node"'
SEVERE = 'severity=~"critical|warning"'
INSTANCES = 'instance=~"$instance"'
EXPORTERS = 'instance=~"$instance",switch=~"$switch"'
TEAM = 'team=~"$team"'
ABOUT = 'switch=~"$switch|",team=~"$team|"'
"""Alerts on a selected switch and team, and those without one, such as SoftswitchExporterDown."""

_OWN = 'switch=""'
_OF_A_SWITCH = 'switch!=""'
_ALERT = 'alertname=~"Softswitch.+"'


def select(metric: Metric, *matchers: str, offset: str = "") -> str:
    """Return the selector of a metric, for the series of all exporters."""
    return _selector(metric.name, _JOB, *matchers) + (f" offset {offset}" if offset else "")


def newest(metric: Metric, *matchers: str, offset: str = "") -> str:
    """Return the series of a metric; of two exporters the larger value, as in the rules."""
    return f"max by ({', '.join(metric.labels)}) ({select(metric, *matchers, offset=offset)})"


def last_day(metric: Metric, *matchers: str) -> str:
    """Return the newest value of each series of the last day, also of an exporter that is gone."""
    return f"last_over_time({select(metric, *matchers)}[1d1s])"


def targets(*matchers: str) -> str:
    """Return whether Prometheus can scrape each exporter.

    As in the rules: if each switch is a target of its own, that of the exporter's own metrics counts.
    """
    own = f"max by (job, instance) ({_selector('up', _JOB, _OWN, *matchers)})"
    best = f"max by (job, instance) ({_selector('up', _JOB, *matchers)})"
    return _of_exporters(f"({own} or {best})", *matchers)


def of_scrapes(name: str, total: str, *matchers: str) -> str:
    """Return a series that Prometheus adds to each scrape, per exporter. ``total``: ``max`` or ``sum``."""
    each = f"max by (job, instance, switch) ({_selector(name, _JOB, *matchers)})"
    return _of_exporters(f"{total} by (job, instance) ({each})", *matchers)


def failing_targets(*matchers: str) -> str:
    """Return the switches that are targets of their own, and that Prometheus cannot scrape."""
    return f"max by (job, instance, switch) ({_selector('up', _JOB, _OF_A_SWITCH, *matchers)} == 0)"


def _of_exporters(found: str, *matchers: str) -> str:
    """Return the series of exporters.

    As in the rules, one that never worked is found by its job. If all jobs are selected, ``$job`` matches
    those of other programs as well.
    """
    job = _selector("up", _JOB, 'job=~".*softswitch.*"', *matchers)
    ran = last_day(catalogue.BUILD_INFO, *matchers)
    ours = f"max by (job, instance) ({job}) or max by (job, instance) ({ran})"
    return f"({found} and on (job, instance) ({ours}))"


def of_team(expression: str) -> str:
    """Return the series of an expression that are about tenants of the selected teams."""
    chosen = f"max by (switch, tenant) ({select(catalogue.TENANT_INFO, SWITCHES, TEAM)})"
    return f"({expression} and on (switch, tenant) {chosen})"


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


BELOW_THRESHOLD = "< bool on (switch, tenant) group_right ()"


def verdict(by: str, value: str, compared: str, threshold: Metric, matchers: str) -> str:
    """Return 2 if a value is beyond its critical threshold, 1 if beyond its warning threshold, else 0.

    ``compared`` is the operator, with ``bool`` and how labels match. Either threshold may be off.
    """
    limits = (newest(threshold, matchers, f'severity="{severity}"') for severity in ("critical", "warning"))
    critical, warning = (f"({value} {compared} {limit})" for limit in limits)
    return f"max by ({by}) (2 * {critical} > 0 or {warning} or {critical})"


def phones(by: str, matchers: str, state: str, offset: str = "") -> str:
    """Return the number of phones whose label ``state`` matches."""
    return f"sum by ({by}) ({newest(catalogue.TENANT_EXTENSIONS, matchers, state, offset=offset)})"


def registered_share(by: str, matchers: str, offset: str = "") -> str:
    """Return the share of the phones in a known state that are registered."""
    registered = phones(by, matchers, 'state="registered"', offset)
    known = phones(by, matchers, 'state=~"registered|unregistered"', offset)
    return f"{registered} / ({known} > 0)"


def firing(*matchers: str) -> str:
    """Return the selector of firing alerts."""
    return _selector("ALERTS", _ALERT, 'alertstate="firing"', *matchers)


def watchdog() -> str:
    """Return the alert that always fires while the alerting rules are evaluated."""
    return _selector("ALERTS", 'alertname="SoftswitchWatchdog"', 'alertstate="firing"')


def firing_since(*matchers: str, by: str) -> str:
    """Return the start of the oldest matching alert, in Unix milliseconds."""
    since = _selector("ALERTS_FOR_STATE", _ALERT, *matchers)
    return f"1000 * min by ({by}) ({since} and ignoring (alertstate) {firing(*matchers)})"


def _selector(name: str, *matchers: str) -> str:
    return f"{name}{{{','.join(matchers)}}}"
