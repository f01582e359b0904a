"""The tenants of a switch as rows of the status, worst first."""

import heapq
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.metrics import catalogue
from exporter.model import Registration
from exporter.poll import Poller
from exporter.poll.states import NOT_APPLICABLE
from exporter.slices import slices
from exporter.web.conditions import Condition, of_tenant, registered_ratio
from exporter.web.current_alerts import Named, Worst, not_ended, observed
from exporter.web.formatting import visible
from exporter.web.problem_words import reasons_of
from exporter.web.query_state import Failing

VERDICTS = ("critical", "warning", "failing", "unknown", "ok")
"""Worst first."""

_LONGEST_FILTER = 200
"""Maximum length of the filter text, in characters."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tenants a page shows. ``severity``: a verdict, or "" for all. ``text``: words to find."""

    severity: str = ""
    text: str = ""
    switch: str = ""
    only_problems: bool = False

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filter":
        """Return the filter in a query string. Unknown values are ignored."""
        severity = query.get("severity", "")
        return cls(
            severity if severity in VERDICTS else "",
            query.get("text", "")[:_LONGEST_FILTER],
            query.get("switch", ""),
            query.get("problems") == "1",
        )

    def admits(self, row: Json, switch: str) -> bool:
        """Return whether a row is shown. ``apply`` in ``static/filter.js`` decides in the same way."""
        if (self.switch and self.switch != switch) or (self.severity and self.severity != row["verdict"]):
            return False
        if self.only_problems and row["verdict"] == "ok":
            return False
        text = visible(" ".join([row["tenant"], row["name"], row["why"], *row["alerts"]])).lower()
        return all(word in text for word in visible(self.text).lower().split())


async def ranked_tenants(
    poller: Poller, failing: Failing, named: Mapping[str, Named]
) -> tuple[list[tuple[int, str]], Worst]:
    """Return the rank of the verdict and the code of each tenant, and the conditions without an alert.

    The tenants are sorted by both: worst first.
    """
    ranks: list[tuple[int, str]] = []
    found = Worst()
    async for some in slices(list(poller.targets.tenants), 250):
        for code in some:
            if code in poller.targets.tenants:
                alerts, more = current_alerts(poller, code, failing, named)
                ranks.append((VERDICTS.index(_verdict(poller, alerts, more, failing.get(code))), code))
                found.add(more)
    ranks.sort()
    return ranks, found


def current_alerts(
    poller: Poller, code: str, failing: Failing, named: Mapping[str, Named]
) -> tuple[list[tuple[str, str]], list[Condition]]:
    """Return the alerts of a tenant that have not ended, and the conditions that none of them covers."""
    conditions = [*of_tenant(poller, code, failing.get(code, {}))]
    alerts = not_ended(named.get(code, ()), conditions)
    return alerts, observed(conditions, [(*alert, (("tenant", code),)) for alert in alerts])


def tenant_rows(
    poller: Poller, ranks: Sequence[tuple[int, str]], failing: Failing, named: Mapping[str, Named]
) -> Iterator[Json]:
    """Yield one row per tenant, in the order of ``ranks``. Unknown values are None.

    Rows are made on demand. Do not keep them: 5,000 kept rows make the garbage collector block for 80 ms
    (Python 3.11, 2026-11).
    """
    for _, code in ranks:
        if code in poller.targets.tenants:  # otherwise, it was removed in the meantime
            yield tenant_row(poller, code, failing, named)


def merged(switches: Sequence[Json], wanted: Filter, limit: int) -> Iterator[tuple[str, Json | None]]:
    """Yield switch and row of each tenant, worst first. The row is None if the filter hides the tenant."""
    lists = [_labelled(switch) for switch in switches]
    shown = 0
    for _, name, row in heapq.merge(*lists, key=lambda item: item[0]):
        if shown == limit:
            return
        is_shown = wanted.admits(row, name)
        shown += is_shown
        yield name, row if is_shown else None


def _labelled(switch: Json) -> Iterator[tuple[int, str, Json]]:
    return ((VERDICTS.index(row["verdict"]), switch["name"], row) for row in switch["tenant_list"])


def _verdict(
    poller: Poller, alerts: Named, found: Iterable[Condition], failing: Mapping[str, str] | None
) -> str:
    """Return the worst severity of a tenant, or ``failing``, ``unknown`` or ``ok`` if there is none.

    A tenant is only ``ok`` while its switch responds.
    """
    severities = [severity for _, severity in alerts] + [condition.severity for condition in found]
    return min(severities, default="") or (  # "critical" < "warning"
        "failing" if failing else "ok" if poller.is_up() else "unknown"
    )


def tenant_row(poller: Poller, code: str, failing: Failing, named: Mapping[str, Named]) -> Json:
    """Return the row of one tenant."""
    tenant = poller.targets.tenants[code]
    values = poller.store.values
    limit = tenant.channels_limit
    states = values(catalogue.TENANT_EXTENSIONS, code)
    ratio = registered_ratio(states)
    states = states if isinstance(states, Mapping) else {}
    unable = poller.targets.technologies.unable(code)
    balance = values(catalogue.TENANT_BALANCE, code)
    alerts, found = current_alerts(poller, code, failing, named)
    names = [*dict.fromkeys([name for name, _ in alerts] + [condition.alertname for condition in found])]
    reasons = reasons_of(names, has_no_phones=ratio == 0)
    return {
        "tenant": code,
        "name": poller.tenant_names.get(code, ""),
        "verdict": _verdict(poller, alerts, found, failing.get(code)),
        "why": ", ".join(reasons + [f"{name} {reason}" for name, reason in failing.get(code, {}).items()]),
        "alerts": names,
        "balance": balance,
        "balance_thresholds": dict(tenant.balance_thresholds),
        "balance_verdict": severity_of(balance, tenant.balance_thresholds),
        "calls": values(catalogue.TENANT_CALLS, code),
        "channels": values(catalogue.TENANT_CHANNELS, code),
        "channels_limit": values(catalogue.TENANT_CHANNELS_LIMIT, code) if limit is None else limit,
        "registered": states.get(Registration.REGISTERED),
        "unregistered": states.get(Registration.UNREGISTERED),
        "extensions": extensions_of(states),
        "not_applicable": states.get(NOT_APPLICABLE),
        "watched_not_applicable": [extension for extension in tenant.watch if extension in unable],
        "registered_verdict": severity_of(ratio, tenant.registered_ratio_thresholds),
        "failing": dict(failing.get(code, {})),
    }


def extensions_of(states: object) -> float | None:
    """Return the number of extensions in the states that a registration can have, or None if unknown."""
    if not isinstance(states, Mapping) or not states:
        return None
    return sum(float(states.get(state, 0)) for state in Registration)


def severity_of(
    value: object,
    thresholds: Mapping[str, float],
    is_crossed: Callable[[float, float], bool] = operator.lt,
) -> str | None:
    """Return the worst severity whose threshold a value has crossed, or None. Compares as the rules do."""
    if not isinstance(value, int | float):
        return None
    for severity in ("critical", "warning"):
        if severity in thresholds and is_crossed(value, thresholds[severity]):
            return severity
    return None
