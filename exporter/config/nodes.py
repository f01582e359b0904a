"""The section ``nodes`` of a switch."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from exporter.config.fields import ChannelsLimit, Text
from exporter.fields import NAME, Schema, SchemaOf, Section, either


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
