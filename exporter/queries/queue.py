"""The state of one queue: INFO queue, 23 named fields (seen without ``id``, wire notes 2026-10).

The meaning of the fields is inferred from their names. So metrics report the figures unchanged.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.decode.classify import complaint, is_complaint, unread
from exporter.decode.text import Record, parse_record
from exporter.decode.values import LONGEST_LABEL, TRAILING, count_of, number_of
from exporter.fields import Interval, Section
from exporter.model import Answer, Failure, Query
from exporter.queries.spec import Endpoint, QuerySpec, every
from exporter.request import Operation, Request

FIELDS = (
    *("AGENTSAVAILABLE", "AGENTSPAUSED", "AGENTSFREE", "AGENTSONLINE", "CALLSINQUEUE", "SERVICELEVEL"),
    *("FIRSTWAITING", "SECONDWAITING", "THIRDWAITING", "CALLSONLINE", "TALKTIME", "HOLDTIME"),
    *("ANSWEREDCALLS", "CALLSRECEIVED", "REALANSWEREDCALLS", "TRANSFEREDCALLS", "ABANDONEDCALLS"),
    *("TIMEDOUTCALLS", "QUEUECAR", "EXITWITHKEYCALLS", "MAXHOLDTIME", "AVERAGETALKTIME", "AVERAGEHOLDTIME"),
)
"""The field names, as seen."""

AGENTS = {
    "online": "AGENTSONLINE",
    "paused": "AGENTSPAUSED",
    "free": "AGENTSFREE",
    "available": "AGENTSAVAILABLE",
}
"""The field for each state of agents. Whether `available` differs from `free` is unknown."""

CALLS = {"received": "CALLSRECEIVED", "answered": "ANSWEREDCALLS", "abandoned": "ABANDONEDCALLS"}
"""The field for each outcome of calls. It is unknown when the switch resets the counts."""

SERIES = 3 + len(AGENTS) + len(CALLS)
"""Per queue."""

_EXPECTED = "the named fields of a queue"
_CLOCK = re.compile(r"([0-9]{1,3}):([0-5][0-9]):([0-5][0-9])")
_LONGEST_WAIT = 7 * 86_400
"""Seconds. A larger number is not a waiting time; it may be a Unix timestamp."""


@dataclass(frozen=True, slots=True)
class QueueState(Answer):
    """One queue. A value that is missing or not a number is None, or absent from its mapping.

    ``longest_wait``: seconds. ``agents``: by state. ``calls``: by outcome. ``fields``: the text of each of
    ``FIELDS`` that the response has.
    """

    waiting: int | None
    longest_wait: float | None
    agents: Mapping[str, int]
    service_level: float | None
    calls: Mapping[str, int]
    fields: Mapping[str, str]

    @property
    def unreadable(self) -> list[str]:
        """The fields that the metrics need but that are missing or not numbers."""
        needed = {
            "CALLSINQUEUE": self.waiting,
            "FIRSTWAITING": self.longest_wait,
            "SERVICELEVEL": self.service_level,
            **{field: self.agents.get(state) for state, field in AGENTS.items()},
            **{field: self.calls.get(outcome) for outcome, field in CALLS.items()},
        }
        return [field for field, value in needed.items() if value is None]


class QueueQuery(Section):
    """Per tenant; one request for each queue."""

    tenant_interval: Interval = every(
        "1m", "How often to update every queue of tenants with `queues`, at one request per queue."
    )


def read_queue(text: str, _: QueueQuery) -> QueueState | Failure:
    """Read the fields by name, in any case and order. A response without any of them is a failure."""
    record = _record(text)
    if isinstance(record, Failure):
        return record
    cells = {name.casefold(): value for name, value in record.items()}
    fields = {field: _text(cells[field.casefold()]) for field in FIELDS if field.casefold() in cells}
    if not fields:
        return complaint(record, text) if is_complaint(record) else unread(text, _EXPECTED)
    waiting = count_of(fields.get("CALLSINQUEUE"))
    return QueueState(
        waiting=waiting,
        longest_wait=_wait(fields.get("FIRSTWAITING"), waiting),
        agents=_counts(AGENTS, fields),
        service_level=number_of(fields.get("SERVICELEVEL", "").removesuffix("%")),
        calls=_counts(CALLS, fields),
        fields=fields,
    )


def _record(text: str) -> Record | Failure:
    """Return the fields of an object (perhaps nested under the queue's id), a table or pairs."""
    if text.startswith(("{", "[")):
        record = parse_record(text)
        only = [*record.values()] if isinstance(record, dict) and len(record) == 1 else []
        return only[0] if only and isinstance(only[0], dict) else record
    lines = [line.strip().removesuffix("|") for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        pairs = [pair.partition(":") for pair in lines[0].split("|")]
        return {name.strip(): value for name, colon, value in pairs if colon}
    names, *rows = [line.split("|") for line in lines]
    if len(rows) != 1 or len(rows[0]) != len(names):
        return unread(text, _EXPECTED)
    return {name.strip(): value for name, value in zip(names, rows[0], strict=True)}


def _text(value: object) -> str:
    """Return the text of a field; "" for anything but a text or a number."""
    is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value).strip(TRAILING)[:LONGEST_LABEL] if is_text else ""


def _counts(names: Mapping[str, str], fields: Mapping[str, str]) -> dict[str, int]:
    counts = {name: count_of(fields.get(field)) for name, field in names.items()}
    return {name: count for name, count in counts.items() if count is not None}


def _wait(text: str | None, waiting: int | None) -> float | None:
    """Return how long the first caller has waited. The text is presumably seconds, perhaps ``0:01:30``."""
    if text == "" and waiting == 0:
        return 0.0  # nobody waits
    clock = _CLOCK.fullmatch(text or "")
    hours, minutes, seconds = map(int, clock.groups()) if clock else (0, 0, 0)
    wait = hours * 3600 + minutes * 60 + seconds if clock else number_of(text)
    return float(wait) if wait is not None and 0 <= wait <= _LONGEST_WAIT else None


SPEC = QuerySpec(
    query=Query.QUEUE,
    summary="Calls and agents of queues (INFO queue).",
    section=QueueQuery,
    tenant=Endpoint(
        operation=Operation.QUEUE,
        value=read_queue,
        fills=None,
        for_part=lambda _, tenant, queue: Request(Operation.QUEUE, tenant=tenant, queue=queue),
    ),
    start=0.25,
    series=0,
    unused="no tenant has `queues`",
)
