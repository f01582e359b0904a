"""The sections ``tenant_defaults`` and ``tenants``, as written; ``settings`` tells what holds in the end."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator, TypeAdapter

from exporter.config.business_hours import BusinessHours
from exporter.config.keys import Keyed
from exporter.config.queries import TenantQueries
from exporter.config.sections import ChannelsLimit, InfoLabelName, LabelValue, Text, unique
from exporter.config.thresholds import TenantThresholds
from exporter.fields import Form, Section
from exporter.wording import shown

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


class TenantDefaults(Section):
    """The section ``tenant_defaults``. None, like an empty mapping, is what is not written."""

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
        "`none`, "
        "which is what holds where it is not written.",
        examples=[["100", "101"]],
    )
    watch: Annotated[_Numbers, Form("list of texts")] | None = Field(
        None,
        description="Extensions that someone must be told of when they are not registered. They are "
        "polled in any "
        "case.",
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
