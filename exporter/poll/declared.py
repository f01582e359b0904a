"""The values that come from the configuration and not from an answer: thresholds, limits, labels, watches."""

from collections.abc import Sequence

from exporter.config import SwitchConfiguration, TenantSettings
from exporter.metrics import catalogue
from exporter.model import Query, Scope, Target
from exporter.store import Store

_CONFIGURED = "configured"


def declare_switch(store: Store, configuration: SwitchConfiguration) -> None:
    """Put the values of the switch itself into its store."""
    store.set(catalogue.LICENSE_REMAINING_THRESHOLD, "", dict(configuration.thresholds.license))
    store.set(
        catalogue.NODE_CHANNELS_LIMIT,
        "",
        {node.name: node.channels_limit for node in configuration.nodes if node.channels_limit is not None},
    )


def declare_tenant(store: Store, tenant: TenantSettings, *, name: str, label_names: Sequence[str]) -> None:
    """Put the values of one tenant into the store; ``name`` is what the switch calls it, "" if unknown."""
    code = tenant.code
    labels = {label: tenant.labels.get(label, "") for label in label_names}
    store.set_info(code, name, labels)
    store.set(catalogue.TENANT_BALANCE_THRESHOLD, code, dict(tenant.balance_thresholds))
    store.set(catalogue.TENANT_REGISTERED_RATIO_THRESHOLD, code, dict(tenant.registered_ratio_thresholds))
    store.set(catalogue.EXTENSION_WATCHED, code, dict.fromkeys(tenant.watch, 1.0))
    if tenant.business_hours is None:
        store.unset(catalogue.TENANT_OPEN, code)
    if tenant.channels_limit is None:
        store.unset(catalogue.TENANT_CHANNELS_LIMIT, code, part=_CONFIGURED)
    else:
        store.forget(Target(Query.LIMITS, Scope.TENANT, code))  # the configuration knows better
        store.set(catalogue.TENANT_CHANNELS_LIMIT, code, tenant.channels_limit, part=_CONFIGURED)
