from collections.abc import Mapping

import pytest

from exporter.alerting.reading import (
    Reading,
    WatchedPhones,
    by_label,
    by_node,
    by_tenant,
    figures_by_tenant,
)
from exporter.metrics import catalogue
from exporter.store import Store


@pytest.fixture
def store() -> Store:
    """Return an empty store."""
    return Store("pbx", stale_after=3, max_series=1000)


def test_figures_of_tenants_are_followed(store: Store) -> None:
    """What is new, what changed and what went is seen; without a store there is nothing."""
    reading = Reading(catalogue.TENANT_BALANCE, by_tenant)
    seen = []
    for balances in (
        {"ACME": 5.0, "BOREAL": 6.0},
        {"ACME": 5.0, "BOREAL": -7.5, "CINDER": 8.0},
        {"ACME": 5.0},
    ):
        for tenant in ("ACME", "BOREAL", "CINDER"):
            store.unset(catalogue.TENANT_BALANCE, tenant)
        for tenant, balance in balances.items():
            store.set(catalogue.TENANT_BALANCE, tenant, balance)
        list(reading.update(store))
        seen.append(dict(reading.values) == balances)

    assert seen == [True, True, True]
    list(reading.update(None))
    assert reading.values == {}
    list(reading.update(store))
    assert reading.values == {"ACME": 5.0}


def test_what_has_not_changed_is_the_same_mapping(store: Store) -> None:
    """Who is given it need not compare: an answer that said the same changed nothing."""
    reading = Reading(catalogue.TENANT_BALANCE, by_tenant)
    looks: list[Mapping[str, float]] = []
    for balance in (5.0, 5.0, 6.0):
        store.set(catalogue.TENANT_BALANCE, "ACME", balance)
        list(reading.update(store))
        looks.append(reading.values)

    assert looks[0] is looks[1] is not looks[2]


def test_parts_are_put_together(store: Store) -> None:
    """Some tenants' limits are configured, those of others are answered; nodes may be asked one by one."""
    store.set(catalogue.TENANT_CHANNELS_LIMIT, "ACME", 10.0, part="configured")
    store.set(catalogue.TENANT_CHANNELS_LIMIT, "BOREAL", 20.0)
    store.set(catalogue.NODE_CHANNELS, "", {"n1": 1.0}, part="n1")
    store.set(catalogue.NODE_CHANNELS, "", {"n2": 2.0}, part="n2")
    limits = Reading(catalogue.TENANT_CHANNELS_LIMIT, by_tenant)
    nodes = Reading(catalogue.NODE_CHANNELS, by_node)
    list(limits.update(store))
    list(nodes.update(store))
    assert (limits.values, nodes.values) == ({"ACME": 10.0, "BOREAL": 20.0}, {"n1": 1.0, "n2": 2.0})

    store.unset(catalogue.TENANT_CHANNELS_LIMIT, "ACME", part="configured")
    list(limits.update(store))
    assert limits.values == {"BOREAL": 20.0}


def test_figures_by_label(store: Store) -> None:
    """They are arranged by tenant alone, or by tenant and label."""
    states = {"registered": 3.0, "unregistered": 1.0, "unknown": 0.0}
    store.set(catalogue.TENANT_EXTENSIONS, "ACME", states)
    together = Reading(catalogue.TENANT_EXTENSIONS, figures_by_tenant)
    apart = Reading(catalogue.TENANT_EXTENSIONS, by_label)
    list(together.update(store))
    list(apart.update(store))

    assert together.values == {"ACME": states}
    assert apart.values == {("ACME", state): count for state, count in states.items()}


def test_only_watched_phones_are_read(store: Store) -> None:
    """Their states are followed, and so is who is watched; a phone whose state is unknown has none."""
    phones = WatchedPhones()

    def look(watched: str) -> dict[str, float]:
        list(phones.update(store, {("ACME", extension): 1.0 for extension in watched.split()}))
        assert {tenant for tenant, _ in phones.values} <= {"ACME"}
        return {extension: state for (_, extension), state in phones.values.items()}

    assert look("100") == {}
    store.set(catalogue.EXTENSION_REGISTERED, "BOREAL", {"100": 0.0})
    store.set(catalogue.EXTENSION_REGISTERED, "ACME", {"100": 1.0, "101": 0.0, "1000": 0.0})
    assert look("100 102") == {"100": 1.0}
    assert look("100 101 102") == {"100": 1.0, "101": 0.0}
    store.set(catalogue.EXTENSION_REGISTERED, "ACME", {"101": 1.0, "102": 0.0})
    assert look("100 101 102") == {"101": 1.0, "102": 0.0}
    store.unset(catalogue.EXTENSION_REGISTERED, "ACME")
    assert look("100 101 102") == {}


def test_without_a_store_no_phone_is_known(store: Store) -> None:
    """At an evaluation that is made up for, nobody looked."""
    store.set(catalogue.EXTENSION_REGISTERED, "ACME", {"100": 1.0})
    phones = WatchedPhones()
    watched = {("ACME", "100"): 1.0}
    for looked_at, known in ((store, 1), (None, 0), (store, 1)):
        list(phones.update(looked_at, watched))
        assert len(phones.values) == known
