"""Channels in use per node: COUNTCHANNELS (inferred)."""

from pydantic import Field

from exporter.decode.values import read_counts
from exporter.fields import ExactText, Interval, Section
from exporter.metrics import catalogue
from exporter.model import Counts, Failure, Query
from exporter.queries.spec import PER_SWITCH, PER_TENANT, TOTAL, Endpoint, QuerySpec, counts_into, every
from exporter.request import Operation


class ChannelsQuery(Section):
    """For the installation and per tenant."""

    interval: Interval = every("30s", PER_SWITCH)
    tenant_interval: Interval = every("2m", PER_TENANT)
    total_name: ExactText | None = Field(None, description=TOTAL, examples=["Total"])


def _read(text: str, section: ChannelsQuery) -> Counts | Failure:
    return read_counts(text, section.total_name)


SPEC = QuerySpec(
    query=Query.CHANNELS,
    summary="Channels in use, by node (COUNTCHANNELS).",
    section=ChannelsQuery,
    switch=Endpoint(
        operation=Operation.COUNT_CHANNELS,
        value=_read,
        fills=counts_into(catalogue.CHANNELS, catalogue.NODE_CHANNELS, zeros=True),
        private=False,
        partial=True,
    ),
    tenant=Endpoint(
        operation=Operation.COUNT_CHANNELS,
        value=_read,
        fills=counts_into(catalogue.TENANT_CHANNELS, catalogue.TENANT_NODE_CHANNELS, zeros=False),
        private=False,
        partial=True,
    ),
    start=0.0,
)
