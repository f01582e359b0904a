"""The whole file: ``switches``, ``alerting`` and ``high_availability``."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, create_model

from exporter.config.alerting import AlertingConfiguration
from exporter.config.connection import ProxySetting, TlsConfiguration
from exporter.config.fields import (
    ChannelsLimit,
    Concurrency,
    FilePattern,
    Multiple,
    Rate,
    SeriesLimit,
    Text,
    Timeout,
    Url,
)
from exporter.config.high_availability import HighAvailability
from exporter.config.include import Include
from exporter.config.keys import Key, Keyed
from exporter.config.tenant_settings import (
    DiscoveryConfiguration,
    TenantConfiguration,
    TenantDefaults,
    TenantSettings,
    WatchedPeers,
    inherit,
)
from exporter.config.thresholds import Thresholds
from exporter.fields import (
    NAME,
    Schema,
    SchemaOf,
    Section,
    at_most,
    either,
    not_empty,
    parse_duration,
    unique,
    with_entries,
)
from exporter.model import Query, Scope
from exporter.queries import QUERIES, QuerySpec

_Options = TypeVar("_Options", bound=Section)

_MOST_SWITCHES = 1000
_MOST_TENANTS = 100_000
"""Of a switch. Reading 50,000 takes 3.5 s (2026-12)."""

_Tenants = Annotated[tuple[TenantConfiguration, ...], BeforeValidator(at_most(_MOST_TENANTS))]


class NodeConfiguration(Section):
    """An entry of ``nodes``."""

    name: Text = Field(description="The node's name, as the switch reports it.", examples=["pbx1"])
    channels_limit: ChannelsLimit | None = Field(
        None,
        description="The channels that the node can carry, for alerts on utilization.",
        examples=[500],
    )


def _mapping_of_name(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _or_name(mapping: Schema) -> Schema:
    return either(NAME, mapping)


NodeOrName = Annotated[NodeConfiguration, BeforeValidator(_mapping_of_name), SchemaOf(_or_name)]


class TenantsFile(Section):
    """A file that ``include`` names."""

    tenants: _Tenants = Field(description="Tenants to poll.", examples=[[{"code": "ACME"}]])


class _Queries(Section):
    def interval(self, query: Query, scope: Scope) -> float | None:
        """Return the seconds between two requests, or None if the query is off or has no such scope."""
        key = "interval" if scope is Scope.SWITCH else "tenant_interval"
        seconds: float | None = getattr(getattr(self, query), key, None)
        return seconds

    def options(self, spec: QuerySpec[_Options]) -> _Options:
        """Return the section of a query."""
        section: _Options = getattr(self, spec.query)
        return section


if TYPE_CHECKING:  # mypy does not accept a model made at run time
    QueriesConfiguration = _Queries
else:
    QueriesConfiguration = create_model(
        "QueriesConfiguration",
        __base__=_Queries,
        **{
            query.value: (spec.section, Field(spec.section(), description=spec.summary))
            for query, spec in QUERIES.items()
        },
    )


class SwitchConfiguration(Keyed):
    """An entry of ``switches``: one soft-switch installation."""

    name: Text = Field(description="The label `switch` of every metric. Unique.", examples=["pbx-eu"])
    url: Url = Field(
        description="The address of the API, without `?`: the exporter adds the parameters and the key.",
        examples=["https://pbx.example.com/pbx/proxyapi.php"],
    )
    timeout: Timeout = Field(
        parse_duration("60s"),
        description="Limit for a whole request, from connecting to the last byte. A healthy switch with 50 "
        "nodes took 23 s for COUNTPEERS.",
        examples=["90s"],
    )
    max_concurrency: Concurrency = Field(
        4, description="Maximum number of concurrent requests to this switch.", examples=[8]
    )
    max_requests_per_second: Rate = Field(
        10.0,
        description="Rate limit for requests to this switch. `--config.check` prints the rate you need.",
        examples=[20],
    )
    stale_after: Multiple = Field(
        3.0,
        description="A value is dropped after this many intervals (or sweeps, if longer) without success.",
        examples=[5],
    )
    max_series: SeriesLimit = Field(
        500_000,
        description="Maximum number of series for this switch. Detail above it is dropped; see "
        "`softswitch_series_limited`.",
        examples=[100000],
    )
    proxy: ProxySetting = Field(
        None,
        alias="proxy_url",
        validate_default=True,
        description="An HTTP proxy, optionally as `http://USER:PASSWORD@HOST:PORT`. The default comes from "
        "`HTTPS_PROXY` or `HTTP_PROXY`, and `NO_PROXY`, in the environment; `off` disables it.",
        examples=["http://proxy.example.com:3128"],
    )
    tls: TlsConfiguration = Field(TlsConfiguration(), description="TLS settings for an https URL.")
    nodes: tuple[NodeOrName, ...] = Field(
        (),
        description="Nodes that must be present: a missing one is reported from the start, any other only "
        "once it has been seen. An entry is a name or a mapping.",
        examples=[["pbx1", {"name": "pbx2", "channels_limit": 500}]],
    )
    watch_peers: WatchedPeers = Field(
        (),
        description="Peers in the list of all peers (CHANSIPPEERS), such as trunks, that trigger an alert "
        "while they are unreachable. An entry is the `Name` in the list, or the part of it before `/`. See "
        "`queries.watched_peers`.",
        examples=[["carrier-a", "carrier-b"]],
    )
    queries: QueriesConfiguration = Field(
        QueriesConfiguration(), description="Interval and options of each query."
    )
    discover_tenants: DiscoveryConfiguration = Field(
        DiscoveryConfiguration(), description="Polling of the tenants that the switch lists."
    )
    tenant_defaults: TenantDefaults = Field(
        TenantDefaults(), description="Defaults for discovered tenants and for those in `tenants`."
    )
    tenants: _Tenants = Field((), description="Tenants to poll.", examples=[[{"code": "ACME"}]])
    include: Annotated[tuple[FilePattern, ...], AfterValidator(unique)] = Field(
        (),
        description="Further files with tenants, each with the key `tenants`; see [several "
        "files](#several-files).",
        examples=[["tenants/*.yaml"]],
    )
    thresholds: Thresholds = Field(
        Thresholds(),
        description="Thresholds of the alerts. They are exported as metrics, so that one alert rule serves "
        "all tenants.",
    )

    def interval(self, query: Query, scope: Scope) -> float | None:
        """Return the seconds between two requests, or None for never.

        Without an admin key, scope ``switch`` is never polled. ``settings(code)`` has a tenant's intervals.
        """
        if scope is Scope.SWITCH and self.key is None:
            return None
        if query is Query.WATCHED_PEERS and not self.watch_peers:
            return None
        return self.queries.interval(query, scope)

    def settings(self, code: str) -> TenantSettings:
        """Return the settings of a tenant, configured or discovered: the same object for each call."""
        return self._settings(code)

    @cached_property
    def _settings(self) -> Callable[[str], TenantSettings]:
        configured = {tenant.code: tenant for tenant in self.tenants}
        resolve = functools.partial(
            inherit,
            defaults=self.tenant_defaults,
            admin_key=self.key,
            thresholds=self.thresholds,
            intervals={query: self.queries.interval(query, Scope.TENANT) for query in Query},
        )
        discovered = resolve("", None)

        @functools.cache
        def settings(code: str) -> TenantSettings:
            own = configured.get(code)
            return resolve(code, own) if own else replace(discovered, code=code)

        return settings


class Configuration(Section):
    """The whole file."""

    switches: Annotated[
        tuple[SwitchConfiguration, ...],
        BeforeValidator(at_most(_MOST_SWITCHES)),
        AfterValidator(not_empty),
        SchemaOf(with_entries),
    ] = Field(
        description="The installations to poll.",
        examples=[[{"name": "pbx-eu", "url": "https://pbx.example.com/pbx/proxyapi.php", "key": "the-key"}]],
    )
    alerting: AlertingConfiguration | None = Field(
        None, description="Send alerts to Alertmanager without Prometheus."
    )
    high_availability: HighAvailability | None = Field(
        None, description="Several exporters for the same switches, of which one polls."
    )

    _includes: tuple[Include, ...] = PrivateAttr(())

    def with_included(
        self, tenants: Mapping[int, Sequence[TenantConfiguration]], includes: Iterable[Include]
    ) -> "Configuration":
        """Return this configuration with the tenants of included files, by the index of their switch."""
        switches = [
            switch.model_copy(update={"tenants": (*switch.tenants, *tenants.get(index, ()))})
            for index, switch in enumerate(self.switches)
        ]
        whole = self.model_copy(update={"switches": tuple(switches)})
        whole._includes = tuple(includes)  # noqa: SLF001 -- its own
        return whole

    @property
    def includes(self) -> tuple[Include, ...]:
        """The patterns of all switches, and the files that they matched."""
        return self._includes

    @property
    def patterns(self) -> frozenset[str]:
        """The absolute patterns of included files: another match is a change of the configuration."""
        return frozenset(include.pattern for include in self._includes)

    @property
    def keys(self) -> Iterator[Key]:
        """Every key, password and token in the file."""
        for switch in self.switches:
            for keyed in (switch, *switch.tenants):
                if keyed.key:
                    yield keyed.key
        for alertmanager in self.alerting.alertmanagers if self.alerting else ():
            if alertmanager.basic_auth:
                yield alertmanager.basic_auth.password
            if alertmanager.bearer_token:
                yield alertmanager.bearer_token

    @property
    def files(self) -> Iterator[Path]:
        """Every file that is read with this one: included files, keys, passwords, tokens, certificates."""
        yield from (file for include in self._includes for file in include.files)
        yield from (key.file for key in self.keys if key.file)
        alertmanagers = self.alerting.alertmanagers if self.alerting else ()
        for tls in (*(switch.tls for switch in self.switches), *(one.tls for one in alertmanagers)):
            yield from (file for file in (tls.ca_file, tls.cert_file, tls.key_file) if file)

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The label names of all tenants, sorted."""
        sections = (
            section for switch in self.switches for section in (switch.tenant_defaults, *switch.tenants)
        )
        return tuple(sorted({name for section in sections for name in section.labels}))
