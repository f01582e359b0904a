"""The whole file: ``switches`` and ``alerting``. See design, section 4."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, create_model

from exporter.config.alerting import AlertingConfiguration
from exporter.config.connection import ProxySetting, TlsConfiguration
from exporter.config.fields import (
    ChannelsLimit,
    CodePattern,
    Concurrency,
    Multiple,
    Rate,
    SeriesLimit,
    Text,
    Timeout,
    Url,
    not_empty,
)
from exporter.config.keys import Key, Keyed
from exporter.config.tenant_settings import TenantConfiguration, TenantDefaults, TenantSettings, inherit
from exporter.config.thresholds import Thresholds
from exporter.fields import Section, compiled, parse_duration
from exporter.model import Query, Scope
from exporter.queries import QUERIES, QuerySpec

_Options = TypeVar("_Options", bound=Section)


class NodeConfiguration(Section):
    """A node that must be there, and the channels it is meant to carry at most."""

    name: Text = Field(description="The name of the node, as the switch gives it.", examples=["pbx1"])
    channels_limit: ChannelsLimit | None = Field(
        None,
        description="The channels it is meant to carry, for alerts on the share in use.",
        examples=[500],
    )


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class DiscoveryConfiguration(Section):
    """The section ``discover_tenants``: which tenants of the switch's list are polled, by their code."""

    enabled: bool = Field(
        default=False,
        description="Whether the tenants of the switch's own list are polled, without those that are "
        "disabled. It needs the admin key.",
        examples=[True],
    )
    include: tuple[CodePattern, ...] = Field(
        (compiled(".*"),),
        description="Which of them, by code; each matches a whole code.",
        examples=[["AC.*"]],
    )
    exclude: tuple[CodePattern, ...] = Field(
        (), description="Which of those not; each matches a whole code.", examples=[["TEST.*"]]
    )


class _Queries(Section):
    def interval(self, query: Query, scope: Scope) -> float | None:
        """Return the seconds between two attempts, or None where the query is off or has no such scope."""
        key = "interval" if scope is Scope.SWITCH else "tenant_interval"
        seconds: float | None = getattr(getattr(self, query.value), key, None)
        return seconds

    def options(self, spec: QuerySpec[_Options]) -> _Options:
        """Return the section of a query."""
        section: _Options = getattr(self, spec.query.value)
        return section


if TYPE_CHECKING:  # a model that is made of a table is no type to mypy
    QueriesConfiguration = _Queries
else:
    _fields: dict[str, Any] = {
        query.value: (spec.section, Field(spec.section(), description=spec.summary))
        for query, spec in QUERIES.items()
    }
    QueriesConfiguration = create_model("QueriesConfiguration", __base__=_Queries, **_fields)


class SwitchConfiguration(Keyed):
    """One soft-switch installation. ``timeout`` is seconds, ``stale_after`` a number of intervals."""

    name: Text = Field(description="The label `switch` of every metric. Unique.", examples=["pbx-eu"])
    url: Url = Field(
        description="The address of the API, without `?`: the exporter adds the parameters and the key.",
        examples=["https://pbx.example.com/pbx/proxyapi.php"],
    )
    timeout: Timeout = Field(
        parse_duration("60s"),
        description="What one request may take, from connecting to the last byte. COUNTPEERS was seen to "
        "take 23 s on a healthy switch with 50 nodes.",
        examples=["90s"],
    )
    max_concurrency: Concurrency = Field(
        4, description="Requests in flight to this switch at the same time.", examples=[8]
    )
    max_requests_per_second: Rate = Field(
        10.0,
        description="Requests that are sent to this switch within a second. `--config.check` tells what "
        "is needed.",
        examples=[20],
    )
    stale_after: Multiple = Field(
        3.0,
        description="After so many intervals (or cycles, where these are longer) without success a value is "
        "dropped.",
        examples=[5],
    )
    max_series: SeriesLimit = Field(
        500_000,
        description="Series held for this switch. Above it detail is left out; see "
        "`softswitch_series_limited`.",
        examples=[100000],
    )
    proxy: ProxySetting = Field(
        None,
        alias="proxy_url",
        validate_default=True,
        description="An HTTP proxy on the way to the switch; user and password may stand in front of the "
        "host. Without it `HTTPS_PROXY` or `HTTP_PROXY`, and `NO_PROXY`, of the environment decide; `off` is "
        "for none.",
        examples=["http://proxy.example.com:3128"],
    )
    tls: TlsConfiguration = Field(TlsConfiguration(), description="How an https connection is made safe.")
    nodes: tuple[Annotated[NodeConfiguration, BeforeValidator(_named)], ...] = Field(
        (),
        description="Nodes that must be there: one that is missing is told from the start. Others are "
        "noticed once they were seen. An entry is a name, or a mapping.",
        examples=[["pbx1", {"name": "pbx2", "channels_limit": 500}]],
    )
    queries: QueriesConfiguration = Field(
        QueriesConfiguration(), description="How often each thing is asked."
    )
    discover_tenants: DiscoveryConfiguration = Field(
        DiscoveryConfiguration(), description="Polling the tenants of the switch's own list."
    )
    tenant_defaults: TenantDefaults = Field(
        TenantDefaults(),
        description="For tenants that are discovered and for those below, unless these say otherwise.",
    )
    tenants: tuple[TenantConfiguration, ...] = Field(
        (), description="Tenants that are polled.", examples=[[{"code": "ACME"}]]
    )
    thresholds: Thresholds = Field(
        Thresholds(),
        description="When someone must be told. Exported as metrics, so that one alert rule serves every "
        "tenant.",
    )

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
        """Return the settings of a tenant, configured or discovered: the same object each time."""
        return self._settings(code)

    @cached_property
    def _settings(self) -> Callable[[str], TenantSettings]:
        configured = {tenant.code: tenant for tenant in self.tenants}
        intervals = {query: self.queries.interval(query, Scope.TENANT) for query in Query}

        def settings_of(code: str, own: TenantConfiguration | None) -> TenantSettings:
            return inherit(
                code,
                own,
                self.tenant_defaults,
                admin_key=self.key,
                thresholds=self.thresholds,
                intervals=intervals,
            )

        discovered = settings_of("", None)
        _, *inherited = (getattr(discovered, each.name) for each in fields(discovered))

        @functools.cache
        def settings(code: str) -> TenantSettings:
            own = configured.get(code)
            # What `replace` does, in a quarter of the time: 5,000 may be found at once.
            return settings_of(code, own) if own else TenantSettings(code, *inherited)

        return settings


class Configuration(Section):
    """Everything that the file says."""

    switches: Annotated[tuple[SwitchConfiguration, ...], AfterValidator(not_empty)] = Field(
        description="The installations that are polled.",
        examples=[[{"name": "pbx-eu", "url": "https://pbx.example.com/pbx/proxyapi.php", "key": "the-key"}]],
    )
    alerting: AlertingConfiguration | None = Field(
        None,
        description="Alerts that are sent straight to Alertmanager, without Prometheus.",
    )

    @property
    def keys(self) -> Iterator[Key]:
        """Every key, password and token that the file names."""
        for switch in self.switches:
            for keyed in (switch, *switch.tenants):
                if keyed.key:
                    yield keyed.key
        for alertmanager in self.alerting.alertmanagers if self.alerting else ():
            if alertmanager.basic_auth:
                yield alertmanager.basic_auth.password
            if alertmanager.bearer_token:
                yield alertmanager.bearer_token

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
