"""The tenants of a new configuration, their phones, and how registrations are read. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from exporter.cli.probe.draft.entries import OFF, ON, Comment, Entry, Items, Section, visible
from exporter.cli.probe.draft.pace import Pace
from exporter.cli.probe.draft.queries import Trusted
from exporter.cli.probe.draft.survey import Survey, details
from exporter.cli.probe.findings import Finding, meant_name, unknown_tenant
from exporter.cli.probe.sources import NO_EXTENSION
from exporter.cli.probe.suggestions import unknown_words
from exporter.errors import StartError
from exporter.fields import duration_text
from exporter.model import Failure, Query, RegistrationSource, Scope
from exporter.queries import registrations as spec
from exporter.request import Operation

_NAMED = 10
_PROBE = "`softswitch-exporter probe --config.file=… --query=registrations --tenant=CODE`"
_WITH_ALL_PHONES = {RegistrationSource.BLF, RegistrationSource.EXTENSIONS}
"""Sources that poll all phones of a tenant without the list of extensions."""

_MOST_PHONES = 20


def reject_unknown(survey: Survey) -> None:
    """Raise StartError for tenants of the flags that the switch's list does not contain."""
    unknown = [code for code in survey.asked if survey.listed and not survey.exists(code)]
    problems = []
    for code in unknown:
        meant = meant_name(code, [row.code for row in survey.listed])
        fix = f"did you mean {meant}?" if meant else "correct the code"
        problems.append(f"--tenant: the switch lists no tenant {code}; {fix}")
    if problems:
        problems[-1] += " Nothing was written." if problems[-1].endswith("?") else "; nothing was written"
        raise StartError("\n".join(map(visible, problems)))


def tenants(
    survey: Survey, pace: Pace, key: dict[str, object], trusted: Trusted
) -> Iterator[Entry | Comment]:
    """Yield the sections. ``key``: the setting of a key that belongs to a tenant; empty for an admin key."""
    yield from _discovery(survey)
    if survey.polled:
        yield from extensions(survey, pace, trusted)
    yield from _listed(survey, key, trusted)


def _discovery(survey: Survey) -> Iterator[Entry | Comment]:
    finding = survey.of(Query.TENANTS)
    if survey.listed:
        count = len(survey.enabled)
        why = f"Polls all enabled tenants that the switch lists: {count:,} now."
        why = why if count else "? The switch lists tenants, but none that is known to be enabled."
        if survey.disabled:
            why += f" Disabled, and not polled: {_named(survey.disabled)}."
        inner = (
            Entry("enabled", ON),
            Entry("exclude", ["TEST.*"], "Tenants to leave out, as patterns:", is_proposed=True),
        )
        yield Entry("discover_tenants", Section(inner), why)
    elif survey.is_admin and finding and isinstance(finding.verdict, Failure):
        yield Comment(
            f"? The list of tenants failed ({details(finding)}). When it works, this polls all tenants:"
        )
        yield Entry("discover_tenants", {"enabled": ON}, is_proposed=True)


def _listed(survey: Survey, key: dict[str, object], trusted: Trusted) -> Iterator[Entry | Comment]:
    """Yield the tenants that the flags name, and as comments those that the switch does not seem to have."""
    good = [code for code in survey.asked if survey.has_value(code) and trusted(code)]
    for code in survey.asked:
        if code not in good:
            yield Comment(f"? --tenant={code}: {_why_not(code, survey)}")
    if good and not survey.listed:
        yield Entry("tenants", Items([{"code": code, **key} for code in good]))
    elif survey.is_admin and not survey.listed:
        yield Entry(
            "tenants", Items([{"code": "ACME"}]), "No tenant is polled. List them here:", is_proposed=True
        )


def _why_not(code: str, survey: Survey) -> str:
    finding = survey.of(Query.BALANCE, code) or survey.of(Query.CALLS, code)
    others = [each for each in survey.findings if each.request.tenant != code]
    given = unknown_tenant(finding, survey.switch, others) if finding else []
    return given[0].text if given else "nothing shows that the switch has this tenant"


def _named(codes: Sequence[str]) -> str:
    more = f" and {len(codes) - _NAMED:,} more" if len(codes) > _NAMED else ""
    return ", ".join(codes[:_NAMED]) + more


def registrations(survey: Survey, pace: Pace, trusted: Trusted) -> Iterator[Entry]:
    """Yield the sections ``registrations`` and ``extensions`` of ``queries``."""
    if not survey.polled:
        return
    inner: list[Entry | Comment] = [Entry("tenant_interval", _interval(Query.REGISTRATIONS, pace))]
    if pace.source:
        source, states = pace.source.source, pace.source.states
        if source.kind is RegistrationSource.REGSTATE:
            why = "This source returned the state of a phone. It needs one request per phone."
        else:
            known = f"{len(pace.source.known):,} of {len(states):,}"
            why = f"This source returned the state of {known} phones of a tenant."
        inner.append(Entry("source", source.kind.value, why))
        inner += [Entry("parameter", source.parameter.value)] if source.parameter else []
    else:
        inner.append(Comment(_why_no_source(survey)))
    inner += _words(_of_source(survey, pace), trusted)
    inner += _words_of_regstate(survey, pace, trusted)
    yield Entry(Query.REGISTRATIONS.value, Section(tuple(inner)))
    yield from _extensions(survey, pace)


def extensions(survey: Survey, pace: Pace, trusted: Trusted) -> Iterator[Entry]:
    """Yield which extensions each tenant has, in ``tenant_defaults``, or a proposal of ``tenants``."""
    if pace.source is None:
        why = "When `queries.registrations.source` is set, this polls the state of all phones:"
        yield Entry("tenant_defaults", Section((Entry("extensions", "all", why, is_proposed=True),)))
        return
    if survey.lists_extensions or pace.source.source.kind in _WITH_ALL_PHONES:
        inner = (
            Entry("extensions", "all", "The state of every phone. `none` polls only those in `watch`."),
            Entry("watch", ["100"], "Phones that must always be registered:", is_proposed=True),
        )
        yield Entry("tenant_defaults", Section(inner))
        return
    named = [
        {"code": code, "extensions": numbers[:_MOST_PHONES]}
        for code, tried in survey.trials.items()
        if trusted(code) and (numbers := [each for trial in tried for each in trial.states if trusted(each)])
    ]
    why = f"? The phones cannot be discovered, because {_why_no_list(survey)}. Name those to poll:"
    example = [{"code": "ACME", "extensions": ["100", "101"]}]
    yield Entry("tenants", Items(named or example), why, is_proposed=True)


def _interval(query: Query, pace: Pace) -> str:
    return duration_text(pace.intervals[query, Scope.TENANT])


def _why_no_source(survey: Survey) -> str:
    if any(each.known for tried in survey.trials.values() for each in tried):
        return (
            "? The sources of registrations disagree, or are incomplete. Compare them with the phones: "
            f"{_PROBE}, then set `source`, and `extensions: all`."
        )
    if any(each.result == NO_EXTENSION for tried in survey.trials.values() for each in tried):
        return (
            f"? The tenants that were queried ({', '.join(survey.trials)}) have no phones. Write this file "
            f"again with --tenant=CODE of a tenant with phones, or run {_PROBE} and set `source`."
        )
    if not survey.trials:
        return f"? No source was tried, because no request about a tenant returned a value. Run {_PROBE}."
    results = dict.fromkeys(
        f"{each.source.name}: {each.result}" for tried in survey.trials.values() for each in tried
    )
    tried = "; ".join(results) or "none was sent"
    return (
        f"? No request returned the state of a phone ({tried}). Grant the key the right to one of them, "
        f"preferably BLFS, then run {_PROBE}."
    )


def _why_no_list(survey: Survey) -> str:
    failed = dict.fromkeys(details(each) for each in survey.of_lists if each.reason is not None)
    return "the list of extensions " + (
        f"failed ({'; '.join(failed)})" if failed else "was left out of the survey"
    )


def _of_source(survey: Survey, pace: Pace) -> list[Finding]:
    """Return the responses from the source that is used; from all sources if none is."""
    found = [each for each in survey.findings if each.query is Query.REGISTRATIONS]
    if pace.source is None:
        return found
    operation = pace.source.source.request("A", "1").request.operation
    return [each for each in found if each.request.operation is operation]


def _words(findings: Iterable[Finding], trusted: Trusted) -> Iterator[Entry | Comment]:
    unknown: dict[str, None] = {}
    hidden = 0
    for finding in findings:
        words, more = unknown_words(finding, spec.SPEC.section())
        unknown.update(dict.fromkeys(filter(trusted, words)))
        hidden = max(hidden, more)
    if unknown:
        why = "? Unknown states. Look at a phone in each of them, and keep the word where it belongs."
        value = Section((Entry("registered", list(unknown)), Entry("unregistered", list(unknown))))
        yield Entry("words", value, why, is_proposed=True)
    if hidden:
        yield Comment(
            f"? Unknown states that are not shown, because lists contain personal data: {hidden}. Look at "
            "the state column yourself, and add `words`."
        )


def _words_of_regstate(survey: Survey, pace: Pace, trusted: Trusted) -> Iterator[Comment]:
    """Yield the unknown words of a source that is not used."""
    if pace.source is None or pace.source.source.kind is RegistrationSource.REGSTATE:
        return  # they are proposed with their section
    found = [each for each in survey.findings if each.request.operation is Operation.REGISTRATION]
    words = [word for each in found for word in unknown_words(each, spec.SPEC.section())[0] if trusted(word)]
    if words:
        yield Comment(
            f"INFO regstate returned an unknown state: {', '.join(dict.fromkeys(words))}. Only "
            "`source: regstate` would need `words` for it."
        )


def _extensions(survey: Survey, pace: Pace) -> Iterator[Entry]:
    """Yield the list of extensions: off if it is not available and the source does without it."""
    if pace.source is None:
        return
    interval = _interval(Query.EXTENSIONS, pace)
    key = Query.EXTENSIONS.value
    if survey.lists_extensions:
        why = "The list names all phones, and says which can register. 3.4 kB per extension."
        yield Entry(key, Section((Entry("tenant_interval", interval, why),)))
    elif pace.source.source.kind is RegistrationSource.BLF:
        doubt = "" if survey.is_refused(survey.of_lists) or "extensions" in survey.skip else "? "
        why = f"{doubt}Off, because {_why_no_list(survey)}. Each record of BLFS counts as a phone."
        why += f" To use the list, set {interval}."
        yield Entry(key, Section((Entry("tenant_interval", OFF, why),)))
