"""The sections ``discover_tenants``, ``tenant_defaults`` and ``tenants``, and a tenant's resulting settings.

A tenant's own settings override ``tenant_defaults``, which override those of the switch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, Field, PlainValidator, TypeAdapter, create_model

from exporter.config.business_hours import BusinessHours
from exporter.config.fields import (
    RESERVED_LABELS,
    ChannelsLimit,
    CodePattern,
    Extension,
    InfoLabelName,
    LabelValue,
    Text,
)
from exporter.config.keys import Key, Keyed
from exporter.config.thresholds import TenantThresholds, Thresholds, merged
from exporter.errors import shown
from exporter.fields import (
    EXTENSION,
    NAME,
    Form,
    Interval,
    Schema,
    SchemaOf,
    Section,
    either,
    list_of,
    mapping_of_labels,
    regular_expression,
    unique,
)
from exporter.model import Query
from exporter.queries import QUERIES

_Value = TypeVar("_Value")

_Texts = Annotated[tuple[Text, ...], AfterValidator(unique)]
_Extensions = Annotated[tuple[Extension, ...], AfterValidator(unique)]
_TEXTS: TypeAdapter[tuple[str, ...]] = TypeAdapter(_Texts)
_EXTENSIONS: TypeAdapter[tuple[str, ...]] = TypeAdapter(_Extensions)

Selection = Literal["all", "none"] | tuple[str, ...]


def _selection(noun: str, entries: TypeAdapter[tuple[str, ...]]) -> PlainValidator:
    def validate(value: object) -> Selection:
        if value == "all":
            return "all"
        if value == "none":
            return "none"
        if isinstance(value, list):
            return entries.validate_python(value)
        raise ValueError(f"expected all, none or a list of {noun}, got {shown(value)}")

    return PlainValidator(validate)


_SELECTION = Form("`all`, `none` or a list of texts")


def _selection_schema(entry: Schema) -> SchemaOf:
    return SchemaOf(either({"enum": ["all", "none"]}, list_of(entry)))


class TenantQuery(Section):
    """What a tenant can set for a query."""

    tenant_interval: Interval = Field(
        None, description="Overrides the switch's `tenant_interval`.", examples=["10m"]
    )


class _TenantQueries(Section):
    def intervals(self) -> dict[Query, float | None]:
        """Return the intervals that are set; None is ``off``."""
        return {
            Query(name): getattr(self, name).tenant_interval
            for name in self.model_fields_set
            if getattr(self, name).model_fields_set
        }


if TYPE_CHECKING:  # mypy does not accept a model made at run time
    TenantQueries = _TenantQueries
else:
    TenantQueries = create_model(
        "TenantQueries",
        __base__=_TenantQueries,
        **{
            query.value: (TenantQuery, Field(TenantQuery(), description="Overrides the switch's interval."))
            for query, spec in QUERIES.items()
            if spec.tenant
        },
    )


class TenantDefaults(Section):
    """The section ``tenant_defaults``. None or an empty mapping means that the key is absent."""

    labels: Annotated[
        dict[InfoLabelName, LabelValue],
        Form("mapping of label to value"),
        SchemaOf(mapping_of_labels(*RESERVED_LABELS)),
    ] = Field(
        default_factory=dict,
        description="Labels of `softswitch_tenant_info`, for routing alerts. Reserved: `switch`, `tenant`, "
        "`name`, `job`, `instance` and names that start with `__`. A tenant's labels are merged over those "
        "of `tenant_defaults`.",
        examples=[{"team": "voice"}],
    )
    extensions: (
        Annotated[Selection, _selection("extensions", _EXTENSIONS), _SELECTION, _selection_schema(EXTENSION)]
        | None
    ) = Field(
        None,
        description="The extensions whose registration is polled: a list, `all` (those that the switch "
        "lists) or `none`, the default.",
        examples=[["100", "101"]],
    )
    watch: Annotated[_Extensions, Form("list of texts")] | None = Field(
        None,
        description="Extensions that trigger an alert while they are not registered. They are polled even if "
        "`extensions` does not include them.",
        examples=[["100"]],
    )
    queues: (
        Annotated[Selection, _selection("queue ids", _TEXTS), _SELECTION, _selection_schema(NAME)] | None
    ) = Field(
        None,
        description="The queues to poll, each with a request of its own: a list of ids, `all` (those that "
        "the switch lists, at most 1,000) or `none`, the default.",
        examples=[["12", "15"]],
    )
    channels_limit: ChannelsLimit | None = Field(
        None,
        description="The channels that the tenant may use, for alerts on utilization.",
        examples=[30],
    )
    business_hours: BusinessHours | None = Field(
        None, description="When the tenant is open: `softswitch_tenant_open`."
    )
    thresholds: TenantThresholds = Field(
        TenantThresholds(), description="Overrides the switch's thresholds, each severity separately."
    )
    queries: TenantQueries = Field(TenantQueries(), description="Overrides the switch's intervals.")


WatchedPeers = Annotated[tuple[Text, ...], AfterValidator(unique), Form("list of texts")]


class TenantConfiguration(TenantDefaults, Keyed):
    """An entry of ``tenants``."""

    code: Text = Field(
        description="The tenant's code on the switch, and the label `tenant`. Unique within the switch.",
        examples=["ACME"],
    )
    watch_peers: WatchedPeers = Field(
        (),
        description="Peers in the tenant's own list (PEERS) that trigger an alert while they are "
        "unreachable, as `watch_peers` of the switch.",
        examples=[["acme-trunk"]],
    )


class DiscoveryConfiguration(Section):
    """The section ``discover_tenants``."""

    enabled: bool = Field(
        default=False,
        description="Poll the tenants that the switch lists, except disabled ones. Needs the admin key.",
        examples=[True],
    )
    include: tuple[CodePattern, ...] = Field(
        (regular_expression(".*"),),
        description="Poll only tenants whose whole code matches one of these.",
        examples=[["AC.*"]],
    )
    exclude: tuple[CodePattern, ...] = Field(
        (),
        description="Do not poll tenants whose whole code matches one of these; overrides `include`.",
        examples=[["TEST.*"]],
    )


class Parts(NamedTuple):
    """Which parts of a tenant a query polls: ``named`` ones, and with ``all`` those that the switch lists."""

    all: bool
    named: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Whether there may be parts to poll."""
        return self.all or bool(self.named)


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """The settings of a tenant, including everything that it inherits.

    ``own_key`` is false if ``key`` is the admin key. ``polled`` are the extensions that ``extensions`` and
    ``watch`` name. Thresholds that are off are absent. ``intervals`` are in seconds; None is ``off``.
    """

    code: str
    key: Key | None
    own_key: bool
    labels: Mapping[str, str]
    extensions: Selection
    watch: tuple[str, ...]
    polled: tuple[str, ...]
    queues: Selection
    watch_peers: tuple[str, ...]
    channels_limit: int | None
    business_hours: BusinessHours | None
    balance_thresholds: Mapping[str, float]
    registered_ratio_thresholds: Mapping[str, float]
    queue_wait_thresholds: Mapping[str, float]
    intervals: Mapping[Query, float | None]

    def interval(self, query: Query) -> float | None:
        """Return the seconds between two requests, or None if the query does not poll this tenant."""
        if query is Query.WATCHED_PEERS and not self.watch_peers:
            return None
        return self.intervals.get(query)

    def parts(self, query: Query) -> Parts | None:
        """Return which parts a query polls; None if it polls the tenant as a whole."""
        if query is Query.REGISTRATIONS:
            return Parts(self.extensions == "all", self.polled)
        if query is Query.QUEUE:
            return Parts(self.queues == "all", _named(self.queues))
        return None


def inherit(
    code: str,
    own: TenantConfiguration | None,
    defaults: TenantDefaults,
    *,
    admin_key: Key | None,
    thresholds: Thresholds,
    intervals: Mapping[Query, float | None],
) -> TenantSettings:
    """Return the settings of a tenant; ``own`` is None for a discovered one."""
    layers = (defaults, own or TenantDefaults())
    own_key = own.key if own else None
    extensions: Selection = _last("none", *(layer.extensions for layer in layers))
    watch = _last((), *(layer.watch for layer in layers))
    written = {query: seconds for layer in layers for query, seconds in layer.queries.intervals().items()}
    return TenantSettings(
        code=code,
        key=own_key or admin_key,
        own_key=own_key is not None,
        labels={name: value for layer in layers for name, value in layer.labels.items()},
        extensions=extensions,
        watch=watch,
        polled=tuple(dict.fromkeys(_named(extensions) + watch)),
        queues=_last("none", *(layer.queues for layer in layers)),
        watch_peers=own.watch_peers if own else (),
        channels_limit=_last(None, *(layer.channels_limit for layer in layers)),
        business_hours=_last(None, *(layer.business_hours for layer in layers)),
        balance_thresholds=merged(thresholds.balance, *(layer.thresholds.balance for layer in layers)),
        registered_ratio_thresholds=merged(
            thresholds.registered_ratio, *(layer.thresholds.registered_ratio for layer in layers)
        ),
        queue_wait_thresholds=merged(
            thresholds.queue_wait, *(layer.thresholds.queue_wait for layer in layers)
        ),
        # Most tenants share the switch's mapping, which saves 350 bytes each.
        intervals={**intervals, **written} if written else intervals,
    )


def _named(selection: Selection) -> tuple[str, ...]:
    return selection if isinstance(selection, tuple) else ()


def _last(default: _Value, *layers: _Value | None) -> _Value:
    """Return the last value that is not None, else the default."""
    return next((value for value in reversed(layers) if value is not None), default)
