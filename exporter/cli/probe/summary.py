"""The end of a probe: what works, what to put into the configuration, and what cannot be known. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from exporter.cli.probe.finding import Advice, Finding
from exporter.cli.probe.showing import headed, settings_lines
from exporter.cli.probe.tenants import COMPARE, is_known
from exporter.model import Counts, Failure, Number, Query, Reason

SHAREABLE = (
    "keys and credentials are masked, and lists are not shown, so this can be attached to a bug report. It "
    "names "
    "the host of the switch, nodes, a tenant and an extension"
)


def summary(
    findings: Sequence[Finding],
    given: Sequence[tuple[Finding | None, Advice]],
    *,
    switch_name: str,
    left_out: Sequence[str],
    off: Sequence[str],
) -> Iterator[str]:
    """Yield the summary of a probe of several queries."""
    seconds = sum(finding.seconds for finding in findings)
    yield from headed("summary", f"switch {switch_name}: {len(findings)} requests, {seconds:.1f} s")
    works = [finding.subject for finding in findings if not isinstance(finding.verdict, Failure)]
    yield from headed("works", ", ".join(dict.fromkeys(works)) or "nothing")
    failed = [
        f"{finding.subject}: {finding.verdict.reason}"
        for finding in findings
        if isinstance(finding.verdict, Failure) and finding.query is not Query.REGISTRATIONS
    ]
    if failed:
        yield from headed("fails", ", ".join(failed))
    if left_out:
        yield from headed("not asked", f"{', '.join(left_out)}: there is no key, or all before failed alike")
    if off:
        yield from headed("off", f"in the configuration, so not asked: {', '.join(off)}")
    yield from _settings(given, switch_name)
    for sentence in _unknown(findings):
        yield from headed("unknown", sentence)


def _settings(given: Sequence[tuple[Finding | None, Advice]], switch_name: str) -> Iterator[str]:
    sure: dict[str, object] = {}
    for _, each in given:
        if each.sure:
            sure = merged(sure, each.settings)
    if sure:
        yield from headed("configure", f"below the switch {switch_name}:")
        yield from (" " * 10 + line for line in settings_lines(sure))
    else:
        yield from headed("configure", "nothing that is sure from here")
    for finding, each in given:
        if each.settings and not each.sure:
            about = f"{finding.subject}: " if finding else ""
            yield from headed("decide", f"{about}{each.text}:")
            yield from (" " * 10 + line for line in settings_lines(each.settings))


def merged(one: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object]:
    """Return two trees of settings as one; where they differ the first holds."""
    tree = dict(other) | dict(one)
    for key in one.keys() & other.keys():
        ours, theirs = one[key], other[key]
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            tree[key] = merged(ours, theirs)
    return tree


def _unknown(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield what a single look cannot tell."""
    reasons = {finding.verdict.reason for finding in findings if isinstance(finding.verdict, Failure)}
    tenants = {finding.request.tenant for finding in findings} - {""}
    for tenant in sorted(tenants):
        if not is_known(tenant, findings):
            yield f"whether the switch has a tenant {tenant}: it said nothing of it; {COMPARE}"
    if Reason.AUTH in reasons:
        yield "what a refusal means: a wrong key, a right that is missing, an unknown tenant or an address"
    if any(_is_empty_count(finding) for finding in findings):
        yield "whether no count of calls is an idle switch or a missing right: probe while calls run"
    if any(isinstance(finding.verdict, Number) and finding.query is Query.LICENSE for finding in findings):
        yield "whether the days of the license are counted as you think: compare with the switch's own page"
    if any(isinstance(finding.verdict, Counts) and finding.verdict.total is None for finding in findings):
        yield "whether the sum over the nodes is the whole: the switch states no total"
    if tenants:
        yield f"anything of tenants other than {', '.join(sorted(tenants))}: they were not asked"
        yield 'words for states of phones that no phone had just now; watch for state="unknown"'


def _is_empty_count(finding: Finding) -> bool:
    verdict = finding.verdict
    return finding.query is Query.CALLS and isinstance(verdict, Failure) and verdict.reason is Reason.EMPTY
