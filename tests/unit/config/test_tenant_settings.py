from collections.abc import Callable

import pytest

from exporter.config import Configuration, TenantSettings
from exporter.model import Query

Load = Callable[..., Configuration]
SettingsOf = Callable[..., TenantSettings]


@pytest.fixture
def settings_of(loaded: Load) -> SettingsOf:
    """Return a function that gives the settings of a tenant of a switch with these sections."""

    def run(tenant: str = "", defaults: str = "", switch: str = "", code: str = "A") -> TenantSettings:
        text = (
            "switches:\n  - name: a\n    url: https://pbx.example.com/api\n    key: admin\n"
            f"    {switch}\n    tenant_defaults: {{{defaults}}}\n    tenants: [{{code: A, {tenant}}}]\n"
        )
        return loaded(text).switches[0].settings(code)

    return run


def test_of_a_tenant_that_says_nothing(settings_of: SettingsOf) -> None:
    """The built-in defaults and the admin key hold."""
    settings = settings_of()
    assert settings.key is not None
    assert (settings.code, settings.key.current(), settings.own_key) == ("A", "admin", False)
    assert (settings.labels, settings.extensions, settings.watch, settings.polled) == ({}, "none", (), ())
    assert (settings.channels_limit, settings.business_hours) == (None, None)
    assert settings.balance_thresholds == {"warning": 50, "critical": 10}
    assert settings.registered_ratio_thresholds == {"warning": 0.9, "critical": 0.5}
    assert settings.interval(Query.CALLS) == 120
    assert settings.interval(Query.PEERS) is None
    assert settings.interval(Query.LICENSE) is None


def test_its_own_key_comes_first(settings_of: SettingsOf) -> None:
    """A tenant with a key of its own is asked with that one."""
    settings = settings_of("key: own")
    assert settings.key is not None
    assert (settings.key.current(), settings.own_key) == ("own", True)


def test_labels_merge_name_by_name(settings_of: SettingsOf) -> None:
    """A tenant's label overrides that of the defaults, and the others stay."""
    settings = settings_of("labels: {team: voice, site: eu}", "labels: {team: noc, tier: gold}")
    assert settings.labels == {"team": "voice", "site": "eu", "tier": "gold"}


def test_thresholds_merge_severity_by_severity(settings_of: SettingsOf) -> None:
    """Tenant over defaults over switch, for each severity on its own, and `off` takes away."""
    switch = "thresholds: {balance: {warning: 1000, critical: 1}, registered_ratio: {warning: 0.8}}"
    defaults = "thresholds: {balance: {warning: 100}, registered_ratio: off}"
    settings = settings_of("thresholds: {balance: {critical: 20}}", defaults, switch)
    assert settings.balance_thresholds == {"warning": 100, "critical": 20}
    assert settings.registered_ratio_thresholds == {}
    settings = settings_of("thresholds: {registered_ratio: {warning: 0.7}}", defaults, switch)
    assert settings.registered_ratio_thresholds == {"warning": 0.7}


def test_intervals_override_value_by_value(settings_of: SettingsOf) -> None:
    """Tenant over defaults over switch, for each query on its own, where `off` is a value."""
    switch = "queries: {calls: {tenant_interval: 1m}, peers: {tenant_interval: 1h}}"
    defaults = "queries: {calls: {tenant_interval: 3m}, balance: {tenant_interval: off}, limits: {}}"
    settings = settings_of("queries: {calls: {tenant_interval: off}}", defaults, switch)
    assert settings.interval(Query.CALLS) is None
    assert settings.interval(Query.BALANCE) is None
    assert settings.interval(Query.PEERS) == 3600
    settings = settings_of("queries: {balance: {tenant_interval: 2h}}", defaults, switch)
    assert (settings.interval(Query.CALLS), settings.interval(Query.BALANCE)) == (180, 7200)


def test_everything_else_overrides_as_a_whole(settings_of: SettingsOf) -> None:
    """Extensions, watch, limit and hours of the tenant stand in the place of those of the defaults."""
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
    """What is watched is polled in any case, once, after what is listed, written as in the file."""
    assert settings_of(f"extensions: {extensions}, watch: ['101', 9]").polled == polled


def test_of_a_discovered_tenant(settings_of: SettingsOf) -> None:
    """A tenant that is not in the file has the defaults, and nothing of any other tenant."""
    settings = settings_of("key: own, labels: {a: b}", "labels: {team: noc}, extensions: all", code="NEW")
    assert settings.key is not None
    assert (settings.code, settings.key.current(), settings.own_key) == ("NEW", "admin", False)
    assert (settings.labels, settings.extensions) == ({"team": "noc"}, "all")


def test_worked_out_once(loaded: Load) -> None:
    """With 5,000 tenants asking again costs nothing: the same object comes back."""
    tenants = "".join(f"      - code: T{number}\n        watch: [1]\n" for number in range(5000))
    text = "switches:\n  - name: a\n    url: https://pbx.example.com/api\n    key: k\n    tenants:\n"
    switch = loaded(text + tenants).switches[0]
    assert len(switch.tenants) == 5000
    assert all(switch.settings(tenant.code) is switch.settings(tenant.code) for tenant in switch.tenants)
    assert switch.settings("T4999").watch == ("1",)
