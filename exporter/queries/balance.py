"""Credit of a tenant: INFO balance, a bare decimal number even with format=json (seen); may be negative."""

from pydantic import Field

from exporter.decode.values import number_of, read_number
from exporter.fields import Interval, NumberPattern, Section
from exporter.metrics import catalogue
from exporter.model import Failure, Number, Query
from exporter.queries.spec import PATTERN, PER_TENANT, Endpoint, ProbeTexts, QuerySpec, every, number_into
from exporter.request import Operation


class BalanceQuery(Section):
    """Per tenant only."""

    tenant_interval: Interval = every("5m", PER_TENANT)
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
