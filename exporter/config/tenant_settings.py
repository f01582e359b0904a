"""The sections ``tenant_defaults`` and ``tenants``, and the settings of one tenant that follow from them.

A tenant's own settings override ``tenant_defaults``, and these override those of the switch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, Field, PlainValidator, TypeAdapter, create_model, model_validator

from exporter.config.fields import ChannelsLimit, InfoLabelName, LabelValue, Text, not_empty, unique
from exporter.config.keys import Key, Keyed
from exporter.config.thresholds import TenantThresholds, Thresholds, merged
from exporter.errors import nearest, shown, single
from exporter.fields import Form, Interval, Section
from exporter.model import Query
from exporter.queries import QUERIES

_Value = TypeVar("_Value")

_Numbers = Annotated[tuple[Text, ...], AfterValidator(unique)]
_NUMBERS: TypeAdapter[tuple[str, ...]] = TypeAdapter(_Numbers)

Extensions = Literal["all", "none"] | tuple[str, ...]


def _extensions(value: object) -> Extensions:
    if value == "all":
        return "all"
    if value == "none":
        return "none"
    if isinstance(value, list):
        return _NUMBERS.validate_python(value)
    raise ValueError(f"is {shown(value)}; write all, none, or a list of extension numbers")


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # as datetime.weekday() counts

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def _timezone(value: object) -> ZoneInfo:
    name = single(value)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # "Europe" is a directory: OSError
        meant = nearest(name, available_timezones()) or "Europe/Rome"
        raise ValueError(
            f"{shown(name)} is not a time zone that is known here; write one such as {meant}"
        ) from None


def _time_of_day(value: object) -> time:
    match = _TIME.fullmatch(single(value))
    if match is None:
        raise ValueError(
            f'{shown(value)} is not a time of day; write hours and minutes such as "09:00" or "18:30"'
        )
    return time(int(match[1]), int(match[2]))


_TimeOfDay = Annotated[time, PlainValidator(_time_of_day), Form("time of day")]


class BusinessHours(Section):
    """The hours of a tenant, in its own time zone.

    They begin on each of ``days`` at ``opens`` (inclusive) and last until ``closes`` (exclusive), which is on
    the next day where it is not later than ``opens``: ``mon`` from 22:00 to 06:00 ends on Tuesday morning.
    """

    timezone: Annotated[ZoneInfo, PlainValidator(_timezone), Form("name of a time zone")] = Field(
        description="The time zone that the times are in.", examples=["Europe/Rome"]
    )
    days: Annotated[tuple[Day, ...], AfterValidator(unique), AfterValidator(not_empty)] = Field(
        description="The days on which it opens.", examples=[["mon", "tue", "wed", "thu", "fri"]]
    )
    opens: _TimeOfDay = Field(alias="from", description="When it opens.", examples=["09:00"])
    closes: _TimeOfDay = Field(
        alias="to",
        description="When it closes; on the next day where that is not later than `from`.",
        examples=["18:00"],
    )

    @model_validator(mode="after")
    def _lasts(self) -> "BusinessHours":
        if self.opens == self.closes:
            raise ValueError('has the same time in "from" and "to"; write hours that last')
        return self

    def is_open(self, now: datetime) -> bool:
        """Return whether the tenant is open at a time, by its local clock. ``now`` must have a time zone."""
        local = now.astimezone(self.timezone)
        clock = local.time()
        if self.opens < self.closes:
            return self._is_day(local) and self.opens <= clock < self.closes
        if clock >= self.opens:
            return self._is_day(local)
        return clock < self.closes and self._is_day(local - timedelta(days=1))

    def _is_day(self, moment: datetime) -> bool:
        return _DAYS[moment.weekday()] in self.days


class TenantQuery(Section):
    """What a tenant may set of a query."""

    tenant_interval: Interval = Field(None, description="In place of that of the switch.", examples=["10m"])


class _TenantQueries(Section):
    def intervals(self) -> dict[Query, float | None]:
        """Return the intervals that are written down, ``off`` among them, and no others."""
        return {
            Query(name): getattr(self, name).tenant_interval
            for name in self.model_fields_set
            if getattr(self, name).model_fields_set
        }


if TYPE_CHECKING:  # a model that is made of a table is no type to mypy
    TenantQueries = _TenantQueries
else:
    _fields: dict[str, Any] = {
        query.value: (
            TenantQuery,
            Field(TenantQuery(), description="For this tenant, in place of that of the switch."),
        )
        for query, spec in QUERIES.items()
        if spec.tenant
    }
    TenantQueries = create_model("TenantQueries", __base__=_TenantQueries, **_fields)


class TenantDefaults(Section):
    """The section ``tenant_defaults``. None or an empty mapping: not given."""

    labels: Annotated[dict[InfoLabelName, LabelValue], Form("mapping of label to value")] = Field(
        default_factory=dict,
        description="Labels of `softswitch_tenant_info`, to route alerts by. Not switch, tenant, name, job, "
        "instance, nor anything that begins with `__`. Those of a tenant are added to those of "
        "`tenant_defaults`.",
        examples=[{"team": "voice"}],
    )
    extensions: (
        Annotated[Extensions, PlainValidator(_extensions), Form("`all`, `none` or a list of texts")] | None
    ) = Field(
        None,
        description="Whose registration is polled: a list of numbers, `all` that the switch lists, or "
        "`none`, which is what holds where it is not written.",
        examples=[["100", "101"]],
    )
    watch: Annotated[_Numbers, Form("list of texts")] | None = Field(
        None,
        description="Extensions that someone must be told of when they are not registered. They are polled "
        "in any case.",
        examples=[["100"]],
    )
    channels_limit: ChannelsLimit | None = Field(
        None,
        description="The channels that the tenant may use, for alerts on the share in use.",
        examples=[30],
    )
    business_hours: BusinessHours | None = Field(
        None, description="When the tenant is open: `softswitch_tenant_open`."
    )
    thresholds: TenantThresholds = Field(
        TenantThresholds(), description="Over those of the switch, severity by severity."
    )
    queries: TenantQueries = Field(TenantQueries(), description="Over the intervals of the switch.")


class TenantConfiguration(TenantDefaults, Keyed):
    """An entry of ``tenants``, as configured."""

    code: Text = Field(
        description="The code of the tenant on the switch, and the label `tenant`. Unique within the switch.",
        examples=["ACME"],
    )


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """The settings of one tenant, with everything that it inherits.

    ``key`` is its own where ``own_key`` is true, else the admin key. ``watch`` are the extensions that
    someone must be told about, ``polled`` all that are named: those of ``extensions``, where that is a list,
    and the watched ones. Thresholds are only those that are on. ``intervals`` are seconds; None is never.
    """

    code: str
    key: Key | None
    own_key: bool
    labels: Mapping[str, str]
    extensions: Extensions
    watch: tuple[str, ...]
    polled: tuple[str, ...]
    channels_limit: int | None
    business_hours: BusinessHours | None
    balance_thresholds: Mapping[str, float]
    registered_ratio_thresholds: Mapping[str, float]
    intervals: Mapping[Query, float | None]

    def interval(self, query: Query) -> float | None:
        """Return the seconds between two attempts, or None where the query is never asked of the tenant."""
        return self.intervals.get(query)


def inherit(
    code: str,
    own: TenantConfiguration | None,
    defaults: TenantDefaults,
    *,
    admin_key: Key | None,
    thresholds: Thresholds,
    intervals: Mapping[Query, float | None],
) -> TenantSettings:
    """Return the settings of a tenant; ``own`` is None for one that was discovered."""
    layers = (defaults, own or TenantDefaults())
    own_key = own.key if own else None
    extensions: Extensions = _last("none", *(layer.extensions for layer in layers))
    watch = _last((), *(layer.watch for layer in layers))
    written = {query: seconds for layer in layers for query, seconds in layer.queries.intervals().items()}
    named = extensions if isinstance(extensions, tuple) else ()
    return TenantSettings(
        code=code,
        key=own_key or admin_key,
        own_key=own_key is not None,
        labels={name: value for layer in layers for name, value in layer.labels.items()},
        extensions=extensions,
        watch=watch,
        polled=tuple(dict.fromkeys(named + watch)),
        channels_limit=_last(None, *(layer.channels_limit for layer in layers)),
        business_hours=_last(None, *(layer.business_hours for layer in layers)),
        balance_thresholds=merged(thresholds.balance, *(layer.thresholds.balance for layer in layers)),
        registered_ratio_thresholds=merged(
            thresholds.registered_ratio, *(layer.thresholds.registered_ratio for layer in layers)
        ),
        # Most tenants have none of their own, and then share those of the switch: 350 bytes each.
        intervals={**intervals, **written} if written else intervals,
    )


def _last(unless: _Value, *written: _Value | None) -> _Value:
    """Return the last value that is written at all, an empty list included, else ``unless``."""
    return next((value for value in reversed(written) if value is not None), unless)
