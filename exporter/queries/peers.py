"""Registered phones, counted by node: COUNTPEERS (seen)."""

from pydantic import Field

from exporter.decode.values import read_counts
from exporter.fields import ExactText, Interval, Section, parse_duration
from exporter.metrics import catalogue
from exporter.model import Counts, Failure, Query
from exporter.queries.spec import OF_SWITCH, OF_TENANTS, Endpoint, QuerySpec, counts_into
from exporter.request import Operation

TOTAL = (
    "The entry of the answer that is the total and no node, letter for letter. Without it, the usual words "
    "for a total are known in any case."
)


class PeersQuery(Section):
    """``total_name`` is what the switch calls the total; None leaves that to the table of words."""

    interval: Interval = Field(parse_duration("1m"), description=OF_SWITCH, examples=["1m"])
    tenant_interval: Interval = Field(None, description=OF_TENANTS, examples=["5m"])
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
        note="a count over all nodes; 23 s were seen",
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
