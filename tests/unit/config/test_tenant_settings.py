from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import BusinessHours, Configuration, TenantSettings
from exporter.model import Query

Load = Callable[..., Configuration]
SettingsOf = Callable[..., TenantSettings]

ROME = ZoneInfo("Europe/Rome")
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@pytest.fixture
def settings_of(loaded: Load) -> SettingsOf:
    """Return a function that returns the settings of a tenant of a switch with these sections."""

    def run(tenant: str = "", defaults: str = "", switch: str = "", code: str = "A") -> TenantSettings:
        text = (
            "switches:\n  - name: a\n    url: https://pbx.example.com/api\n    key: admin\n"
            f"    {switch}\n    tenant_defaults: {{{defaults}}}\n    tenants: [{{code: A, {tenant}}}]\n"
        )
        return loaded(text).switches[0].settings(code)

    return run


def test_tenant_without_settings(settings_of: SettingsOf) -> None:
    """It has the built-in defaults and the admin key."""
    settings = settings_of()
    assert settings.key is not None
    assert (settings.code, settings.key.current(), settings.own_key) == ("A", "admin", False)
    assert (settings.labels, settings.extensions, settings.watch, settings.polled) == ({}, "none", (), ())
    assert (settings.queues, settings.parts(Query.QUEUE)) == ("none", (False, ()))
    assert (settings.channels_limit, settings.business_hours) == (None, None)
    assert settings.balance_thresholds == {"warning": 50, "critical": 10}
    assert settings.registered_ratio_thresholds == {"warning": 0.9, "critical": 0.5}
    assert settings.queue_wait_thresholds == {"warning": 120, "critical": 300}
    assert settings.interval(Query.CALLS) == 120
    assert settings.interval(Query.PEERS) is None
    assert settings.interval(Query.LICENSE) is None


def test_own_key_overrides_the_admin_key(settings_of: SettingsOf) -> None:
    """``own_key`` says which of the two it is."""
    settings = settings_of("key: own")
    assert settings.key is not None
    assert (settings.key.current(), settings.own_key) == ("own", True)


def test_labels_merge_by_name(settings_of: SettingsOf) -> None:
    """A tenant's label overrides that of the defaults."""
    settings = settings_of("labels: {team: voice, site: eu}", "labels: {team: noc, tier: gold}")
    assert settings.labels == {"team": "voice", "site": "eu", "tier": "gold"}


def test_thresholds_merge_by_severity(settings_of: SettingsOf) -> None:
    """A tenant overrides the defaults, which override the switch; ``off`` removes a threshold."""
    of_switch = "balance: {warning: 1000, critical: 1}, registered_ratio: {warning: 0.8}, queue_wait: off"
    switch = f"thresholds: {{{of_switch}}}"
    defaults = "thresholds: {balance: {warning: 100}, registered_ratio: off}"
    settings = settings_of("thresholds: {balance: {critical: 20}}", defaults, switch)
    assert settings.balance_thresholds == {"warning": 100, "critical": 20}
    assert settings.registered_ratio_thresholds == {}
    own = "thresholds: {registered_ratio: {warning: 0.7}, queue_wait: {critical: 90s}}"
    settings = settings_of(own, defaults, switch)
    assert settings.registered_ratio_thresholds == {"warning": 0.7}
    assert settings.queue_wait_thresholds == {"critical": 90}


def test_intervals_merge_by_query(settings_of: SettingsOf) -> None:
    """A tenant overrides the defaults, which override the switch; ``off`` is a value."""
    switch = "queries: {calls: {tenant_interval: 1m}, peers: {tenant_interval: 1h}}"
    defaults = "queries: {calls: {tenant_interval: 3m}, balance: {tenant_interval: off}, limits: {}}"
    settings = settings_of("queries: {calls: {tenant_interval: off}}", defaults, switch)
    assert settings.interval(Query.CALLS) is None
    assert settings.interval(Query.BALANCE) is None
    assert settings.interval(Query.PEERS) == 3600
    settings = settings_of("queries: {balance: {tenant_interval: 2h}}", defaults, switch)
    assert (settings.interval(Query.CALLS), settings.interval(Query.BALANCE)) == (180, 7200)


def test_other_settings_override_as_a_whole(settings_of: SettingsOf) -> None:
    """Extensions, watch list, limit and business hours are not merged."""
    hours = "business_hours: {timezone: UTC, days: [%s], from: 09:00, to: 18:00}"
    defaults = "extensions: ['1', '2'], watch: ['9'], channels_limit: 5, " + hours % "mon"
    inherited = settings_of("", defaults)
    assert (inherited.extensions, inherited.watch, inherited.channels_limit) == (("1", "2"), ("9",), 5)
    assert inherited.business_hours is not None
    assert inherited.business_hours.days == ("mon",)
    own = settings_of("extensions: ['3'], watch: [], channels_limit: 7, " + hours % "sun", defaults)
    assert (own.extensions, own.watch, own.channels_limit) == (("3",), (), 7)
    assert own.business_hours is not None
    assert own.business_hours.days == ("sun",)
    assert settings_of("extensions: none", defaults).polled == ("9",)
    assert settings_of("extensions: []", defaults).extensions == ()


@pytest.mark.parametrize(
    ("extensions", "polled"),
    [("['0100', '101']", ("0100", "101", "9")), ("all", ("101", "9")), ("none", ("101", "9"))],
)
def test_watched_extensions_are_polled(
    settings_of: SettingsOf, extensions: str, polled: tuple[str, ...]
) -> None:
    """They are polled once, after those in ``extensions``, as they are written in the file."""
    assert settings_of(f"extensions: {extensions}, watch: ['101', 9]").polled == polled


@pytest.mark.parametrize(
    ("queues", "parts"),
    [("['12', 15]", (False, ("12", "15"))), ("all", (True, ())), ("none", (False, ())), ("[]", (False, ()))],
)
def test_polled_queues(settings_of: SettingsOf, queues: str, parts: tuple[bool, tuple[str, ...]]) -> None:
    """They are polled one by one: all, or those that are named. Other queries poll a tenant as a whole."""
    settings = settings_of(f"queues: {queues}", "queues: ['99']")
    assert settings.parts(Query.QUEUE) == parts
    assert settings.parts(Query.BALANCE) is None


def test_discovered_tenant(settings_of: SettingsOf) -> None:
    """A tenant that is not in the file has the defaults and nothing of another tenant."""
    settings = settings_of("key: own, labels: {a: b}", "labels: {team: noc}, extensions: all", code="NEW")
    assert settings.key is not None
    assert (settings.code, settings.key.current(), settings.own_key) == ("NEW", "admin", False)
    assert (settings.labels, settings.extensions) == ({"team": "noc"}, "all")


def test_settings_are_cached(loaded: Load) -> None:
    """Each call returns the same object."""
    tenants = "".join(f"      - code: T{number}\n        watch: [1]\n" for number in range(3))
    text = "switches:\n  - name: a\n    url: https://pbx.example.com/api\n    key: k\n    tenants:\n"
    switch = loaded(text + tenants).switches[0]
    assert all(switch.settings(tenant.code) is switch.settings(tenant.code) for tenant in switch.tenants)
    assert switch.settings("T2").watch == ("1",)


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
def test_business_hours(hours: BusinessHours, day: int, clock: str, *, is_open: bool) -> None:
    """The start is inclusive and the end exclusive; a night belongs to the day on which it starts."""
    now = datetime.combine(date(2026, 6, day), time.fromisoformat(clock), ROME)
    assert hours.is_open(now) is is_open


def test_business_hours_are_local() -> None:
    """The same moment is inside the hours in one time zone and outside in another."""
    moment = datetime(2026, 6, 1, 7, 30, tzinfo=UTC)  # 09:30 in Rome, 16:30 in Tokyo, 03:30 in New York
    assert OFFICE.is_open(moment)
    assert _hours("mon", "09:00", "18:00", "Asia/Tokyo").is_open(moment)
    assert not _hours("mon", "09:00", "18:00", "America/New_York").is_open(moment)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        # Sunday 29 March 2026: 02:00 becomes 03:00 at 01:00 UTC.
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), False),  # 01:59
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), True),  # 03:00: the hour from 02:00 was skipped
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
def test_business_hours_when_the_clocks_change(moment: datetime, *, is_open: bool) -> None:
    """The local clock decides, even if an hour is skipped or repeated."""
    assert _hours("sun", "02:00", "04:00").is_open(moment) is is_open


@given(
    days=st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
    opens=st.integers(0, 23),
    lasts=st.integers(1, 23),
    timezone=st.sampled_from(["UTC", "Asia/Kolkata", "Pacific/Apia"]),  # without summer time in 2026
)
def test_weekly_business_hours(days: list[str], opens: int, lasts: int, timezone: str) -> None:
    """The open hours of a week add up to days times length, wherever midnight falls."""
    hours = _hours(" ".join(days), f"{opens:02}:00", f"{(opens + lasts) % 24:02}:00", timezone)
    start = datetime(2026, 6, 1, tzinfo=UTC)
    half_hours = sum(hours.is_open(start + timedelta(minutes=30 * step)) for step in range(7 * 48))
    assert half_hours == 2 * lasts * len(days)
