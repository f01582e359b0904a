"""The section ``business_hours`` of a tenant."""

import re
from datetime import datetime, time, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, field_validator

from exporter.errors import shown, single
from exporter.fields import TIME_OF_DAY, Form, SchemaOf, Section, TimeZone, not_empty, unique, with_entries

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # as datetime.weekday() counts

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def _time_of_day(value: object) -> time:
    match = _TIME.fullmatch(single(value))
    if match is None:
        raise ValueError(f'expected a time of day such as "09:00" or "18:30", got {shown(value)}')
    return time(int(match[1]), int(match[2]))


_TimeOfDay = Annotated[time, PlainValidator(_time_of_day), Form("time of day"), SchemaOf(TIME_OF_DAY)]


class BusinessHours(Section):
    """The hours from ``opens`` (inclusive) to ``closes`` (exclusive) that start on each of ``days``.

    If ``closes`` is earlier than ``opens``, it is on the next day: ``mon`` from 22:00 to 06:00 ends on
    Tuesday morning.
    """

    timezone: TimeZone = Field(description="The tenant's time zone.", examples=["Europe/Rome"])
    days: Annotated[
        tuple[Day, ...], AfterValidator(unique), AfterValidator(not_empty), SchemaOf(with_entries)
    ] = Field(
        description="The days on which the tenant opens.", examples=[["mon", "tue", "wed", "thu", "fri"]]
    )
    opens: _TimeOfDay = Field(alias="from", description="Opening time.", examples=["09:00"])
    closes: _TimeOfDay = Field(
        alias="to",
        description="Closing time; on the next day if it is earlier than `from`.",
        examples=["18:00"],
    )

    @field_validator("closes")
    @classmethod
    def _not_empty(cls, closes: time, info: ValidationInfo) -> time:
        if closes == info.data.get("opens"):
            raise ValueError("the same time as `from`; use two different times")
        return closes

    def is_open(self, now: datetime) -> bool:
        """Return whether the tenant is open, by its local clock. ``now`` must have a time zone."""
        local = now.astimezone(self.timezone)
        clock = local.time()
        if self.opens < self.closes:
            return self._is_day(local) and self.opens <= clock < self.closes
        if clock >= self.opens:
            return self._is_day(local)
        return clock < self.closes and self._is_day(local - timedelta(days=1))

    def _is_day(self, moment: datetime) -> bool:
        return _DAYS[moment.weekday()] in self.days
