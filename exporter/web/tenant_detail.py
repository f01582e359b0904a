"""Everything known about one tenant, for its page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exporter import freshness
from exporter.freshness import Freshness, age
from exporter.metrics import catalogue
from exporter.metrics.metric import Metric
from exporter.model import Query, Scope, Target
from exporter.poll import Poller
from exporter.web import formatting
from exporter.web.conditions import of_tenant
from exporter.web.current_alerts import as_alert, current_state, kind_of
from exporter.web.problems import problem_of
from exporter.web.status import trunks_of
from exporter.web.tenant_rows import current_alerts, tenant_row
from exporter.web.unknown_values import silence

_PHONES = 500
"""How many phones the page shows at most."""

_QUEUES = 200
"""How many queues the page shows at most."""

_ORDER = ("not registered", "unknown", "registered", "cannot register")
_MARKS = {"not registered": "critical", "unknown": "unknown"}
_OUTCOME_MARKS = {"late": "warning", "stale": "critical", "ok": ""}

Json = dict[str, Any]


def tenant_detail(poller: Poller, code: str, alerts: Sequence[Json], switch: Json, now: float) -> Json:
    """Return the contents of a tenant's page.

    ``alerts``: those of the tenant. ``switch``: the state of its switch. ``now``: the clock of the store.
    While the switch does not respond, nothing on the page may say that all is well.
    """
    is_silent = switch.get("up") is not True
    attempts = poller.store.attempts
    targets = [
        target
        for query, scope in poller.targets.intervals
        if scope is Scope.TENANT
        and (poller.targets.is_polled(target := Target(query, scope, code)) or target in attempts)
    ]
    failures = {target: attempts[target].failure for target in targets if target in attempts}
    failing = {target.query.value: failure.reason.value for target, failure in failures.items() if failure}
    current = _current(poller, code, alerts, failing)
    named = [
        (alert["labels"]["alertname"], alert["labels"]["severity"])
        for alert in current
        if alert["state"] != "recovered"
    ]
    _, found = current_alerts(poller, code, {code: failing}, {code: named})
    current += [as_alert(poller.store.switch, condition) for condition in found]
    row = tenant_row(poller, code, {code: failing}, {code: named})
    phones = sorted(
        _phones(poller, code), key=lambda phone: (_ORDER.index(phone["state"]), not phone["watched"])
    )
    thresholds = [f"{name} {formatting.money(value)}" for name, value in row["balance_thresholds"].items()]
    is_open = poller.store.values(catalogue.TENANT_OPEN, code)
    mark = row["verdict"] if row["verdict"] != "ok" else "clear"
    return {
        "tenant": {**row, "mark": mark, "icon": "warning" if mark == "failing" else mark},
        "switch": switch,
        "not_known": silence(switch) if is_silent else "",
        "problems": [problem_of({**alert, "phones": row["extensions"]}, switch) for alert in current],
        "thresholds": ", ".join(thresholds),
        "labels": poller.targets.tenants[code].labels,
        "devices": {
            state.replace("_", " "): number
            for state, number in _mapping(poller, catalogue.TENANT_DEVICES, code).items()
        },
        "is_open": None if is_open is None else bool(is_open),
        "phones": phones[:_PHONES],
        "more_phones": max(0, len(phones) - _PHONES),
        "queues": [*_queues(poller, code)],
        "trunks": trunks_of(poller, code),
        "are_trunks_polled": any(
            query in {Query.TRUNKS, Query.WATCHED_PEERS} for query, _ in poller.targets.intervals
        ),
        "queries": [_query(poller, target, now, is_silent=is_silent) for target in targets],
    }


def _current(poller: Poller, code: str, alerts: Sequence[Json], failing: Mapping[str, str]) -> list[Json]:
    """Return the alerts of a tenant as its current values show them."""
    known = {condition.kind: condition.is_met for condition in of_tenant(poller, code, failing)}
    current = []
    for alert in alerts:
        labels = alert["labels"]
        kind = kind_of(labels["alertname"], labels["severity"], labels)
        if state := current_state(alert["state"], known.get(kind)):
            current.append({**alert, "state": state})
    return current


def _mapping(poller: Poller, metric: Metric, code: str, part: str = "") -> Mapping[str, float]:
    values = poller.store.values(metric, code, part)
    return values if isinstance(values, Mapping) else {}


def _phones(poller: Poller, code: str) -> Iterator[Json]:
    """Yield every known extension. A polled extension without a current value has the state ``unknown``."""
    registered = _mapping(poller, catalogue.EXTENSION_REGISTERED, code)
    tenant, technologies = poller.targets.tenants[code], poller.targets.technologies
    unable, known = technologies.unable(code), technologies.of(code)
    polled = poller.targets.parts(Target(Query.REGISTRATIONS, Scope.TENANT, code))
    for extension in sorted(
        {*registered, *polled, *tenant.watch, *unable}, key=lambda text: (len(text), text)
    ):
        value = registered.get(extension)
        state = "unknown" if value is None else "registered" if value else "not registered"
        if value is None and extension in unable:
            state = "cannot register"
        yield {
            "extension": extension,
            "state": state,
            "mark": _MARKS.get(state, ""),
            "watched": extension in tenant.watch,
            "technology": known[extension].value if extension in known else formatting.UNKNOWN,
        }


def _queues(poller: Poller, code: str) -> Iterator[Json]:
    waiting = _mapping(poller, catalogue.QUEUE_CALLS_WAITING, code)
    waits = _mapping(poller, catalogue.QUEUE_LONGEST_WAIT, code)
    agents = {
        state: _mapping(poller, catalogue.QUEUE_AGENTS, code, state)
        for state in poller.store.snapshot(catalogue.QUEUE_AGENTS)
    }
    names = {*waiting, *waits, *(queue for queues in agents.values() for queue in queues)}
    for queue in sorted(names, key=lambda name: (-waiting.get(name, 0), name))[:_QUEUES]:
        yield {
            "queue": queue,
            "waiting": waiting.get(queue),
            "longest_wait": waits.get(queue),
            "agents": {state: queues[queue] for state, queues in agents.items() if queue in queues},
        }


def _query(poller: Poller, target: Target, now: float, *, is_silent: bool) -> Json:
    attempt = poller.store.attempts.get(target)
    failure = attempt.failure if attempt else None
    success_age = age(attempt.succeeded_at, now) if attempt else None
    if attempt is None:
        outcome, mark = "not tried yet", "unknown"
    elif failure:
        outcome, mark = failure.reason.value, "failing"
    else:
        outcome = _age_in_words(poller, target, success_age)
        mark = _OUTCOME_MARKS[outcome]
        if outcome == "ok" and is_silent:
            outcome, mark = "was ok", "unknown"
    return {
        "query": target.query.value,
        "outcome": outcome,
        "mark": mark,
        "age_seconds": age(attempt.at, now) if attempt else None,
        "success_age_seconds": success_age,
        "detail": failure.detail if failure else "",
        "answer": poller.answers.of(target, failure.reason) if failure else None,
    }


def _age_in_words(poller: Poller, target: Target, success_age: float | None) -> str:
    """Return ``late`` or ``stale`` if the last success was too long ago, else ``ok``."""
    job = target.query, target.scope
    pace = freshness.pace(poller.period(*job), poller.store.cycle(*job))
    state = freshness.freshness(success_age, pace, poller.configuration.stale_after)
    return state.value if state in {Freshness.LATE, Freshness.STALE} else "ok"
