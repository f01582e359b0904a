"""Active calls: COUNTCALLS, presumably a bare whole number (inferred; only idle tenants were seen)."""

from typing import Literal

from pydantic import Field

from exporter.decode.values import count_of, read_number
from exporter.fields import Interval, NumberPattern, Section
from exporter.metrics import catalogue
from exporter.model import Failure, Number, Query
from exporter.queries.spec import (
    PATTERN,
    PER_SWITCH,
    PER_TENANT,
    Endpoint,
    ProbeTexts,
    QuerySpec,
    every,
    number_into,
)
from exporter.request import Operation


class CallsQuery(Section):
    """``empty`` is the meaning of an empty response."""

    interval: Interval = every("30s", PER_SWITCH)
    tenant_interval: Interval = every("2m", PER_TENANT)
    empty: Literal["zero", "error"] = Field(
        "zero",
        description="What an empty response means. A switch sends one when it is idle, and also when it "
        "denies the request. Even with `zero`, it counts as 0 only after the same key has returned a number "
        "since the start.",
        examples=["error"],
    )
    pattern: NumberPattern | None = Field(None, description=PATTERN, examples=[r"(\d+) calls"])


def _read(text: str, section: CallsQuery) -> Number | Failure:
    expected = "a number of calls, whole and not below 0"
    return read_number(text, count_of, expected, pattern=section.pattern, key="queries.calls.pattern")


SPEC = QuerySpec(
    query=Query.CALLS,
    summary="Active calls (COUNTCALLS).",
    section=CallsQuery,
    switch=Endpoint(
        operation=Operation.COUNT_CALLS, value=_read, fills=number_into(catalogue.CALLS), private=False
    ),
    tenant=Endpoint(
        operation=Operation.COUNT_CALLS, value=_read, fills=number_into(catalogue.TENANT_CALLS), private=False
    ),
    start=0.33,
    empty=lambda section: Number(0) if section.empty == "zero" else None,
    probe=ProbeTexts(
        number=r"(\d+)",
        doubt_empty="whether an empty count of calls means an idle switch or a missing permission: "
        "run probe again during a call",
    ),
)
