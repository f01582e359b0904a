"""The section ``queries``: how often each query is asked, of a switch and of each tenant, and its options."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from exporter.durations import parse
from exporter.fields import ExactText, Form, Interval, NumberPattern, Section
from exporter.model import ExtensionParameter, Query, Registration, RegistrationSource, Scope
from exporter.wording import shown

_NEVER: Interval = None

_OF_SWITCH = "How often it is asked of the whole installation, which needs the admin key."
_OF_TENANTS = "How often it is asked of each tenant, at one request a tenant."
_TOTAL = (
    "The entry of the answer that is the total and no node, letter for letter. Without it, the usual words "
    "for a "
    "total are known in any case."
)
_PATTERN = (
    "Where the switch wraps the number in words: one group, which is the number. It must match once, and is "
    "only tried where the whole answer is no number."
)


class PeersQuery(Section):
    """``total_name`` is what the switch calls the total; None leaves that to the decoder's table of words."""

    interval: Interval = Field(parse("1m"), description=_OF_SWITCH, examples=["1m"])
    tenant_interval: Interval = Field(_NEVER, description=_OF_TENANTS, examples=["5m"])
    total_name: ExactText | None = Field(None, description=_TOTAL, examples=["Total"])


class ChannelsQuery(Section):
    """As for peers."""

    interval: Interval = Field(parse("30s"), description=_OF_SWITCH, examples=["30s"])
    tenant_interval: Interval = Field(parse("2m"), description=_OF_TENANTS, examples=["2m"])
    total_name: ExactText | None = Field(None, description=_TOTAL, examples=["Total"])


class CallsQuery(Section):
    """``empty`` is what an empty answer means; ``pattern`` finds the number in an answer that wraps it."""

    interval: Interval = Field(parse("30s"), description=_OF_SWITCH, examples=["30s"])
    tenant_interval: Interval = Field(parse("2m"), description=_OF_TENANTS, examples=["2m"])
    empty: Literal["zero", "error"] = Field(
        "zero",
        description="What an empty answer means. An idle switch gives one, and so does one that denies the "
        "request; so even `zero` holds only once a number has come with the same key since the start.",
        examples=["error"],
    )
    pattern: NumberPattern | None = Field(None, description=_PATTERN, examples=[r"(\d+) calls"])


class LicenseQuery(Section):
    """Asked of the whole installation only."""

    interval: Interval = Field(parse("1h"), description=_OF_SWITCH, examples=["1h"])
    tenant_interval: ClassVar[None] = None
    pattern: NumberPattern | None = Field(None, description=_PATTERN, examples=[r"(-?\d+) days"])


class BalanceQuery(Section):
    """Asked of tenants only."""

    interval: ClassVar[None] = None
    tenant_interval: Interval = Field(parse("5m"), description=_OF_TENANTS, examples=["5m"])
    pattern: NumberPattern | None = Field(None, description=_PATTERN, examples=[r"(-?[\d.]+) EUR"])


def _one_state_each(words: Mapping[Registration, tuple[str, ...]]) -> Mapping[Registration, tuple[str, ...]]:
    times = Counter(word.casefold() for spellings in words.values() for word in spellings)
    twice = [shown(word) for word, count in times.items() if count > 1]
    if twice:
        raise ValueError(f"{', '.join(twice)} stands more than once; give each word one state")
    return words


class RegistrationsQuery(Section):
    """``words`` adds to the table of what switches call the states of a phone."""

    interval: ClassVar[None] = None
    tenant_interval: Interval = Field(
        parse("5m"),
        description="How often the state of every polled extension is learned. What that costs depends "
        "on `source`.",
        examples=["5m"],
    )
    source: RegistrationSource = Field(
        RegistrationSource.REGSTATE,
        description="Which request the states are read from. `regstate`: one request an extension; "
        "`extensions`: "
        "one a tenant, its list of extensions; `peers`: one for the whole installation, its list of peers, "
        "which "
        "needs the admin key. `probe --query=registrations` tries them all.",
        examples=["extensions"],
    )
    parameter: ExtensionParameter = Field(
        ExtensionParameter.EXT,
        description="The parameter by which `regstate` names the extension, where the switch differs.",
        examples=["id"],
    )
    words: Annotated[
        dict[Registration, tuple[ExactText, ...]],
        AfterValidator(_one_state_each),
        Form("mapping of state to words"),
    ] = Field(
        default_factory=dict,
        description="What this switch calls the states (`registered`, `unregistered`, `unknown`), beyond "
        "the words "
        "that are known already. They hold over those.",
        examples=[{"registered": ["Up"], "unregistered": ["Down"]}],
    )


class LimitsQuery(Section):
    """Asked of tenants only."""

    interval: ClassVar[None] = None
    tenant_interval: Interval = Field(
        _NEVER,
        description="How often the channels that a tenant may use are asked, where `channels_limit` is "
        "not set.",
        examples=["1h"],
    )


class TenantsQuery(Section):
    """Discovery of tenants."""

    interval: Interval = Field(
        parse("6h"),
        description="How often the list of tenants is asked, where `discover_tenants` is enabled.",
        examples=["1h"],
    )
    tenant_interval: ClassVar[None] = None


class ExtensionsQuery(Section):
    """Discovery of the extensions of each tenant."""

    interval: ClassVar[None] = None
    tenant_interval: Interval = Field(
        parse("6h"),
        description="How often the list of extensions is asked, of tenants with `extensions: all`.",
        examples=["1d"],
    )


class QueriesConfiguration(Section):
    """Every query of a switch. Intervals are seconds; None is never."""

    peers: PeersQuery = Field(PeersQuery(), description="Registered phones, counted by node (COUNTPEERS).")
    channels: ChannelsQuery = Field(ChannelsQuery(), description="Channels in use, by node (COUNTCHANNELS).")
    calls: CallsQuery = Field(CallsQuery(), description="Calls that run (COUNTCALLS).")
    license: LicenseQuery = Field(LicenseQuery(), description="Days until the license ends (LICENSEDAYS).")
    balance: BalanceQuery = Field(BalanceQuery(), description="Credit of a tenant (INFO balance).")
    registrations: RegistrationsQuery = Field(
        RegistrationsQuery(), description="Which phones are registered."
    )
    limits: LimitsQuery = Field(LimitsQuery(), description="Channels that a tenant may use (INFO config).")
    tenants: TenantsQuery = Field(TenantsQuery(), description="Discovery of tenants (MANAGEDB tenant list).")
    extensions: ExtensionsQuery = Field(
        ExtensionsQuery(), description="Discovery of extensions (INFO extensions)."
    )

    def interval(self, query: Query, scope: Scope) -> float | None:
        """Return the seconds between two attempts, or None where the query is off or has no such scope."""
        section = getattr(self, query.value)
        seconds: float | None = section.interval if scope is Scope.SWITCH else section.tenant_interval
        return seconds


class TenantQuery(Section):
    """What a tenant may set of a query."""

    tenant_interval: Interval = Field(_NEVER, description="In place of that of the switch.", examples=["10m"])


class TenantQueries(Section):
    """The queries that are asked of tenants, as far as a tenant sets them."""

    peers: TenantQuery = Field(TenantQuery(), description="For this tenant, in place of that of the switch.")
    channels: TenantQuery = Field(
        TenantQuery(), description="For this tenant, in place of that of the switch."
    )
    calls: TenantQuery = Field(TenantQuery(), description="For this tenant, in place of that of the switch.")
    balance: TenantQuery = Field(
        TenantQuery(), description="For this tenant, in place of that of the switch."
    )
    registrations: TenantQuery = Field(
        TenantQuery(), description="For this tenant, in place of that of the switch."
    )
    limits: TenantQuery = Field(TenantQuery(), description="For this tenant, in place of that of the switch.")
    extensions: TenantQuery = Field(
        TenantQuery(), description="For this tenant, in place of that of the switch."
    )

    def intervals(self) -> dict[Query, float | None]:
        """Return the intervals that are written down, ``off`` among them, and no others."""
        return {
            Query(name): getattr(self, name).tenant_interval
            for name in self.model_fields_set
            if getattr(self, name).model_fields_set
        }
