"""Stores with a number of series, filled like by polling."""

from exporter.config import SwitchConfiguration
from exporter.metrics import catalogue
from exporter.model import Query, Scope, Target
from exporter.poll.config_metrics import set_tenant_metrics
from exporter.store import Families, Store

EXTENSIONS = 50
"""Per tenant: the largest expected installation has 250,000 for 5,000 tenants."""

_TENANTS = 5000
"""Maximum per switch."""

_CONFIGURATION = {"name": "pbx", "url": "http://127.0.0.1/", "key": "none"}


def filled(series: int) -> list[Store]:
    """Return stores with at least this number of series, and few more."""
    settings = SwitchConfiguration.model_validate(_CONFIGURATION)
    stores: list[Store] = []
    number = 0
    while sum(store.series for store in stores) < series:
        if number % _TENANTS == 0:
            stores.append(Store(f"pbx-{len(stores)}", stale_after=3, max_series=2**40))
        code = f"T{number:05}"
        set_tenant_metrics(
            stores[-1], settings.settings(code), name=f"Customer {number}", label_names=("team",)
        )
        store_responses(stores[-1], code, number)
        number += 1
    return stores


def store_responses(store: Store, code: str, number: int) -> None:
    """Store one tenant's responses to all queries; their values depend on ``number``."""
    for query in (Query.CHANNELS, Query.CALLS, Query.BALANCE, Query.REGISTRATIONS):
        store.record(Target(query, Scope.TENANT, code), None, now=number, wall=1_795_000_000.25 + number)
    by_node = {f"pbx{number % 7}": 3.0 + number % 20, f"pbx{7 + number % 7}": 1.0}
    phones = {str(100 + phone): float((phone + number) % 7 != 0) for phone in range(EXTENSIONS)}
    registered = sum(phones.values())
    values: dict[Query, Families] = {
        Query.CHANNELS: {
            catalogue.TENANT_CHANNELS: sum(by_node.values()),
            catalogue.TENANT_NODE_CHANNELS: by_node,
        },
        Query.CALLS: {catalogue.TENANT_CALLS: float(number % 20)},
        Query.BALANCE: {catalogue.TENANT_BALANCE: number * 1.37},
        Query.REGISTRATIONS: {
            catalogue.TENANT_EXTENSIONS: {
                "registered": registered,
                "unregistered": EXTENSIONS - registered,
                "unknown": 0.0,
            },
            catalogue.EXTENSION_REGISTERED: phones,
        },
    }
    for query, families in values.items():
        store.put(Target(query, Scope.TENANT, code), families, interval=300, now=number)
