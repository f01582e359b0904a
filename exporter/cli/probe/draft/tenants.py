"""The tenants of a new configuration: discovered ones, or those of the flags. Pure."""

from collections.abc import Iterator, Sequence

from exporter.cli.probe.draft.entries import ON, Comment, Entry, Items, Section, visible
from exporter.cli.probe.draft.pace import Pace
from exporter.cli.probe.draft.phones import extensions
from exporter.cli.probe.draft.queries import Trusted
from exporter.cli.probe.draft.survey import Survey, details
from exporter.cli.probe.findings import meant_name, unknown_tenant
from exporter.errors import StartError
from exporter.model import Failure, Query

_NAMED = 10


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
