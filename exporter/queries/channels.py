"""Channels in use per node: COUNTCHANNELS (inferred)."""

from pydantic import Field

from exporter.fields import ExactText, Interval, Section
from exporter.metrics import catalogue
from exporter.model import Query
from exporter.queries.spec import PER_SWITCH, PER_TENANT, TOTAL, QuerySpec, count_endpoint, every
from exporter.request import Operation


class ChannelsQuery(Section):
    """For the installation and per tenant."""

    interval: Interval = every("30s", PER_SWITCH)
    tenant_interval: Interval = every("2m", PER_TENANT)
    total_name: ExactText | None = Field(None, description=TOTAL, examples=["Total"])


SPEC = QuerySpec(
    query=Query.CHANNELS,
    summary="Channels in use, by node (COUNTCHANNELS).",
    section=ChannelsQuery,
    switch=count_endpoint(Operation.COUNT_CHANNELS, catalogue.CHANNELS, catalogue.NODE_CHANNELS, zeros=True),
    tenant=count_endpoint(
        Operation.COUNT_CHANNELS, catalogue.TENANT_CHANNELS, catalogue.TENANT_NODE_CHANNELS, zeros=False
    ),
    start=0.0,
)
