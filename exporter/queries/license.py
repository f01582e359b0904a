"""Days until the license ends: LICENSEDAYS, presumably a bare whole number, 0 or below too (never seen)."""

from pydantic import Field

from exporter.decode.values import read_number, whole_of
from exporter.fields import Interval, NumberPattern, Section, parse_duration
from exporter.metrics import catalogue
from exporter.model import Failure, Number, Query
from exporter.queries.spec import OF_SWITCH, PATTERN, Endpoint, ProbeTexts, QuerySpec, number_into
from exporter.request import Operation

_SECONDS_A_DAY = 86_400


class LicenseQuery(Section):
    """Asked of the whole installation only."""

    interval: Interval = Field(parse_duration("1h"), description=OF_SWITCH, examples=["1h"])
    pattern: NumberPattern | None = Field(None, description=PATTERN, examples=[r"(-?\d+) days"])


def _read(text: str, section: LicenseQuery) -> Number | Failure:
    expected = "a whole number of days"
    return read_number(text, whole_of, expected, pattern=section.pattern, key="queries.license.pattern")


SPEC = QuerySpec(
    query=Query.LICENSE,
    summary="Days until the license ends (LICENSEDAYS).",
    section=LicenseQuery,
    switch=Endpoint(
        operation=Operation.LICENSE_DAYS,
        value=_read,
        fills=number_into(catalogue.LICENSE_REMAINING, _SECONDS_A_DAY),
        private=False,
    ),
    probe=ProbeTexts(
        number=r"(-?\d+)",
        over=r"\b(?:expired|ago|since|overdue)\b",
        over_advice="it seems to count the days since the license ended: a pattern would read them as days "
        "left, so none is suggested",
        doubt="whether the days of the license are counted as you think: compare with the switch's own page",
    ),
)
