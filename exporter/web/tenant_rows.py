"""The tenants of a switch as rows of the status, worst first."""

import heapq
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.metrics import catalogue
from exporter.model import Registration
from exporter.poll import Poller
from exporter.poll.states import NOT_APPLICABLE
from exporter.slices import slices
from exporter.web.problem_words import reasons_of
from exporter.web.query_state import Failing
from exporter.web.visible import visible

VERDICTS = ("critical", "warning", "failing", "unknown", "ok")
"""Worst first."""

_LONGEST_FILTER = 200
"""Maximum length of the filter text, in characters."""

Json = dict[str, Any]
Named = Sequence[tuple[str, str]]
"""Name and severity of each alert of a tenant."""


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
) -> list[tuple[int, str]]:
    """Return the rank of the verdict and the code of each tenant, sorted by both: worst first."""
    ranks = []
    async for some in slices(list(poller.targets.tenants), 500):
        ranks += [
            (VERDICTS.index(verdict_of(poller, code, failing, named)), code)
            for code in some
            if code in poller.targets.tenants
        ]
    ranks.sort()
    return ranks


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


def verdict_of(poller: Poller, code: str, failing: Failing, named: Mapping[str, Named]) -> str:
    """Return the worst severity of a tenant, or ``failing``, ``unknown`` or ``ok`` if there is none.

    A tenant is only ``ok`` while its switch responds.
    """
    tenant = poller.targets.tenants[code]
    found = {severity for _, severity in named.get(code, ())}
    if "critical" not in found:
        found.add(
            severity_of(poller.store.values(catalogue.TENANT_BALANCE, code), tenant.balance_thresholds) or ""
        )
        states = poller.store.values(catalogue.TENANT_EXTENSIONS, code)
        ratio = _ratio(states) if isinstance(states, Mapping) else None
        found.add(severity_of(ratio, tenant.registered_ratio_thresholds) or "")
    worst = next((severity for severity in ("critical", "warning") if severity in found), None)
    return worst or ("failing" if failing.get(code) else "ok" if poller.is_up() else "unknown")


def tenant_row(poller: Poller, code: str, failing: Failing, named: Mapping[str, Named]) -> Json:
    """Return the row of one tenant."""
    tenant = poller.targets.tenants[code]
    values = poller.store.values
    limit = tenant.channels_limit
    states = values(catalogue.TENANT_EXTENSIONS, code)
    states = states if isinstance(states, Mapping) else {}
    registered = states.get(Registration.REGISTERED)
    unable = poller.targets.technologies.unable(code)
    total = extensions_of(states)
    balance = values(catalogue.TENANT_BALANCE, code)
    balance_verdict = severity_of(balance, tenant.balance_thresholds)
    registered_verdict = severity_of(_ratio(states), tenant.registered_ratio_thresholds)
    alerts = [*dict.fromkeys(name for name, _ in named.get(code, ()))]
    reasons = reasons_of(
        alerts, balance=balance_verdict, registered=registered_verdict, has_no_phones=_ratio(states) == 0
    )
    return {
        "tenant": code,
        "name": poller.tenant_names.get(code, ""),
        "verdict": verdict_of(poller, code, failing, named),
        "why": ", ".join(reasons + [f"{name} {reason}" for name, reason in failing.get(code, {}).items()]),
        "alerts": alerts,
        "balance": balance,
        "balance_thresholds": dict(tenant.balance_thresholds),
        "balance_verdict": balance_verdict,
        "calls": values(catalogue.TENANT_CALLS, code),
        "channels": values(catalogue.TENANT_CHANNELS, code),
        "channels_limit": values(catalogue.TENANT_CHANNELS_LIMIT, code) if limit is None else limit,
        "registered": registered,
        "unregistered": states.get(Registration.UNREGISTERED),
        "extensions": total,
        "not_applicable": states.get(NOT_APPLICABLE),
        "watched_not_applicable": [extension for extension in tenant.watch if extension in unable],
        "registered_verdict": registered_verdict,
        "failing": dict(failing.get(code, {})),
    }


def extensions_of(states: object) -> float | None:
    """Return the number of extensions in the states that a registration can have, or None if unknown."""
    if not isinstance(states, Mapping) or not states:
        return None
    return sum(float(states.get(state, 0)) for state in Registration)


def _ratio(states: Mapping[str, float]) -> float | None:
    registered = states.get(Registration.REGISTERED, 0)
    known = registered + states.get(Registration.UNREGISTERED, 0)
    return registered / known if known else None


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
