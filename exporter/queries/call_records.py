"""Calls that have ended: INFO simplecdrs with ``tenant=%``, a list of records with every value twice (seen).

The list contains numbers and names of callers. They are dropped while it is decoded.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from exporter.decode.classify import unread
from exporter.decode.columns import Column, Layout
from exporter.decode.records import interning, name_of, read_rows, text_of
from exporter.decode.text import Windows
from exporter.decode.values import number_of
from exporter.fields import Delay, Interval, Section, TimeZone, parse_duration
from exporter.model import Answer, Failure, Query
from exporter.queries.spec import Endpoint, ProbeTexts, QuerySpec, every
from exporter.request import Operation

MOST_RECORDS = 200_000
"""Per response. 5,000 tenants with 50 phones each, at 3 calls per phone and hour, have 190,000 in 15
minutes."""

DIRECTIONS = ("in", "out", "local")
"""The directions seen (wire notes 2026-10). Any other is ``OTHER``."""

ANSWERED = "answered"
DISPOSITIONS = (ANSWERED, "no_answer", "failed", "congestion", "busy")
"""The dispositions seen (wire notes 2026-10), and Asterisk's ``BUSY``. Any other is ``OTHER``."""

OTHER = "other"

SERIES = len(DIRECTIONS) * (len(DISPOSITIONS) + 1)
"""Per tenant, from the first response on."""

_TENANT = Column("tenantcode")
_START = Column("sc_start", required=False)
_DIRECTION = Column("sc_direction")
_DISPOSITION = Column("sc_disposition")
_DURATION = Column("sc_duration")
_ID = Column("sc_uniqueid", required=False)
_LAYOUT = Layout(
    "the list of calls",
    (_TENANT, _START, _DIRECTION, _DISPOSITION, _DURATION, _ID),
    key=_TENANT,
    most=MOST_RECORDS,
)

_TIME = "%Y-%m-%d %H:%M:%S"
_WRITTEN_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_LONGEST_CALL = 7 * 86_400
"""Seconds. A longer duration is an error, and would stay in the counter forever."""


class CallRecord(NamedTuple):
    """One call, without phone numbers and names.

    ``seconds``: its duration if it was answered, else 0. ``identity``: a hash of its id and start that
    identifies the same record in two responses; None without an id.
    """

    tenant: str
    direction: str
    disposition: str
    seconds: float
    identity: int | None


@dataclass(frozen=True, slots=True)
class CallRecords(Answer):
    """The calls of a window. ``newest``: the latest start, in the time zone of the switch."""

    rows: tuple[CallRecord, ...]
    newest: datetime | None = None


class CallRecordsQuery(Section):
    """For the installation only."""

    interval: Interval = every(
        None,
        "How often to request the calls that have ended since the previous request, for the counters "
        "`softswitch_tenant_call_records_total`. Needs the admin key and `timezone`. A request took 10 to "
        "20 s for one busy tenant.",
        example="5m",
    )
    timezone: TimeZone | None = Field(
        None,
        description="The time zone of the call records of the switch (`sc_start`). "
        "`probe --query=call_records` helps to find it.",
        examples=["Europe/Rome"],
    )
    delay: Delay = Field(
        parse_duration("10m"),
        description="Time between the end of the requested window and now. A call is listed once it has "
        "ended, so calls that last longer than this are missed.",
        examples=["30m"],
    )

    @model_validator(mode="after")
    def _has_timezone(self) -> Self:
        if self.interval is not None and self.timezone is None:
            raise ValueError(
                "interval needs timezone, the time zone of the switch's call records, such as Europe/Rome; "
                "`probe --query=call_records` helps to find it"
            )
        return self


def local_time(seconds: float, zone: ZoneInfo) -> str:
    """Return a Unix time in the format of the parameters ``start`` and ``end``."""
    return datetime.fromtimestamp(seconds, zone).strftime(_TIME)


def read_call_records(windows: Windows, _: CallRecordsQuery) -> CallRecords | Failure:
    """Read the list of calls, without anything that identifies a caller.

    Only JSON is read: in the plain form, the header and the first row run together (seen, wire notes).
    """
    if windows.skip_blanks() not in set("[{]"):
        return unread(windows.start(), _LAYOUT.name, may_quote=False)
    records: list[CallRecord] = []
    newest = _Newest()
    intern = interning()

    def take(cells: Sequence[object]) -> Column | None:
        tenant, start = name_of(cells[0]), text_of(cells[1]) or ""
        direction, disposition, identity = text_of(cells[2]), text_of(cells[3]), text_of(cells[5])
        if tenant is None:
            return _TENANT
        if direction is None:
            return _DIRECTION
        if disposition is None:
            return _DISPOSITION
        outcome = _known(disposition, DISPOSITIONS)
        seconds = _seconds(cells[4]) if outcome == ANSWERED else 0.0
        if seconds is None:
            return _DURATION
        newest.see(start)
        records.append(
            CallRecord(
                intern(tenant),
                _known(direction, DIRECTIONS),
                outcome,
                seconds,
                hash((identity, start)) if identity else None,
            )
        )
        return None

    skipped = read_rows(windows, _LAYOUT, take)
    return (
        skipped if isinstance(skipped, Failure) else CallRecords(tuple(records), newest.time, skipped=skipped)
    )


class _Newest:
    """The latest start so far. Unreadable ones are ignored."""

    def __init__(self) -> None:
        self.time: datetime | None = None
        self._text = ""

    def see(self, text: str) -> None:
        if text > self._text and _WRITTEN_TIME.fullmatch(text):
            try:
                self.time = datetime.strptime(text, _TIME)  # noqa: DTZ007 -- the time zone is unknown
            except ValueError:  # such as 31 February
                return
            self._text = text


def _known(word: str, known: Sequence[str]) -> str:
    folded = word.casefold().replace(" ", "_")
    return known[known.index(folded)] if folded in known else OTHER


def _seconds(cell: object) -> float | None:
    seconds = number_of(cell)
    return float(seconds) if seconds is not None and 0 <= seconds <= _LONGEST_CALL else None


SPEC = QuerySpec(
    query=Query.CALL_RECORDS,
    summary="Calls that have ended, by outcome (INFO simplecdrs).",
    section=CallRecordsQuery,
    switch=Endpoint(
        operation=Operation.CALL_RECORDS,
        rows=read_call_records,
        layout=lambda _: _LAYOUT,
        fills=None,
        empty_too="or a wrong timezone",
        note="the calls of all tenants in one window; one busy tenant took 10 to 20 s",
    ),
    empty=lambda _: CallRecords(()),
    probe=ProbeTexts(
        doubt_empty="whether an empty list of calls means no calls, a missing permission or another time zone"
    ),
)
