"""Probe the queues of a tenant: their list and the state of two of them. Prints ids, never names."""

from collections.abc import Iterator, Sequence

from exporter.cli.probe.findings import Advice, Finding, QueryRequest, query_request
from exporter.cli.probe.render import advice_lines, headed
from exporter.cli.probe.runner import Runner
from exporter.config import TenantSettings
from exporter.model import Query
from exporter.poll.scope_check import has_calls, is_same
from exporter.queries.queue import FIELDS, QueueState
from exporter.queries.queues import Queues
from exporter.request import Operation, Request

_COMPARED = 2


async def probe_queues(runner: Runner, tenant: str) -> bool:
    """Request the list and two queues, and print what they show. Return whether a request failed."""
    listing = await runner.send(query_request(Query.QUEUES, tenant))
    settings = runner.switch.settings(tenant)
    queues = _ids(settings, listing)
    states: dict[str, QueueState] = {}
    for queue in queues[:_COMPARED]:
        request = Request(Operation.QUEUE, tenant=tenant, queue=queue)
        finding = await runner.send(QueryRequest(Query.QUEUE, request))
        if finding and isinstance(finding.verdict, QueueState):
            states[queue] = finding.verdict
    runner.write(_lines(queues, states))
    for given in queue_advice(settings, states):
        runner.write(advice_lines(given))
        runner.given.append((None, given))
    runner.write([""])
    is_listed = listing is not None and listing.reason is None
    return not is_listed or len(states) < len(queues[:_COMPARED])


def _ids(settings: TenantSettings, listing: Finding | None) -> list[str]:
    """Return the configured ids, else the listed ones."""
    wanted = settings.parts(Query.QUEUE)
    if wanted and wanted.named:
        return list(wanted.named)
    return list(listing.verdict.names) if listing and isinstance(listing.verdict, Queues) else []


def _lines(queues: Sequence[str], states: dict[str, QueueState]) -> Iterator[str]:
    asked = f"; {' and '.join(states)} returned a state" if states else ""
    yield from headed("queues", f"{len(queues):,} known{asked}" if queues else "none found")
    if states:
        yield from headed("fields", fields_text(list(states.values())))
    if len(states) == _COMPARED:
        yield from headed("id", id_text(*states.values()))


def fields_text(states: Sequence[QueueState]) -> str:
    """Return which of the known fields the responses have, and which required fields are not numbers."""
    found = [field for field in FIELDS if any(field in state.fields for state in states)]
    missing = [field for field in FIELDS if field not in found]
    unreadable = [field for field in found if all(field in state.unreadable for state in states)]
    text = f"found {len(found)} of {len(FIELDS)}"
    text += f"; missing {', '.join(missing)}" if missing else ""
    return text + (f"; not a number: {', '.join(unreadable)}" if unreadable else "")


def id_text(one: QueueState, other: QueueState) -> str:
    """Return whether the switch respects ``id``, as far as two answers show it."""
    if not is_same(one.fields, other.fields):
        return "respected: the answers differ. A call that began or ended in between would also explain that"
    if has_calls(one.fields):
        return "ignored: the answers are the same. Two queues with the same calls would also explain that"
    return "unknown: the answers are the same, but neither queue has had calls; probe again later in the day"


def queue_advice(settings: TenantSettings, states: dict[str, QueueState]) -> Iterator[Advice]:
    """Yield whether to enable or disable the query."""
    wanted = settings.parts(Query.QUEUE)
    is_polled = bool(wanted and wanted.any)
    answers = [state.fields for state in states.values()]
    if len(answers) == _COMPARED and is_same(*answers) and has_calls(answers[0]):
        if is_polled:
            yield Advice(
                "if all queues have the same state, the exporter reports `scope_ignored` and no queue "
                "metrics. Probe again later: two queues with the same calls look alike"
            )
    elif answers and not is_polled:
        yield Advice(
            "queues are not polled. To poll them, set `queues` of the tenant, or of `tenant_defaults`, to "
            "`all` or to a list of ids. Each queue costs one request per `queries.queue.tenant_interval`"
        )
