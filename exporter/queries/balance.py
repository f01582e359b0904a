"""Credit of a tenant: INFO balance, a bare decimal number, also with format=json (seen); may be negative."""

from pydantic import Field

from exporter.decode.values import number_of, read_number
from exporter.fields import Interval, NumberPattern, Section, parse_duration
from exporter.metrics import catalogue
from exporter.model import Failure, Number, Query
from exporter.queries.spec import OF_TENANTS, PATTERN, Endpoint, ProbeTexts, QuerySpec, number_into
from exporter.request import Operation


class BalanceQuery(Section):
    """Asked of tenants only."""

    tenant_interval: Interval = Field(parse_duration("5m"), description=OF_TENANTS, examples=["5m"])
    pattern: NumberPattern | None = Field(None, description=PATTERN, examples=[r"(-?[\d.]+) EUR"])


def _read(text: str, section: BalanceQuery) -> Number | Failure:
    expected = "an amount of credit"
    return read_number(text, number_of, expected, pattern=section.pattern, key="queries.balance.pattern")


SPEC = QuerySpec(
    query=Query.BALANCE,
    summary="Credit of a tenant (INFO balance).",
    section=BalanceQuery,
    tenant=Endpoint(
        operation=Operation.BALANCE, value=_read, fills=number_into(catalogue.TENANT_BALANCE), private=False
    ),
    start=0.67,
    probe=ProbeTexts(number=r"(-?\d+(?:\.\d+)?)"),
)
