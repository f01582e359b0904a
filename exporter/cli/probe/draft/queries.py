"""The section ``queries`` of a new configuration, except what is about phones. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from exporter.cli.probe.advice import advice
from exporter.cli.probe.draft.entries import OFF, Comment, Entry, Section
from exporter.cli.probe.draft.pace import Pace
from exporter.cli.probe.draft.survey import Survey, details
from exporter.cli.probe.findings import Advice, Finding
from exporter.fields import duration_text
from exporter.model import Failure, Query, Reason, Scope

Trusted = Callable[[str], bool]
"""Whether a text from the switch may be written as a value: it is a valid name and contains no key."""

_SLOW = 10
"""Seconds above which the duration of a request is written down."""

_QUERIES = (Query.PEERS, Query.CHANNELS, Query.CALLS, Query.LICENSE, Query.BALANCE)


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
        key, value = _leaf(given.settings)
        why = f"{sentence(given.text)}."
        if key and trusted(value):
            is_proposed = len(found) > 1
            yield Entry(key, value, f"{'? ' if is_proposed else ''}{why}", is_proposed=is_proposed)
        else:
            yield Comment(f"? {why}")


def _leaf(settings: object) -> tuple[str, str]:
    """Return the one setting in a tree, and its key; ("", "") for none."""
    key = ""
    while isinstance(settings, Mapping) and settings:
        key, settings = next(iter(settings.items()))
    return (key, settings) if isinstance(settings, str) else ("", "")
