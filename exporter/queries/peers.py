"""Registered phones per node: COUNTPEERS (seen)."""

from pydantic import Field

from exporter.fields import ExactText, Interval, Section
from exporter.metrics import catalogue
from exporter.model import Query
from exporter.queries.spec import PER_SWITCH, PER_TENANT, TOTAL, QuerySpec, count_endpoint, every
from exporter.request import Operation


class PeersQuery(Section):
    """For the installation and, if enabled, per tenant."""

    interval: Interval = every("1m", PER_SWITCH)
    tenant_interval: Interval = every(None, PER_TENANT, example="5m")
    total_name: ExactText | None = Field(None, description=TOTAL, examples=["Total"])


SPEC = QuerySpec(
    query=Query.PEERS,
    summary="Registered phones, counted by node (COUNTPEERS).",
    section=PeersQuery,
    switch=count_endpoint(
        Operation.COUNT_PEERS,
        catalogue.PEERS,
        catalogue.NODE_PEERS,
        zeros=True,
        note="a count over all nodes; it took 23 s on a healthy switch",
    ),
    tenant=count_endpoint(
        Operation.COUNT_PEERS, catalogue.TENANT_PEERS, catalogue.TENANT_NODE_PEERS, zeros=False
    ),
    start=0.17,
)
