"""The whole file: ``switches`` and ``alerting``. See design, section 4."""

import functools
from collections.abc import Callable
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from exporter.config import durations
from exporter.config.keys import Keyed
from exporter.config.queries import QueriesConfiguration
from exporter.config.sections import (
    AtLeastOne,
    Count,
    FilePath,
    LabelName,
    Pattern,
    Positive,
    PositiveDuration,
    ProxyUrl,
    Section,
    Text,
    Url,
    compiled,
    not_empty,
)
from exporter.config.settings import TenantSettings, settle
from exporter.config.tenants import TenantConfiguration, TenantDefaults
from exporter.config.thresholds import Thresholds
from exporter.config.tls import TlsConfiguration
from exporter.model import Query, Scope


class NodeConfiguration(Section):
    """A node that must be there, and the channels it is meant to carry at most."""

    name: Text
    channels_limit: Count | None = None


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class DiscoveryConfiguration(Section):
    """The section ``discover_tenants``: which tenants of the switch's list are polled, by their code."""

    enabled: bool = False
    include: tuple[Pattern, ...] = (compiled(".*"),)
    exclude: tuple[Pattern, ...] = ()


class SwitchConfiguration(Keyed):
    """One soft-switch installation. ``timeout`` is seconds, ``stale_after`` a number of intervals."""

    name: Text
    url: Url
    timeout: PositiveDuration = durations.parse("60s")
    max_concurrency: Count = 4
    max_requests_per_second: Positive = 10.0
    stale_after: AtLeastOne = 3.0
    max_series: Count = 500_000
    proxy_url: ProxyUrl | None = Field(None, repr=False)  # may hold a password
    tls: TlsConfiguration = TlsConfiguration()
    nodes: tuple[Annotated[NodeConfiguration, BeforeValidator(_named)], ...] = ()
    queries: QueriesConfiguration = QueriesConfiguration()
    discover_tenants: DiscoveryConfiguration = DiscoveryConfiguration()
    tenant_defaults: TenantDefaults = TenantDefaults()
    tenants: tuple[TenantConfiguration, ...] = ()
    thresholds: Thresholds = Thresholds()

    def interval(self, query: Query, scope: Scope) -> float | None:
        """Return the seconds between two attempts, or None for never.

        Never is: ``off``, a scope that the query does not have, and without an admin key the whole
        installation.
        For one tenant, ``settings(code).interval(query)`` tells.
        """
        if scope is Scope.SWITCH and self.key is None:
            return None
        return self.queries.interval(query, scope)

    def settings(self, code: str) -> TenantSettings:
        """Return what holds for a tenant, configured or discovered. The same object each time."""
        return self._settings(code)

    @cached_property
    def _settings(self) -> Callable[[str], TenantSettings]:
        configured = {tenant.code: tenant for tenant in self.tenants}
        intervals = {query: self.queries.interval(query, Scope.TENANT) for query in Query}

        @functools.cache
        def settings(code: str) -> TenantSettings:
            return settle(
                code,
                configured.get(code),
                self.tenant_defaults,
                admin_key=self.key,
                thresholds=self.thresholds,
                intervals=intervals,
            )

        return settings


class AlertmanagerConfiguration(Section):
    """One Alertmanager that alerts are sent to."""

    url: Url


class AlertingConfiguration(Section):
    """The section ``alerting``: alerts without Prometheus."""

    alertmanagers: Annotated[tuple[AlertmanagerConfiguration, ...], AfterValidator(not_empty)]
    labels: dict[LabelName, str] = Field(default_factory=dict)
    state_file: FilePath | None = None
    dry_run: bool = False


class Configuration(Section):
    """Everything that the file says."""

    switches: Annotated[tuple[SwitchConfiguration, ...], AfterValidator(not_empty)]
    alerting: AlertingConfiguration | None = None

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The names of all labels that any tenant has, sorted."""
        return tuple(
            sorted(
                {
                    name
                    for switch in self.switches
                    for tenant in (switch.tenant_defaults, *switch.tenants)
                    for name in tenant.labels
                }
            )
        )
