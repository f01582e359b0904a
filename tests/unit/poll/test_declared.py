from collections.abc import Callable

import pytest

from exporter import catalogue
from exporter.config import SwitchConfiguration
from exporter.poll.declared import declare_switch, declare_tenant
from exporter.store import Store

Configured = Callable[..., SwitchConfiguration]


@pytest.fixture
def store() -> Store:
    """Return an empty store."""
    return Store("pbx", stale_after=3)


def test_values_of_the_switch(store: Store, configured: Configured) -> None:
    """Thresholds in the unit of the metric; limits only of nodes that have one."""
    switch = configured(
        nodes=["n1", {"name": "n2", "channels_limit": 500}],
        thresholds={"license": {"warning": "14d", "critical": "off"}},
    )

    declare_switch(store, switch)

    assert store.values(catalogue.LICENSE_REMAINING_THRESHOLD) == {"warning": 14 * 86400}
    assert store.values(catalogue.NODE_CHANNELS_LIMIT) == {"n2": 500}


def test_nothing_declared_is_nothing_served(store: Store, configured: Configured) -> None:
    """A threshold that is off has no series, nor has a limit that nobody set."""
    declare_switch(store, configured(thresholds={"license": {"warning": "off", "critical": "off"}}))

    assert store.series == 0


def test_values_of_a_tenant(store: Store, configured: Configured) -> None:
    """Labels, thresholds, limit and watched extensions, with what was inherited from the switch."""
    switch = configured(
        thresholds={"balance": {"warning": "50", "critical": "10"}},
        tenants=[
            {
                "code": "ACME",
                "labels": {"team": "voice"},
                "watch": ["100"],
                "channels_limit": 30,
                "thresholds": {"balance": {"warning": "100"}, "registered_ratio": {"critical": "off"}},
            }
        ],
    )

    declare_tenant(store, switch.settings("ACME"), name="Acme Ltd.", label_names=("site", "team"))

    (info,) = store.blocks(catalogue.TENANT_INFO)
    assert info.text.decode() == (
        'softswitch_tenant_info{switch="pbx",tenant="ACME",name="Acme Ltd.",site="",team="voice"} 1\n'
    )
    assert store.values(catalogue.TENANT_BALANCE_THRESHOLD, "ACME") == {"warning": 100, "critical": 10}
    assert store.values(catalogue.TENANT_REGISTERED_RATIO_THRESHOLD, "ACME") == {"warning": 0.9}
    assert store.values(catalogue.TENANT_CHANNELS_LIMIT, "ACME") == 30
    assert store.values(catalogue.EXTENSION_WATCHED, "ACME") == {"100": 1}


def test_declaring_again_replaces(store: Store, configured: Configured) -> None:
    """After a change of the configuration nothing of the old values is left."""
    before = configured(tenants=[{"code": "A", "watch": ["100", "101"], "labels": {"team": "x"}}])
    declare_tenant(store, before.settings("A"), name="", label_names=("team",))
    after = configured(tenants=[{"code": "A", "watch": ["101"]}])
    declare_tenant(store, after.settings("A"), name="", label_names=())

    assert store.values(catalogue.EXTENSION_WATCHED, "A") == {"101": 1}
    assert len(list(store.blocks(catalogue.TENANT_INFO))) == 1
