"""Days until the license expires: LICENSEDAYS, presumably a whole number, also below 0 (never seen)."""

from pydantic import Field

from exporter.decode.values import read_number, whole_of
from exporter.fields import Interval, NumberPattern, Section
from exporter.metrics import catalogue
from exporter.model import Failure, Number, Query
from exporter.queries.spec import PATTERN, PER_SWITCH, Endpoint, ProbeTexts, QuerySpec, every, number_into
from exporter.request import Operation

_SECONDS_PER_DAY = 86_400


class LicenseQuery(Section):
    """For the installation only."""

    interval: Interval = every("1h", PER_SWITCH)
    pattern: NumberPattern | None = Field(None, description=PATTERN, examples=[r"(-?\d+) days"])


def _read(text: str, section: LicenseQuery) -> Number | Failure:
    expected = "a whole number of days"
    return read_number(text, whole_of, expected, pattern=section.pattern, key="queries.license.pattern")


SPEC = QuerySpec(
    query=Query.LICENSE,
    summary="Days until the license expires (LICENSEDAYS).",
    section=LicenseQuery,
    switch=Endpoint(
        operation=Operation.LICENSE_DAYS,
        value=_read,
        fills=number_into(catalogue.LICENSE_REMAINING, _SECONDS_PER_DAY),
        private=False,
    ),
    probe=ProbeTexts(
        number=r"(-?\d+)",
        over=r"\b(?:expired|ago|since|overdue)\b",
        over_advice="the number seems to be the days since the license expired; no pattern is suggested, "
        "because it would read them as days left",
        doubt="whether the days of the license mean what you expect: compare them with the switch's own page",
    ),
)
