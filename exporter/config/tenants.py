"""The sections ``tenant_defaults`` and ``tenants``, as written; ``settings`` tells what holds in the end."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator, TypeAdapter

from exporter.config.business_hours import BusinessHours
from exporter.config.keys import Keyed
from exporter.config.queries import TenantQueries
from exporter.config.sections import Count, InfoLabelName, Section, Text, unique
from exporter.config.thresholds import TenantThresholds
from exporter.config.wording import shown

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

    labels: dict[InfoLabelName, str] = Field(default_factory=dict)
    extensions: Annotated[Extensions, PlainValidator(_extensions)] | None = None
    watch: _Numbers | None = None
    channels_limit: Count | None = None
    business_hours: BusinessHours | None = None
    thresholds: TenantThresholds = TenantThresholds()
    queries: TenantQueries = TenantQueries()


class TenantConfiguration(TenantDefaults, Keyed):
    """An entry of ``tenants``, as configured."""

    code: Text
