"""The section ``queries``: how often each query is asked, of a switch and of each tenant, and its options."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from exporter.config.durations import parse
from exporter.config.sections import Interval, NumberPattern, Section, Text
from exporter.config.wording import shown
from exporter.model import ExtensionParameter, Query, Registration, RegistrationSource, Scope

_NEVER: Interval = None


class PeersQuery(Section):
    """``total_name`` is what the switch calls the total; None leaves that to the decoder's table of words."""

    interval: Interval = parse("1m")
    tenant_interval: Interval = _NEVER
    total_name: Text | None = None


class ChannelsQuery(Section):
    """As for peers."""

    interval: Interval = parse("30s")
    tenant_interval: Interval = parse("2m")
    total_name: Text | None = None


class CallsQuery(Section):
    """``empty`` is what an empty answer means; ``pattern`` finds the number in an answer that wraps it."""

    interval: Interval = parse("30s")
    tenant_interval: Interval = parse("2m")
    empty: Literal["zero", "error"] = "zero"
    pattern: NumberPattern | None = None


class LicenseQuery(Section):
    """Asked of the whole installation only."""

    interval: Interval = parse("1h")
    tenant_interval: ClassVar[None] = None
    pattern: NumberPattern | None = None


class BalanceQuery(Section):
    """Asked of tenants only."""

    interval: ClassVar[None] = None
    tenant_interval: Interval = parse("5m")
    pattern: NumberPattern | None = None


def _one_state_each(words: Mapping[Registration, tuple[str, ...]]) -> Mapping[Registration, tuple[str, ...]]:
    times = Counter(word.casefold() for spellings in words.values() for word in spellings)
    twice = [shown(word) for word, count in times.items() if count > 1]
    if twice:
        raise ValueError(f"{', '.join(twice)} stands more than once; give each word one state")
    return words


class RegistrationsQuery(Section):
    """``words`` adds to the table of what switches call the states of a phone."""

    interval: ClassVar[None] = None
    tenant_interval: Interval = parse("5m")
    source: RegistrationSource = RegistrationSource.REGSTATE
    parameter: ExtensionParameter = ExtensionParameter.EXT
    words: Annotated[dict[Registration, tuple[Text, ...]], AfterValidator(_one_state_each)] = Field(
        default_factory=dict
    )


class LimitsQuery(Section):
    """Asked of tenants only."""

    interval: ClassVar[None] = None
    tenant_interval: Interval = _NEVER


class TenantsQuery(Section):
    """Discovery of tenants."""

    interval: Interval = parse("6h")
    tenant_interval: ClassVar[None] = None


class ExtensionsQuery(Section):
    """Discovery of the extensions of each tenant."""

    interval: ClassVar[None] = None
    tenant_interval: Interval = parse("6h")


class QueriesConfiguration(Section):
    """Every query of a switch. Intervals are seconds; None is never."""

    peers: PeersQuery = PeersQuery()
    channels: ChannelsQuery = ChannelsQuery()
    calls: CallsQuery = CallsQuery()
    license: LicenseQuery = LicenseQuery()
    balance: BalanceQuery = BalanceQuery()
    registrations: RegistrationsQuery = RegistrationsQuery()
    limits: LimitsQuery = LimitsQuery()
    tenants: TenantsQuery = TenantsQuery()
    extensions: ExtensionsQuery = ExtensionsQuery()

    def interval(self, query: Query, scope: Scope) -> float | None:
        """Return the seconds between two attempts, or None where the query is off or has no such scope."""
        section = getattr(self, query.value)
        seconds: float | None = section.interval if scope is Scope.SWITCH else section.tenant_interval
        return seconds


class TenantQuery(Section):
    """What a tenant may set of a query."""

    tenant_interval: Interval = _NEVER


class TenantQueries(Section):
    """The queries that are asked of tenants, as far as a tenant sets them."""

    peers: TenantQuery = TenantQuery()
    channels: TenantQuery = TenantQuery()
    calls: TenantQuery = TenantQuery()
    balance: TenantQuery = TenantQuery()
    registrations: TenantQuery = TenantQuery()
    limits: TenantQuery = TenantQuery()
    extensions: TenantQuery = TenantQuery()

    def intervals(self) -> dict[Query, float | None]:
        """Return the intervals that are written down, ``off`` among them, and no others."""
        return {
            Query(name): getattr(self, name).tenant_interval
            for name in self.model_fields_set
            if getattr(self, name).model_fields_set
        }
