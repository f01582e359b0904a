"""Calls that run: COUNTCALLS, presumably a bare whole number (inferred; only idle tenants were seen)."""

from typing import Literal

from pydantic import Field

from exporter.decode.values import count_of, read_number
from exporter.fields import Interval, NumberPattern, Section, parse_duration
from exporter.metrics import catalogue
from exporter.model import Failure, Number, Query
from exporter.queries.spec import (
    OF_SWITCH,
    OF_TENANTS,
    PATTERN,
    Endpoint,
    ProbeTexts,
    QuerySpec,
    number_into,
)
from exporter.request import Operation


class CallsQuery(Section):
    """``empty`` is what an empty answer means; ``pattern`` finds the number in an answer that wraps it."""

    interval: Interval = Field(parse_duration("30s"), description=OF_SWITCH, examples=["30s"])
    tenant_interval: Interval = Field(parse_duration("2m"), description=OF_TENANTS, examples=["2m"])
    empty: Literal["zero", "error"] = Field(
        "zero",
        description="What an empty answer means. An idle switch gives one, and so does one that denies the "
        "request; so even `zero` holds only once a number has come with the same key since the start.",
        examples=["error"],
    )
    pattern: NumberPattern | None = Field(None, description=PATTERN, examples=[r"(\d+) calls"])


def _read(text: str, section: CallsQuery) -> Number | Failure:
    expected = "a number of calls, whole and not below 0"
    return read_number(text, count_of, expected, pattern=section.pattern, key="queries.calls.pattern")


SPEC = QuerySpec(
    query=Query.CALLS,
    summary="Calls that run (COUNTCALLS).",
    section=CallsQuery,
    switch=Endpoint(
        operation=Operation.COUNT_CALLS, value=_read, fills=number_into(catalogue.CALLS), private=False
    ),
    tenant=Endpoint(
        operation=Operation.COUNT_CALLS, value=_read, fills=number_into(catalogue.TENANT_CALLS), private=False
    ),
    start=0.33,
    empty_is_zero=lambda section: section.empty == "zero",
    probe=ProbeTexts(
        number=r"(\d+)",
        doubt_empty="whether no count of calls is an idle switch or a missing right: probe while calls run",
    ),
)
