"""The section ``queries`` of a new configuration. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from exporter.cli.probe.advice import advice
from exporter.cli.probe.draft.conduct import label
from exporter.cli.probe.draft.entries import OFF, Comment, Entry, Section
from exporter.cli.probe.draft.pace import Pace
from exporter.cli.probe.draft.survey import Survey, details, fixes
from exporter.cli.probe.findings import Finding
from exporter.cli.probe.suggestions import unknown_words
from exporter.fields import duration_text
from exporter.model import Failure, Query, Scope
from exporter.queries import registrations
from exporter.request import Operation

Trusted = Callable[[str], bool]
"""Whether a text from the switch may be written as a value: it is a valid name and contains no key."""

_QUERIES = (Query.PEERS, Query.CHANNELS, Query.CALLS, Query.LICENSE, Query.BALANCE)
_MOST_NAMED = 3


def queries(survey: Survey, pace: Pace, trusted: Trusted) -> Section:
    """Return the section."""
    entries = [_query(query, survey, pace, trusted) for query in _QUERIES]
    entries += _registrations(survey, pace)
    return Section(tuple(entry for entry in entries if entry.value != Section(())))


def _query(query: Query, survey: Survey, pace: Pace, trusted: Trusted) -> Entry:
    inner: list[Entry | Comment] = []
    for scope in Scope:
        inner += _interval(query, scope, survey, pace)
    inner += _settings(query, survey, trusted)
    return Entry(query.value, Section(tuple(inner)))


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
        slow = f"A response took {found.seconds:.0f} s. " if found and found.seconds > 10 else ""  # noqa: PLR2004 -- worth saying
        yield Entry(key, text, slow + _problems(findings, survey))


def _problems(findings: Iterable[Finding], survey: Survey) -> str:
    """Return what failed, and what to do; the query stays on, because it may work later."""
    texts = []
    for finding in findings:
        if isinstance(finding.verdict, Failure):
            position = survey.findings.index(finding)
            given = [each.text for each in advice(finding, survey.switch, survey.findings[:position])]
            problem = (
                f"? {label(finding.request)} failed ({finding.verdict.reason}): {finding.verdict.detail}."
            )
            texts.append(" ".join([problem, *(f"{_sentence(text)}." for text in given[:1])]))
    return " ".join(texts[:_MOST_NAMED])


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".")


def _settings(query: Query, survey: Survey, trusted: Trusted) -> Iterator[Entry]:
    """Yield the pattern or the name of the total that the responses need."""
    for finding in survey.findings:
        found = fixes(finding) if finding.query is query else []
        for given in found:
            key, value = _leaf(given.settings)
            is_proposed = len(found) > 1 or not trusted(value)
            why = f"{'? ' if is_proposed else ''}{_sentence(given.text)}."
            yield Entry(key, value, why, is_proposed=is_proposed)
        if found:
            return


def _leaf(settings: object) -> tuple[str, str]:
    """Return the one setting in a tree, and its key; ("", "") for none."""
    key = ""
    while isinstance(settings, Mapping) and settings:
        key, settings = next(iter(settings.items()))
    return (key, settings) if isinstance(settings, str) else ("", "")


def _registrations(survey: Survey, pace: Pace) -> Iterator[Entry]:
    if not survey.polled:
        return
    seconds = pace.intervals[Query.REGISTRATIONS, Scope.TENANT]
    inner: list[Entry | Comment] = [Entry("tenant_interval", duration_text(seconds))]
    if pace.source:
        source = pace.source.source
        known = f"{len(pace.source.known):,} of {len(pace.source.states):,} phones"
        inner.append(Entry("source", source.kind.value, f"It knows the state of {known} of a tenant."))
        inner += [Entry("parameter", source.parameter.value)] if source.parameter else []
    else:
        inner.append(Comment(_why_no_source(survey)))
    inner += _words(survey)
    yield Entry(Query.REGISTRATIONS.value, Section(tuple(inner)))
    yield from _extensions(survey, pace)


_PROBE = "`softswitch-exporter probe --config.file=… --query=registrations --tenant=CODE`"


def _why_no_source(survey: Survey) -> str:
    if any(each.known for tried in survey.trials.values() for each in tried):
        return (
            "? The sources of registrations disagree, or are incomplete. Compare them with the phones: "
            f"{_PROBE}, then set `source`, and `extensions: all`."
        )
    results = dict.fromkeys(
        f"{each.source.name}: {each.result}" for tried in survey.trials.values() for each in tried
    )
    return (
        f"? No request returned the state of a phone ({'; '.join(results) or 'none was sent'}). Grant the key "
        f"the right to one of them, best to BLFS, then run {_PROBE}."
    )


def _words(survey: Survey) -> Iterator[Entry | Comment]:
    section = registrations.SPEC.section()
    unknown: dict[str, None] = {}
    hidden = 0
    for finding in survey.findings:
        if finding.query is Query.REGISTRATIONS:
            words, more = unknown_words(finding, section)
            unknown.update(dict.fromkeys(words))
            hidden = max(hidden, more)
    if unknown:
        why = "? Unknown states. Look at a phone in each of them, and keep the word where it belongs."
        value = Section((Entry("registered", list(unknown)), Entry("unregistered", list(unknown))))
        yield Entry("words", value, why, is_proposed=True)
    if hidden:
        yield Comment(
            f"? {hidden} states are unknown, and not shown because lists contain personal data. Look at the "
            "state column of the list yourself, and add `words`."
        )


def _extensions(survey: Survey, pace: Pace) -> Iterator[Entry]:
    """Yield the list of extensions; off if it is not available and the source does without it."""
    if pace.source is None:
        return
    of_lists = [each for each in survey.findings if each.request.operation is Operation.EXTENSIONS]
    is_available = any(each.reason is None for each in of_lists)
    key = Query.EXTENSIONS.value
    text = duration_text(pace.intervals[Query.EXTENSIONS, Scope.TENANT])
    if is_available:
        why = "The list says which phones there are, and which of them can register. 3.4 kB per extension."
        yield Entry(key, Section((Entry("tenant_interval", text, why),)))
        return
    state = "was left out of the survey" if "extensions" in survey.skip else "does not work with this key"
    why = f"The list of extensions {state}. Without it, each record of the source counts as a phone."
    yield Entry(key, Section((Entry("tenant_interval", OFF, f"{why} To use it, set {text}."),)))
