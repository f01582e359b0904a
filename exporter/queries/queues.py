"""Queue discovery: INFO queues, the id and the name of each queue of a tenant (seen, wire notes 2026-10)."""

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.decode.columns import KEY, VALUE, Column, Layout
from exporter.decode.records import REPEATED, display_of, name_of, read_rows
from exporter.decode.text import Windows
from exporter.fields import Interval, Section
from exporter.model import Answer, Failure, Query, Reason
from exporter.queries.spec import Endpoint, QuerySpec, every
from exporter.request import Operation

MOST_QUEUES = 1_000
"""Per tenant; 38 were seen (wire notes 2026-10)."""

# An object "queue id → name" was seen. Records with these field names are a guess.
_ID = Column("id", "qu_id", KEY)
_NAME = Column("name", "qu_name", VALUE, required=False)
_LAYOUT = Layout("the list of queues", (_ID, _NAME), key=_ID, most=MOST_QUEUES)


@dataclass(frozen=True, slots=True)
class Queues(Answer):
    """The name of each queue of a tenant, by id; "" if it has none."""

    names: dict[str, str]


class QueuesQuery(Section):
    """Per tenant only."""

    tenant_interval: Interval = every(
        "1h",
        "How often to request the list of queues (ids and names) of each tenant with `queues`.",
        example="6h",
    )


def read_queues(windows: Windows, _: QueuesQuery) -> Queues | Failure:
    """Read the id and the name of each queue. An unreadable name becomes "".

    Names become label values. So a list with an id that is not a number is a failure: it may be a record that
    contains a password.
    """
    names: dict[str, str] = {}
    is_record = False

    def take(cells: Sequence[object]) -> Column | None:
        nonlocal is_record
        queue = name_of(cells[0])
        is_record = is_record or not (queue is None or queue.isdecimal())
        if queue is None or is_record:
            return _ID
        if queue in names:
            return REPEATED
        names[queue] = display_of(cells[1])
        return None

    skipped = read_rows(windows, _LAYOUT, take)
    if is_record:
        return Failure(Reason.DECODE, "expected queue names by numeric id, got an id that is not a number")
    return skipped if isinstance(skipped, Failure) else Queues(names, skipped=skipped)


SPEC = QuerySpec(
    query=Query.QUEUES,
    summary="Queue discovery (INFO queues).",
    section=QueuesQuery,
    tenant=Endpoint(
        operation=Operation.QUEUES,
        rows=read_queues,
        fills=None,
        note="the names of all queues",
        layout=lambda _: _LAYOUT,
    ),
    start=0.42,
    finds=True,
    parts_of=Query.QUEUE,
    names_parts=True,
    series=0,
    unused="no tenant has `queues`",
)
