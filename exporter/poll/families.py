"""What each answer says in metrics: from (query, scope) to the families it fills."""

from collections.abc import Mapping

from exporter.metrics import catalogue
from exporter.metrics.catalogue import Metric
from exporter.model import Answer, Counts, Limits, Number, Query, Scope
from exporter.store import Families, Values

_SECONDS_A_DAY = 86_400

_COUNTED: Mapping[tuple[Query, Scope], tuple[Metric, Metric]] = {
    (Query.PEERS, Scope.SWITCH): (catalogue.PEERS, catalogue.NODE_PEERS),
    (Query.PEERS, Scope.TENANT): (catalogue.TENANT_PEERS, catalogue.TENANT_NODE_PEERS),
    (Query.CHANNELS, Scope.SWITCH): (catalogue.CHANNELS, catalogue.NODE_CHANNELS),
    (Query.CHANNELS, Scope.TENANT): (catalogue.TENANT_CHANNELS, catalogue.TENANT_NODE_CHANNELS),
}
"""The family of the whole, and the family by node."""

_FIGURES: Mapping[tuple[Query, Scope], tuple[Metric, int]] = {
    (Query.CALLS, Scope.SWITCH): (catalogue.CALLS, 1),
    (Query.CALLS, Scope.TENANT): (catalogue.TENANT_CALLS, 1),
    (Query.LICENSE, Scope.SWITCH): (catalogue.LICENSE_REMAINING, _SECONDS_A_DAY),
    (Query.BALANCE, Scope.TENANT): (catalogue.TENANT_BALANCE, 1),
}
"""The family, and what the figure on the wire is multiplied with to be in its unit."""


def families(query: Query, scope: Scope, answer: Answer) -> Families:
    """Return the values that an answer gives. Families that it says nothing about are not among them."""
    match answer:
        case Counts(nodes=nodes, whole=total):
            whole, by_node = _COUNTED[query, scope]
            # Of a tenant only nodes where there is something: 50 nodes times 5,000 tenants are mostly zeros.
            zeros = scope is Scope.SWITCH
            counts = {node: count for node, count in (nodes or {}).items() if count or zeros}
            return _known({whole: total, by_node: counts or None})
        case Number(value=value):
            metric, factor = _FIGURES[query, scope]
            return {metric: value * factor}
        case Limits(channels=channels):
            return _known({catalogue.TENANT_CHANNELS_LIMIT: channels})
        case _:
            raise TypeError(f"an answer to {query} of scope {scope} is not {type(answer).__name__}")


def _known(values: Mapping[Metric, Values | None]) -> Families:
    return {metric: value for metric, value in values.items() if value is not None}
