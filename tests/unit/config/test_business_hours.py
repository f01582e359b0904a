from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import BusinessHours

ROME = ZoneInfo("Europe/Rome")
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _hours(days: str, opens: str, closes: str, timezone: str = "Europe/Rome") -> BusinessHours:
    return BusinessHours.model_validate(
        {"timezone": timezone, "days": days.split(), "from": opens, "to": closes}
    )


OFFICE = _hours("mon tue wed thu fri", "09:00", "18:00")
NIGHT = _hours("mon", "22:00", "06:00")


@pytest.mark.parametrize(
    ("hours", "day", "clock", "is_open"),
    [  # 1 June 2026 is a Monday
        (OFFICE, 1, "08:59:59", False),
        (OFFICE, 1, "09:00:00", True),
        (OFFICE, 1, "17:59:59", True),
        (OFFICE, 1, "18:00:00", False),
        (OFFICE, 5, "12:00:00", True),
        (OFFICE, 6, "12:00:00", False),
        (OFFICE, 7, "12:00:00", False),
        (NIGHT, 1, "05:59:59", False),  # would be Sunday's night
        (NIGHT, 1, "21:59:59", False),
        (NIGHT, 1, "22:00:00", True),
        (NIGHT, 2, "00:00:00", True),
        (NIGHT, 2, "05:59:59", True),
        (NIGHT, 2, "06:00:00", False),
        (NIGHT, 2, "22:00:00", False),
        (_hours("sun", "22:00", "06:00"), 1, "03:00:00", True),  # Sunday's night ends on Monday
        (_hours("mon", "18:00", "00:00"), 1, "23:59:59", True),  # until midnight
        (_hours("mon", "18:00", "00:00"), 2, "00:00:00", False),
    ],
)
def test_by_the_clock_on_the_wall(hours: BusinessHours, day: int, clock: str, *, is_open: bool) -> None:
    """Open from the first second up to the last; a night belongs to the day on which it begins."""
    now = datetime.combine(date(2026, 6, day), time.fromisoformat(clock), ROME)
    assert hours.is_open(now) is is_open


def test_the_time_zone_is_the_tenants() -> None:
    """The same moment is inside the hours in one place and outside in another."""
    moment = datetime(2026, 6, 1, 7, 30, tzinfo=UTC)  # 09:30 in Rome, 16:30 in Tokyo, 03:30 in New York
    assert OFFICE.is_open(moment)
    assert _hours("mon", "09:00", "18:00", "Asia/Tokyo").is_open(moment)
    assert not _hours("mon", "09:00", "18:00", "America/New_York").is_open(moment)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        # Sunday 29 March 2026: 02:00 becomes 03:00 at 01:00 UTC.
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), False),  # 01:59
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), True),  # 03:00: the hour from 02:00 was left out
        (datetime(2026, 3, 29, 1, 59, tzinfo=UTC), True),  # 03:59
        (datetime(2026, 3, 29, 2, 0, tzinfo=UTC), False),  # 04:00
        # Sunday 25 October 2026: 03:00 becomes 02:00 at 01:00 UTC.
        (datetime(2026, 10, 24, 23, 59, tzinfo=UTC), False),  # 01:59
        (datetime(2026, 10, 25, 0, 0, tzinfo=UTC), True),  # 02:00, the first time
        (datetime(2026, 10, 25, 1, 0, tzinfo=UTC), True),  # 02:00, the second time
        (datetime(2026, 10, 25, 2, 59, tzinfo=UTC), True),  # 03:59
        (datetime(2026, 10, 25, 3, 0, tzinfo=UTC), False),  # 04:00
    ],
)
def test_when_the_clocks_change(moment: datetime, *, is_open: bool) -> None:
    """On the days of summer time the wall clock still decides, whether an hour is left out or comes twice."""
    assert _hours("sun", "02:00", "04:00").is_open(moment) is is_open


@given(
    days=st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
    opens=st.integers(0, 23),
    lasts=st.integers(1, 23),
    timezone=st.sampled_from(["UTC", "Asia/Kolkata", "Pacific/Apia"]),  # without summer time in 2026
)
def test_open_as_long_a_week_as_configured(days: list[str], opens: int, lasts: int, timezone: str) -> None:
    """Over a week the hours open add up to the days times the length, wherever midnight falls."""
    hours = _hours(" ".join(days), f"{opens:02}:00", f"{(opens + lasts) % 24:02}:00", timezone)
    start = datetime(2026, 6, 1, tzinfo=UTC)
    half_hours = sum(hours.is_open(start + timedelta(minutes=30 * step)) for step in range(7 * 48))
    assert half_hours == 2 * lasts * len(days)
