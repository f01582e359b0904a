"""Channels in use, counted by node: COUNTCHANNELS (inferred)."""

from pydantic import Field

from exporter.decode.values import read_counts
from exporter.fields import ExactText, Interval, Section, parse_duration
from exporter.metrics import catalogue
from exporter.model import Counts, Failure, Query
from exporter.queries.peers import TOTAL
from exporter.queries.spec import OF_SWITCH, OF_TENANTS, Endpoint, QuerySpec, counts_into
from exporter.request import Operation


class ChannelsQuery(Section):
    """As for peers."""

    interval: Interval = Field(parse_duration("30s"), description=OF_SWITCH, examples=["30s"])
    tenant_interval: Interval = Field(parse_duration("2m"), description=OF_TENANTS, examples=["2m"])
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
