"""The output of a probe: a request, its outcome, advice, and the summary. Pure."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import yaml
from yarl import URL

from exporter.cli.probe.findings import COMPARE, Advice, Finding, QueryRequest, tenant_exists
from exporter.config import SwitchConfiguration
from exporter.config.fields import invisible_problem
from exporter.decode.records import fields_of
from exporter.decode.redact import column_names, outline
from exporter.masking import Mask
from exporter.metrics import text_format
from exporter.model import (
    Answer,
    Counts,
    Extensions,
    Failure,
    Peers,
    Query,
    Reason,
    RegistrationState,
    Skipped,
    Tenants,
)
from exporter.poll.fetch import masked
from exporter.queries import QUERIES
from exporter.queries.call_records import CallRecords
from exporter.queries.queues import Queues
from exporter.queries.trunks import Trunks

_SHOWN = 2048
_READ = 16 * _SHOWN
_WIDTH = 100
_NO_WRAP = 1 << 30
_COLUMNS = 24
"""Column names that are shown of a record; an extension has about 148 (seen, wire notes 2026-10)."""

_INDENT = " " * 10


def about_request(url: URL, wanted: QueryRequest) -> Iterator[str]:
    """Yield a request before it is sent, without its key."""
    yield f"request   {url.with_user(None)}?{urlencode(wanted.request.parameters())}&key=***"
    if note := QUERIES[wanted.query].of(wanted.request).note:
        yield f"fetches   {note}"


def about_response(finding: Finding, switch: SwitchConfiguration, mask: Mask) -> Iterator[str]:
    """Yield the duration, the response, the verdict and the samples."""
    yield f"time      {finding.seconds:.3f} s"
    if finding.body is not None:
        yield f"response  HTTP 200, {len(finding.body)} bytes"
        yield from (_INDENT + line for line in _body(finding, mask))
    yield from _fields(finding, switch)
    yield from _verdict(finding, switch)
    if isinstance(finding.verdict, Answer) and (skipped := finding.verdict.skipped):
        yield from headed("skipped", _rows(skipped))


def _fields(finding: Finding, switch: SwitchConfiguration) -> Iterator[str]:
    """Yield which columns of a list the response has. Names of columns are no data."""
    if finding.body is None or finding.endpoint.layout is None:
        return
    spec = QUERIES[finding.query]
    names = fields_of(finding.body, finding.endpoint.layout(switch.queries.options(spec)))
    if names:
        found = ", ".join(name for name in names.values() if name) or "none"
        missing = ", ".join(" or ".join(column.fields) for column, name in names.items() if not name)
        yield from headed("fields", f"found {found}; missing {missing}" if missing else f"found {found}")


def _rows(skipped: Skipped) -> str:
    named = (skipped.first, *skipped.more)
    more = f"; and {skipped.rows - len(named):,} more" if skipped.rows > len(named) else ""
    return f"{skipped.rows:,} unreadable: {'; '.join(named)}{more}"


def _body(finding: Finding, mask: Mask) -> Iterator[str]:
    body = finding.body or b""
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
            yield f"verdict   {reason}: got records, expected a value; they are not shown"
        case Failure(reason=reason, detail=detail):
            yield f"verdict   {reason}: {detail}"
        case RegistrationState(state=state, word=word):
            yield f"verdict   {state} (the switch returned {word!r})"
        case Tenants(rows=rows) | Queues(names=rows):
            yield f"verdict   valid list of {len(rows)}"
        case Extensions(rows=rows) | Peers(rows=rows) | Trunks(rows=rows):
            states = Counter(row.state.value for row in rows)
            counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            yield f"verdict   valid list of {len(rows)}{': ' if counts else ''}{counts}"
        case CallRecords(rows=rows):
            outcomes = Counter(row.disposition for row in rows)
            counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
            yield f"verdict   valid list of {len(rows)}{': ' if counts else ''}{counts}"
        case value:
            yield "verdict   valid"
            labels = (switch.name, finding.request.tenant) if finding.request.tenant else (switch.name,)
            fills = finding.endpoint.fills
            for metric, values in (fills(value) if fills else {}).items():
                samples = text_format.block(metric, labels, values).decode()
                yield from (f"sample    {sample}" for sample in samples.split("\n")[:-1])


def advice_lines(given: Advice) -> Iterator[str]:
    """Yield advice, followed by its settings as YAML."""
    yield from headed("advice", f"{given.text}:" if given.settings else given.text)
    yield from settings_lines(given.settings)


def headed(heading: str, text: str) -> Iterator[str]:
    """Yield a wrapped text, its first line after the heading."""
    for position, line in enumerate(textwrap.wrap(text, _WIDTH, break_on_hyphens=False)):
        yield f"{'' if position else heading:<10}{line}"


class Dumper(yaml.SafeDumper):
    """Writes a tuple in one line, ``[a, b]``, and a text with invisible characters in double quotes."""


Dumper.add_representer(
    tuple,
    lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True),
)
Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style='"' if invisible_problem(text) else None
    ),
)


def settings_lines(settings: Mapping[str, object]) -> Iterator[str]:
    """Yield settings as indented YAML."""
    if settings:
        yield from (_INDENT + line for line in yaml_text(dict(settings)).splitlines())


def yaml_text(value: object, *, in_one_line: bool = False) -> str:
    """Return a value as YAML that can be printed; a long text is not wrapped."""
    style: Any = {"default_flow_style": in_one_line, "sort_keys": False, "width": _NO_WRAP}
    text: str = yaml.dump(value, Dumper=Dumper, allow_unicode=True, **style)
    if not text.replace("\n", "").isprintable():  # PyYAML does not escape U+E000 to U+F8FF
        text = yaml.dump(value, Dumper=Dumper, allow_unicode=False, **style)
    return text


def summary(
    findings: Sequence[Finding],
    given: Sequence[tuple[Finding | None, Advice]],
    *,
    switch_name: str,
    skipped: Sequence[str],
    disabled: Sequence[str],
) -> Iterator[str]:
    """Yield the summary of a probe of several queries: what works, what to configure, what is unknown."""
    seconds = sum(finding.seconds for finding in findings)
    yield from headed("summary", f"switch {switch_name}: {len(findings)} requests, {seconds:.1f} s")
    works = [finding.subject for finding in findings if finding.reason is None]
    yield from headed("works", ", ".join(dict.fromkeys(works)) or "nothing")
    failed = [
        f"{finding.subject}: {finding.reason}"
        for finding in findings
        if finding.reason is not None and finding.query is not Query.REGISTRATIONS
    ]
    if failed:
        yield from headed("fails", ", ".join(failed))
    if skipped:
        subjects = ", ".join(dict.fromkeys(skipped))
        yield from headed(
            "skipped", f"{subjects}: not sent, because the key is missing or all earlier requests failed"
        )
    if disabled:
        yield from headed("disabled", f"by the configuration: {', '.join(disabled)}")
    yield from _settings(given, switch_name)
    for sentence in _unknown(findings):
        yield from headed("unknown", sentence)


def _settings(given: Sequence[tuple[Finding | None, Advice]], switch_name: str) -> Iterator[str]:
    sure: Mapping[str, object] = {}
    for _, each in given:
        if each.sure:
            sure = _merged(sure, each.settings)
    yield from headed(
        "configure", f"in the section of switch {switch_name}:" if sure else "nothing that is certain to help"
    )
    yield from settings_lines(sure)
    for finding, each in given:
        if each.settings and not each.sure:
            subject = f"{finding.subject}: " if finding else ""
            yield from headed("decide", f"{subject}{each.text}:")
            yield from settings_lines(each.settings)


def _merged(one: Mapping[str, object], other: Mapping[str, object]) -> Mapping[str, object]:
    """Return two trees of settings as one; the first overrides the second."""
    tree = {**other, **one}
    for key in one.keys() & other.keys():
        ours, theirs = one[key], other[key]
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            tree[key] = _merged(ours, theirs)
    return tree


def _unknown(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield what one probe cannot find out."""
    tenants = sorted({finding.request.tenant for finding in findings} - {""})
    for tenant in tenants:
        if not tenant_exists(tenant, findings):
            yield f"whether tenant {tenant} exists: no response proves it; {COMPARE}"
    if any(finding.reason is Reason.AUTH for finding in findings):
        yield "the cause of a refusal: a wrong key, a missing right, an unknown tenant, or the source address"
    doubts = [
        _doubt(finding) for finding in sorted(findings, key=lambda each: each.reason is not Reason.EMPTY)
    ]
    yield from dict.fromkeys(doubt for doubt in doubts if doubt)
    if any(isinstance(finding.verdict, Counts) and finding.verdict.total is None for finding in findings):
        yield "whether the figures of the nodes add up to the total: the switch returned no total"
    if tenants:
        yield f"anything about tenants other than {', '.join(tenants)}: they were not queried"
        yield 'how the switch names states that no extension is in now; watch for state="unknown"'


def _doubt(finding: Finding) -> str:
    texts = QUERIES[finding.query].probe
    if finding.reason is Reason.EMPTY:
        return texts.doubt_empty
    return "" if finding.reason else texts.doubt
