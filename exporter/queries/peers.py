"""Registered phones per node: COUNTPEERS (seen)."""

from pydantic import Field

from exporter.decode.values import read_counts
from exporter.fields import ExactText, Interval, Section
from exporter.metrics import catalogue
from exporter.model import Counts, Failure, Query
from exporter.queries.spec import PER_SWITCH, PER_TENANT, TOTAL, Endpoint, QuerySpec, counts_into, every
from exporter.request import Operation


class PeersQuery(Section):
    """For the installation and, if enabled, per tenant."""

    interval: Interval = every("1m", PER_SWITCH)
    tenant_interval: Interval = every(None, PER_TENANT, example="5m")
    total_name: ExactText | None = Field(None, description=TOTAL, examples=["Total"])


def _read(text: str, section: PeersQuery) -> Counts | Failure:
    return read_counts(text, section.total_name)


SPEC = QuerySpec(
    query=Query.PEERS,
    summary="Registered phones, counted by node (COUNTPEERS).",
    section=PeersQuery,
    switch=Endpoint(
        operation=Operation.COUNT_PEERS,
        value=_read,
        fills=counts_into(catalogue.PEERS, catalogue.NODE_PEERS, zeros=True),
        private=False,
        partial=True,
        note="a count over all nodes; one took 23 s",
    ),
    tenant=Endpoint(
        operation=Operation.COUNT_PEERS,
        value=_read,
        fills=counts_into(catalogue.TENANT_PEERS, catalogue.TENANT_NODE_PEERS, zeros=False),
        private=False,
        partial=True,
    ),
    start=0.17,
)
