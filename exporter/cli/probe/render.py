"""What is printed: a question, a finding, an advice, and the summary at the end. Pure."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlencode

import yaml
from yarl import URL

from exporter.cli.probe.questions import Advice, Finding, Question
from exporter.cli.probe.tenants import COMPARE, is_known
from exporter.config import SwitchConfiguration
from exporter.decode.redact import column_names, outline
from exporter.masking import Mask
from exporter.metrics import text_format
from exporter.metrics.catalogue import Metric
from exporter.model import (
    Content,
    Counts,
    Extensions,
    Failure,
    Peers,
    Query,
    Reason,
    RegistrationState,
    Tenants,
)
from exporter.poll.fetch import masked
from exporter.queries import QUERIES
from exporter.store import Values

SHAREABLE = (
    "keys and credentials are masked, and lists are not shown, so this can be attached to a bug report. It "
    "names the host of the switch, nodes, a tenant and an extension"
)

_SHOWN = 2048
_READ = 16 * _SHOWN
_WIDTH = 100
_COLUMNS = 24
"""Names that are shown of a record; one of an extension has about 148 (seen, wire notes 2026-10)."""

_INDENT = " " * 10


def about_request(url: URL, question: Question) -> Iterator[str]:
    """Yield what is about to be asked."""
    yield f"request   {url.with_user(None)}?{urlencode(question.request.parameters())}&key=***"
    if note := QUERIES[question.query].of(question.request).note:
        yield f"asks for  {note}"


def about_answer(finding: Finding, switch: SwitchConfiguration, mask: Mask) -> Iterator[str]:
    """Yield what came, how long it took, the verdict and the samples."""
    yield f"time      {finding.seconds:.3f} s"
    if finding.body is not None:
        yield f"answer    HTTP 200, {len(finding.body)} bytes"
        yield from (_INDENT + line for line in _body(finding, finding.body, mask))
    yield from _verdict(finding, switch)


def _body(finding: Finding, body: Content, mask: Mask) -> Iterator[str]:
    if not finding.is_private:
        yield finding.endpoint.excerpt(masked(body[:_READ], mask), _SHOWN)
        return
    yield finding.endpoint.excerpt(body, _SHOWN) if finding.endpoint.private else outline(body, "list")
    if names := column_names(body):
        more = f" and {len(names) - _COLUMNS} more" if len(names) > _COLUMNS else ""
        yield from textwrap.wrap(f"columns: {', '.join(names[:_COLUMNS])}{more}", _WIDTH)


def _verdict(finding: Finding, switch: SwitchConfiguration) -> Iterator[str]:
    match finding.verdict:
        case Failure(reason=reason) if finding.is_private and not finding.endpoint.private:
            yield f"verdict   {reason}: records came where a value was due; they are not shown"
        case Failure(reason=reason, detail=detail):
            yield f"verdict   {reason}: {detail}"
        case RegistrationState(state=state, word=word):
            yield f"verdict   {state} (the switch says {word!r})"
        case Tenants(rows=rows):
            yield f"verdict   a list of {len(rows)}"
        case Extensions(rows=rows) | Peers(rows=rows):
            states = Counter(row.state.value for row in rows)
            told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            yield f"verdict   a list of {len(rows)}{': ' if told else ''}{told}"
        case value:
            yield "verdict   a value"
            head = (switch.name, finding.request.tenant) if finding.request.tenant else (switch.name,)
            fills = finding.endpoint.fills
            for metric, values in (fills(value) if fills else {}).items():
                yield from _samples(metric, head, values)


def _samples(metric: Metric, head: tuple[str, ...], values: Values) -> Iterator[str]:
    each = values.items() if isinstance(values, Mapping) else [("", values)]
    for last, value in each:
        labels = (*head, last) if isinstance(values, Mapping) else head
        yield f"sample    {text_format.line(metric, labels, value)}".rstrip("\n")


def advice_lines(given: Advice) -> Iterator[str]:
    """Yield an advice, with its settings as they are written in the section of the switch."""
    yield from headed("advice", f"{given.text}:" if given.settings else given.text)
    yield from settings_lines(given.settings)


def headed(heading: str, text: str) -> Iterator[str]:
    """Yield a text in lines of a readable width, with a heading in front of the first one."""
    for position, line in enumerate(textwrap.wrap(text, _WIDTH, break_on_hyphens=False)):
        yield f"{'' if position else heading:<10}{line}"


def settings_lines(settings: Mapping[str, object]) -> Iterator[str]:
    """Yield settings as indented YAML."""
    if settings:
        text: str = yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True, width=1000)
        if not text.replace("\n", "").isprintable():  # PyYAML writes U+E000 to U+F8FF as they are
            text = yaml.safe_dump(dict(settings), sort_keys=False, width=1000)
        yield from (_INDENT + line for line in text.splitlines())


def summary(
    findings: Sequence[Finding],
    given: Sequence[tuple[Finding | None, Advice]],
    *,
    switch_name: str,
    not_asked: Sequence[str],
    off: Sequence[str],
) -> Iterator[str]:
    """Yield the summary of a probe of several queries: what works, what to configure, what is unknown."""
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
    if not_asked:
        yield from headed("not asked", f"{', '.join(not_asked)}: there is no key, or all before failed alike")
    if off:
        yield from headed("off", f"in the configuration, so not asked: {', '.join(off)}")
    yield from _settings(given, switch_name)
    for sentence in _unknown(findings):
        yield from headed("unknown", sentence)


def _settings(given: Sequence[tuple[Finding | None, Advice]], switch_name: str) -> Iterator[str]:
    sure: Mapping[str, object] = {}
    for _, each in given:
        if each.sure:
            sure = _merged(sure, each.settings)
    yield from headed(
        "configure", f"below the switch {switch_name}:" if sure else "nothing that is sure from here"
    )
    yield from settings_lines(sure)
    for finding, each in given:
        if each.settings and not each.sure:
            about = f"{finding.subject}: " if finding else ""
            yield from headed("decide", f"{about}{each.text}:")
            yield from settings_lines(each.settings)


def _merged(one: Mapping[str, object], other: Mapping[str, object]) -> Mapping[str, object]:
    """Return two trees of settings as one; where they differ the first holds."""
    tree = {**other, **one}
    for key in one.keys() & other.keys():
        ours, theirs = one[key], other[key]
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            tree[key] = _merged(ours, theirs)
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
    doubts = [_doubt(finding) for finding in sorted(findings, key=lambda each: not _is_empty(each))]
    yield from dict.fromkeys(doubt for doubt in doubts if doubt)
    if any(isinstance(finding.verdict, Counts) and finding.verdict.total is None for finding in findings):
        yield "whether the sum over the nodes is the whole: the switch states no total"
    if tenants:
        yield f"anything of tenants other than {', '.join(sorted(tenants))}: they were not asked"
        yield 'words for states of phones that no phone had just now; watch for state="unknown"'


def _is_empty(finding: Finding) -> bool:
    return isinstance(finding.verdict, Failure) and finding.verdict.reason is Reason.EMPTY


def _doubt(finding: Finding) -> str:
    texts = QUERIES[finding.query].probe
    if _is_empty(finding):
        return texts.doubt_empty
    return "" if isinstance(finding.verdict, Failure) else texts.doubt
