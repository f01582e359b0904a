"""What holds for one tenant in the end: its own settings over ``tenant_defaults`` over the switch's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from exporter.config.business_hours import BusinessHours
from exporter.config.keys import Key
from exporter.config.tenants import Extensions, TenantConfiguration, TenantDefaults
from exporter.config.thresholds import Thresholds, merged
from exporter.model import Query

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What holds for one tenant, with everything that it inherits.

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


def settle(
    code: str,
    own: TenantConfiguration | None,
    defaults: TenantDefaults,
    *,
    admin_key: Key | None,
    thresholds: Thresholds,
    intervals: Mapping[Query, float | None],
) -> TenantSettings:
    """Work out what holds for a tenant; ``own`` is None for one that was discovered."""
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
