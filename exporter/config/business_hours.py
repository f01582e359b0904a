"""When a tenant is open."""

import re
from datetime import datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from exporter.config.fields import not_empty, unique
from exporter.fields import Form, Section
from exporter.wording import nearest, shown, single

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # as datetime.weekday() counts

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def _timezone(value: object) -> ZoneInfo:
    name = single(value)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # "Europe" is a directory: OSError
        meant = nearest(name, available_timezones()) or "Europe/Rome"
        raise ValueError(
            f"{shown(name)} is not a time zone that is known here; write one such as {meant}"
        ) from None


def _time_of_day(value: object) -> time:
    match = _TIME.fullmatch(single(value))
    if match is None:
        raise ValueError(
            f'{shown(value)} is not a time of day; write hours and minutes such as "09:00" or "18:30"'
        )
    return time(int(match[1]), int(match[2]))


_TimeOfDay = Annotated[time, PlainValidator(_time_of_day), Form("time of day")]


class BusinessHours(Section):
    """The hours of a tenant, in its own time zone.

    They begin on each of ``days`` at ``opens`` (inclusive) and last until ``closes`` (exclusive), which is on
    the next day where it is not later than ``opens``: ``mon`` from 22:00 to 06:00 ends on Tuesday morning.
    """

    timezone: Annotated[ZoneInfo, PlainValidator(_timezone), Form("name of a time zone")] = Field(
        description="The time zone that the times are in.", examples=["Europe/Rome"]
    )
    days: Annotated[tuple[Day, ...], AfterValidator(unique), AfterValidator(not_empty)] = Field(
        description="The days on which it opens.", examples=[["mon", "tue", "wed", "thu", "fri"]]
    )
    opens: _TimeOfDay = Field(alias="from", description="When it opens.", examples=["09:00"])
    closes: _TimeOfDay = Field(
        alias="to",
        description="When it closes; on the next day where that is not later than `from`.",
        examples=["18:00"],
    )

    @model_validator(mode="after")
    def _lasts(self) -> "BusinessHours":
        if self.opens == self.closes:
            raise ValueError('has the same time in "from" and "to"; write hours that last')
        return self

    def is_open(self, now: datetime) -> bool:
        """Return whether the tenant is open at a time, by its local clock. ``now`` must have a time zone."""
        local = now.astimezone(self.timezone)
        clock = local.time()
        if self.opens < self.closes:
            return self._is_day(local) and self.opens <= clock < self.closes
        if clock >= self.opens:
            return self._is_day(local)
        return clock < self.closes and self._is_day(local - timedelta(days=1))

    def _is_day(self, moment: datetime) -> bool:
        return _DAYS[moment.weekday()] in self.days
