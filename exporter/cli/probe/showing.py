"""A finding as lines for people: what was asked, what came, and what is made of it. Pure."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

import yaml
from yarl import URL

from exporter.cli.probe.finding import Advice, Finding
from exporter.config import SwitchConfiguration
from exporter.decode import column_names, excerpt, is_list
from exporter.masking import Mask
from exporter.metrics import text_format
from exporter.metrics.catalogue import Metric
from exporter.model import Content, Extensions, Failure, Peers, RegistrationState, Tenants
from exporter.poll.families import families
from exporter.poll.fetch import masked
from exporter.request import Operation, Request
from exporter.store import Values

_SHOWN = 2048
_READ = 16 * _SHOWN
_WIDTH = 100
_COLUMNS = 24
"""Names that are shown of a record; one of an extension has about 148 (seen, wire notes 2026-10)."""

_INDENT = " " * 10

_WAITS: Mapping[Operation, str] = {
    Operation.COUNT_PEERS: "a count over all nodes; 23 s were seen",
    Operation.PEERS: "every phone of every node in one list: the largest thing that can be asked",
    Operation.EXTENSIONS: "a list with about 3.4 kB for each extension",
    Operation.TENANTS: "the list of all tenants",
}
"""What to know before a request that is more than a trifle."""


def about_request(url: URL, request: Request) -> Iterator[str]:
    """Yield what is about to be asked."""
    yield f"request   {url.with_user(None)}?{urlencode(request.parameters())}&key=***"
    if request.operation in _WAITS and not (request.operation is Operation.COUNT_PEERS and request.tenant):
        yield f"asks for  {_WAITS[request.operation]}"


def about_answer(finding: Finding, switch: SwitchConfiguration, mask: Mask) -> Iterator[str]:
    """Yield what came, how long it took, the verdict and the samples."""
    yield f"time      {finding.seconds:.3f} s"
    if finding.body is not None:
        yield f"answer    HTTP 200, {len(finding.body)} bytes"
        yield from (_INDENT + line for line in _body(finding, finding.body, mask))
    yield from _verdict(finding, switch)


def _body(finding: Finding, body: Content, mask: Mask) -> Iterator[str]:
    operation = finding.request.operation
    if not finding.is_withheld:
        yield excerpt(operation, masked(body[:_READ], mask), _SHOWN)
        return
    # Any list will do: of each only size and type are told.
    yield excerpt(operation if is_list(operation) else Operation.EXTENSIONS, body, _SHOWN)
    if names := column_names(body):
        more = f" and {len(names) - _COLUMNS} more" if len(names) > _COLUMNS else ""
        yield from textwrap.wrap(f"columns: {', '.join(names[:_COLUMNS])}{more}", _WIDTH)


def _verdict(finding: Finding, switch: SwitchConfiguration) -> Iterator[str]:
    operation, verdict = finding.request.operation, finding.verdict
    match verdict:
        case Failure(reason=reason) if finding.is_withheld and not is_list(operation):
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
        case _:
            yield "verdict   a value"
            head = (switch.name, finding.request.tenant) if finding.request.tenant else (switch.name,)
            for metric, values in families(finding.query, finding.scope, verdict).items():
                yield from _samples(metric, head, values)


def _samples(metric: Metric, head: tuple[str, ...], values: Values) -> Iterator[str]:
    each = values.items() if isinstance(values, Mapping) else [("", values)]
    for last, value in each:
        labels = (*head, last) if isinstance(values, Mapping) else head
        yield f"sample    {text_format.line(metric, labels, value)}".rstrip("\n")


def advice_lines(given: Advice) -> Iterator[str]:
    """Yield an advice, with its settings as they are written in the section of the switch."""
    text = f"{given.text}:" if given.settings else given.text
    yield from headed("advice", text)
    yield from (_INDENT + line for line in settings_lines(given.settings))


def headed(heading: str, text: str) -> Iterator[str]:
    """Yield a text in lines of a readable width, with a heading in front of the first one."""
    for position, line in enumerate(textwrap.wrap(text, _WIDTH, break_on_hyphens=False)):
        yield f"{'' if position else heading:<10}{line}"


def settings_lines(settings: Mapping[str, object]) -> list[str]:
    """Return settings as YAML."""
    if not settings:
        return []
    text: str = yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True, width=1000)
    return text.splitlines()
