"""The sections ``queries``, except what is about phones, and ``thresholds`` of a new configuration. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from exporter.cli.probe.advice import advice
from exporter.cli.probe.call_records import found_zone, ignores_window
from exporter.cli.probe.draft.entries import OFF, Comment, Entry, Section
from exporter.cli.probe.draft.pace import Pace, list_interval
from exporter.cli.probe.draft.survey import Survey, details
from exporter.cli.probe.findings import Advice, Finding, leaves, value_of
from exporter.fields import duration_text
from exporter.model import Failure, Query, Reason, Registration, Scope
from exporter.queries.call_records import CallRecords
from exporter.queries.limits import Limits
from exporter.queries.queues import Queues
from exporter.queries.trunks import Trunks

Trusted = Callable[[str], bool]
"""Whether a text from the switch may be written as a value: it is a valid name and contains no key."""

_SLOW = 10
"""Seconds above which the duration of a request is written down."""

_QUERIES = (Query.PEERS, Query.CHANNELS, Query.CALLS, Query.LICENSE, Query.BALANCE)

_DAY = 86_400
_WARNING = "warning"

_SMALL = 0.02
"""Share of the rate limit that the list of trunks may use."""


def queries(survey: Survey, pace: Pace, trusted: Trusted) -> Iterator[Entry]:
    """Yield the sections of all queries except those about phones."""
    for query in _QUERIES:
        inner: list[Entry | Comment] = []
        for scope in Scope:
            inner += _interval(query, scope, survey, pace)
        inner += _settings(survey.fixes.get(query, ()), trusted)
        if inner:
            yield Entry(query.value, Section(tuple(inner)))


def _interval(query: Query, scope: Scope, survey: Survey, pace: Pace) -> Iterator[Entry]:
    seconds = pace.intervals.get((query, scope))
    is_polled = survey.is_admin if scope is Scope.SWITCH else bool(survey.polled)
    if seconds is None or not is_polled:
        return
    key = "interval" if scope is Scope.SWITCH else "tenant_interval"
    text = duration_text(seconds)
    found = survey.of(query) if scope is Scope.SWITCH else None
    findings = [found] if found else survey.of_tenants(query) if scope is Scope.TENANT else []
    if survey.is_refused(findings):
        answer = "; ".join(dict.fromkeys(map(details, findings)))
        why = f"The switch does not allow this: {answer}. The key works for other requests."
        yield Entry(key, OFF, f"{why} Grant the right, then set {text}.")
    elif scope is Scope.TENANT and survey.is_unscoped(query):
        why = "The switch ignores `tenant` here: each tenant queried has the value of the installation."
        yield Entry(key, OFF, f"{why} When that is corrected, set {text}.")
    else:
        is_slow = found is not None and found.reason is None and found.seconds > _SLOW
        slow = f"A response took {found.seconds:.0f} s." if found and is_slow else ""
        yield Entry(key, text, _problems(findings, survey) or slow)


def _problems(findings: Sequence[Finding], survey: Survey) -> str:
    """Return what failed, and what to do; the query stays on, because it may work later."""
    if any(each.query is Query.CALLS and each.reason is None for each in survey.findings):
        # The key may count calls, so an empty count means none.
        findings = [each for each in findings if (each.query, each.reason) != (Query.CALLS, Reason.EMPTY)]
    tenants: dict[str, list[str]] = {}
    for finding in findings:
        if isinstance(finding.verdict, Failure):
            position = survey.findings.index(finding)
            given = [each.text for each in advice(finding, survey.switch, survey.findings[:position])]
            text = " ".join(f"{sentence(each)}." for each in (details(finding), *given[:1]))
            tenants.setdefault(text, []).append(finding.request.tenant)
    named = {text: f"{', '.join(codes)}: " if codes[0] else "" for text, codes in tenants.items()}
    return " ".join(f"? {tenant}{text}" for text, tenant in named.items())


def sentence(text: str) -> str:
    """Return a text as a sentence without its full stop."""
    return f"{text[:1].upper()}{text[1:]}".rstrip(".")


def _settings(found: Sequence[Advice], trusted: Trusted) -> Iterator[Entry | Comment]:
    """Yield the pattern or the name of the total that the responses need."""
    for given in found:
        path, value = next(leaves(given.settings), ((), None))
        why = f"{sentence(given.text)}."
        if isinstance(value, str) and trusted(value):
            is_proposed = len(found) > 1
            yield Entry(path[-1], value, f"{'? ' if is_proposed else ''}{why}", is_proposed=is_proposed)
        else:
            yield Comment(f"? {why}")


def thresholds(survey: Survey, pace: Pace) -> Entry:
    """Return the thresholds with their defaults, and which of them alert at once."""
    defaults = survey.switch.thresholds
    of_installation = Entry("license", _durations(defaults.license), _license(survey, defaults.license))
    entries = (
        *((of_installation,) if survey.is_admin else ()),
        Entry("balance", _numbers(defaults.balance), _balance(survey, defaults.balance)),
        Entry(
            "registered_ratio",
            _numbers(defaults.registered_ratio),
            _ratios(survey, pace, defaults.registered_ratio),
        ),
        Entry(
            "queue_wait",
            _durations(defaults.queue_wait),
            "Alert if a caller has waited longer. Needs `queues`, see above.",
        ),
    )
    why = "Thresholds of the alerts, with their defaults."
    return Entry("thresholds", Section(entries), why, is_proposed=True)


def _durations(limits: Mapping[str, float]) -> dict[str, object]:
    return {severity: duration_text(seconds) for severity, seconds in limits.items()}


def _numbers(limits: Mapping[str, float]) -> dict[str, object]:
    return {severity: int(value) if value.is_integer() else value for severity, value in limits.items()}


def _ratios(survey: Survey, pace: Pace, limits: Mapping[str, float]) -> str:
    text = "Alert if less than this share of a tenant's phones is registered."
    low = []
    for code, tried in survey.trials.items():
        for each in tried:
            known = Counter(each.known.values())
            share = known[Registration.REGISTERED] / max(1, known.total())
            if pace.source and each.source == pace.source.source and known and share < limits[_WARNING]:
                low.append(f"{code} has {share:.2f}")
    return f"? {text} Now, {' and '.join(low)}, so it alerts at once." if low else text


def _license(survey: Survey, limits: Mapping[str, float]) -> str:
    days = value_of(survey.of(Query.LICENSE))
    text = "Alert when the license expires within this time."
    if days is None:
        return text
    is_below = days * _DAY < limits[_WARNING]
    return (
        f"? {text} {days:g} days are left, so it alerts at once."
        if is_below
        else f"{text} {days:g} days are left."
    )


def _balance(survey: Survey, limits: Mapping[str, float]) -> str:
    text = "Alert on credit below this amount, in the currency of the switch. A post-paid tenant needs "
    text += "`thresholds: {balance: off}`."
    balances = {each.request.tenant: value_of(each) for each in survey.of_tenants(Query.BALANCE)}
    known = {code: value for code, value in balances.items() if value is not None}
    if not known:
        return text
    values = ", ".join(f"{code} {value:g}" for code, value in known.items())
    low = [code for code, value in known.items() if value < limits[_WARNING]]
    if not low:
        return f"{text} Now: {values}."
    return (
        f"? {text} Now: {values}. So {' and '.join(low)} would alert at once. If the switch uses another "
        "scale, set other amounts."
    )


def proposals(survey: Survey, pace: Pace) -> Iterator[Entry | Comment]:
    """Yield the queries that are off by default and that the switch answered; only trunks are turned on."""
    verdicts = {each.query: each.verdict for each in survey.findings if each.reason is None}
    match verdicts.get(Query.TRUNKS):
        case Trunks(rows=rows) if rows and any(row.state is not Registration.UNKNOWN for row in rows):
            why = f"The switch lists {len(rows)} trunks with their registrations; this alerts on them."
            yield Entry(
                "trunks", {"interval": _trunks_interval(survey, pace)}, f"{why} Check: {_probe('trunks')}."
            )
        case Trunks(rows=rows) if rows:
            yield Comment(
                f"? The switch lists {len(rows)} trunks, but no state is known: {_probe('trunks')} shows why."
            )
    match verdicts.get(Query.LIMITS):
        case Limits():
            why = (
                "The switch returns the limits of tenants, for alerts on utilization. One request per tenant."
            )
            yield Entry("limits", {"tenant_interval": "1h"}, why, is_proposed=True)
    match verdicts.get(Query.CALL_RECORDS):
        case CallRecords():
            yield _call_records(survey.zone)
        case None if (found := survey.of(Query.CALL_RECORDS)) and found.reason is Reason.EMPTY:
            why = "Call records: an empty response. There were no calls, the key lacks the right, or the time"
            yield Comment(f"{why} zone of the switch is behind UTC. {_probe('call_records')} shows more.")


def _trunks_interval(survey: Survey, pace: Pace) -> str:
    finding = survey.of(Query.TRUNKS)
    return duration_text(list_interval(max(60, 1 / (_SMALL * pace.rate)), finding.seconds if finding else 0))


def _call_records(zone: Advice | None) -> Entry | Comment:
    if zone and ignores_window(zone):
        return Comment("The switch returns call records, but ignores their times: leave `call_records` off.")
    why = "The switch returns call records, to count calls by outcome. "
    found = found_zone(zone) if zone else ""
    why += (
        f"{found} fits now. If summer time differs where the switch is, set the zone of its region."
        if found
        else f"The time zone is not known: {_probe('call_records')} finds it."
    )
    return Entry("call_records", {"interval": "5m", "timezone": found or "???"}, why, is_proposed=True)


def answered_but_off(survey: Survey, pace: Pace) -> list[str]:
    """Return the queries that the switch answered, and that are only proposed."""
    found = (*queues(survey), *proposals(survey, pace))
    return [entry.key for entry in found if isinstance(entry, Entry) and entry.is_proposed]


def queues(survey: Survey) -> Iterator[Entry]:
    """Yield the setting that polls the queues of all tenants, commented out."""
    for finding in survey.of_tenants(Query.QUEUES):
        if isinstance(finding.verdict, Queues) and (count := len(finding.verdict.names)):
            why = (
                f"{finding.request.tenant} has {count} queues. Each queue costs one request per minute. "
                f"First check that the switch can tell them apart: {_probe('queue')}."
            )
            yield Entry("queues", "all", why, is_proposed=True)
            return


def _probe(query: str) -> str:
    return f"`softswitch-exporter probe --config.file=… --query={query}`"
