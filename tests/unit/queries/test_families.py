import pytest

from exporter.metrics import catalogue
from exporter.metrics.metric import Metric
from exporter.model import (
    Answer,
    Counts,
    Number,
    Query,
    Scope,
)
from exporter.queries import QUERIES
from exporter.queries.limits import Limits
from exporter.store import Values


@pytest.mark.parametrize(
    ("query", "scope", "answer", "expected"),
    [
        (
            Query.PEERS,
            Scope.SWITCH,
            Counts(None, {"n1": 3, "n2": 0}),
            {catalogue.PEERS: 3, catalogue.NODE_PEERS: {"n1": 3, "n2": 0}},
        ),
        (
            Query.PEERS,
            Scope.SWITCH,
            Counts(9, {"n1": 3}),
            {catalogue.PEERS: 9, catalogue.NODE_PEERS: {"n1": 3}},
        ),
        (Query.CHANNELS, Scope.SWITCH, Counts(5, None), {catalogue.CHANNELS: 5}),
        (
            Query.CHANNELS,
            Scope.TENANT,
            Counts(None, {"n1": 2, "n2": 0}),
            {catalogue.TENANT_CHANNELS: 2, catalogue.TENANT_NODE_CHANNELS: {"n1": 2}},
        ),
        (Query.PEERS, Scope.TENANT, Counts(0, {"n1": 0}), {catalogue.TENANT_PEERS: 0}),
        (Query.PEERS, Scope.TENANT, Counts(None, {}), {catalogue.TENANT_PEERS: 0}),
        (Query.CALLS, Scope.SWITCH, Number(7), {catalogue.CALLS: 7}),
        (Query.CALLS, Scope.TENANT, Number(0), {catalogue.TENANT_CALLS: 0}),
        (Query.LICENSE, Scope.SWITCH, Number(30), {catalogue.LICENSE_REMAINING: 2_592_000}),
        (Query.LICENSE, Scope.SWITCH, Number(-1), {catalogue.LICENSE_REMAINING: -86_400}),
        (Query.LICENSE, Scope.SWITCH, Number(0), {catalogue.LICENSE_REMAINING: 0}),
        (Query.BALANCE, Scope.TENANT, Number(-12.5), {catalogue.TENANT_BALANCE: -12.5}),
        (Query.LIMITS, Scope.TENANT, Limits(30), {catalogue.TENANT_CHANNELS_LIMIT: 30}),
        (Query.LIMITS, Scope.TENANT, Limits(0), {catalogue.TENANT_CHANNELS_LIMIT: 0}),
        (Query.LIMITS, Scope.TENANT, Limits(), {}),
        (
            Query.LIMITS,
            Scope.TENANT,
            Limits(extensions=100, dids=0),
            {catalogue.TENANT_EXTENSIONS_LIMIT: 100, catalogue.TENANT_DIDS_LIMIT: 0},
        ),
    ],
)
def test_table(query: Query, scope: Scope, answer: Answer, expected: dict[Metric, Values]) -> None:
    """Each answer fills the metrics of section 3 of the design, in their units."""
    spec = QUERIES[query]
    fills = spec.endpoint(spec.section(), scope).fills
    assert fills is not None
    assert fills(answer) == expected
