"""PromQL that distinguishes "nothing wrong" from missing data, rules or queries.

The result is ``words.CLEAR`` only if every selected switch responds and the rules and queries that the panel
needs are there. Otherwise, another constant says what is missing.
"""

from exporter.metrics import catalogue
from exporter.metrics.metric import Metric
from grafana.promql import (
    ONE_SWITCH,
    SWITCHES,
    TENANT,
    failing_targets,
    last_day,
    newest,
    recorded,
    select,
    watchdog,
)
from grafana.words import CLEAR, INCOMPLETE, NO_DATA, NO_RULES, NOT_POLLED

RECORDS = f"count({recorded('switch:softswitch_up:last')})"
"""Has a result while the recording rules are evaluated and an exporter is scraped."""

ALERTS = f"count({watchdog()}) and {RECORDS}"
"""Has a result while the alerting rules are evaluated as well."""

IS_THERE = f"count(max by (switch, tenant) ({select(catalogue.TENANT_INFO, TENANT)}))"
"""Has a result while an exporter has the selected tenant in its configuration or has discovered it."""


def known(matchers: str = SWITCHES) -> str:
    """Return the switches that are polled, or were polled within a day by an exporter that is gone.

    Also those of exporters that all stand by, and those that are targets of their own and cannot be scraped.
    SoftswitchMonitoringLost uses the same condition.
    """
    instance = ",".join(matcher for matcher in matchers.split(",") if matcher.startswith("instance"))
    polled = f"max by (job, instance, switch) ({select(catalogue.QUERY_INTERVAL, matchers)})"
    before = f"max by (job, instance, switch) ({last_day(catalogue.UP, matchers)})"
    running = f"max by (job, instance) ({select(catalogue.BUILD_INFO, *filter(None, [instance]))})"
    failing = f"({failing_targets(matchers)} and on (job, instance) {running})"
    standby = f"max by (job, instance) ({select(catalogue.ACTIVE, *filter(None, [instance]))}) == 0"
    taken_over = f"({before} and on (switch) {newest(catalogue.UP, matchers)})"
    left = f"({before} and on (job, instance) {standby} unless on (job, instance) {taken_over})"
    gone = f"({before} unless on (job, instance) {running})"
    return f"group by (switch) ({polled} or {gone} or {failing} or {left})"


def silent(matchers: str = SWITCHES, *, constant: float = NO_DATA) -> str:
    """Return ``NO_DATA`` for each switch that does not respond or that no exporter reports.

    ``constant``: another value, for a table in which these switches would not be sorted first.
    """
    return f"{constant} * ({known(matchers)} unless on (switch) ({newest(catalogue.UP, matchers)} == 1))"


def problems(found: str, state: str) -> str:
    """Return the result of ``found``, a query for problems. If it is empty, return ``state``."""
    return f"{found} or on () {state}"


def number(found: str, state: str) -> str:
    """Return a number of problems, without labels. If it is absent or 0, return ``state``."""
    return f"{found} > 0 or {state}"


def all_clear(*, rules: str = "", queries: str = "", matchers: str = SWITCHES, also: str = "") -> str:
    """Return why no problem is found on the selected switches: ``CLEAR`` or a reason, without labels.

    ``rules`` has a result while the needed rules are loaded. ``queries`` is a regular expression that matches
    the needed queries. ``also`` is another condition.
    """
    up = newest(catalogue.UP, matchers)
    complete = f"sum({up}) == count({known(matchers)})"
    reasons = [(NOT_POLLED, polled(queries, matchers))] if queries else []
    if queries:
        success = newest(catalogue.QUERY_SUCCESS, matchers, f'query=~"{queries}"')
        complete += f" and min({success}) == 1"
    if rules:
        reasons.append((NO_RULES, rules))
    return _state(f"0 * count({up})", reasons, " and ".join(filter(None, [complete, also])))


def all_clear_of_tenant(*, rules: str = "", also: str = "") -> str:
    """Return why no problem is found on the selected tenant."""
    complete = f"max({newest(catalogue.UP, ONE_SWITCH)}) == 1"
    complete += f" and min({newest(catalogue.QUERY_SUCCESS, TENANT)}) == 1"
    reasons = [(NO_RULES, rules)] if rules else []
    return _state(f"0 * {IS_THERE}", reasons, " and ".join(filter(None, [complete, also])))


def _state(some: str, reasons: list[tuple[float, str]], complete: str) -> str:
    cases = [f"({some} + {reason} unless ({unless}))" for reason, unless in reasons]
    cases += [f"({some} + {CLEAR} and ({complete}))", f"{some} + {INCOMPLETE}"]
    return f"({' or '.join(cases)} or vector({NO_DATA}))"


def listed(found: str, *, rules: str = "", queries: str = "", matchers: str = SWITCHES) -> str:
    """Return ``found``, a list of things in any state, and the switches whose things are unknown."""
    up = f"0 * count({newest(catalogue.UP, matchers)})"
    cases = [f"({up} + {NOT_POLLED} unless {polled(queries, matchers)})"] if queries else []
    cases += [f"({up} + {NO_RULES} unless {rules})"] if rules else []
    lacking = " or ".join([*cases, f"vector({NO_DATA})"])
    return f"({found} or on () ({lacking})) or {silent(matchers)}"


def polled(queries: str, matchers: str) -> str:
    """Return a query that has a result if one of these queries is polled."""
    interval = newest(catalogue.QUERY_INTERVAL, matchers, f'query=~"{queries}"')
    return f"count({interval})"


def figure(found: str, *reasons: tuple[str, float]) -> str:
    """Return a number without labels. If it is absent, return the constant of the first true condition."""
    cases = [f"0 * ({condition}) + {constant}" for condition, constant in reasons]
    return " or ".join([found, *cases, f"vector({NO_DATA})"])


def off(queries: str) -> tuple[str, float]:
    """Return a condition for ``figure``: there is a switch, but none of these queries is polled."""
    return f"(count({newest(catalogue.UP, SWITCHES)}) unless {polled(queries, SWITCHES)})", NOT_POLLED


def of_tenant(metric: Metric, *reasons: tuple[str, float]) -> str:
    """Return a number of the selected tenant."""
    return figure(f"max({select(metric, TENANT)})", *reasons)


def untried(query: str) -> tuple[str, float]:
    """Return a condition for ``figure``: the tenant is there, but this query is not polled for it."""
    tried = newest(catalogue.QUERY_SUCCESS, TENANT, f'query="{query}"')
    return f"({IS_THERE} unless count({tried}))", NOT_POLLED
