from collections.abc import Callable
from typing import Any

import yaml

from exporter.cli.probe.advice import advice
from exporter.cli.probe.findings import Advice
from exporter.cli.probe.nodes import node_advice
from exporter.cli.probe.render import settings_lines
from exporter.config import SwitchConfiguration
from exporter.model import Query
from exporter.request import Operation
from tests.unit.cli.probe.findings import answered, failed

_ANSWER = '{"pbx2": 5, "pbx1": 7}'
Configured = Callable[..., SwitchConfiguration]


def _lines(given: Advice) -> list[str]:
    return [line.strip() for line in settings_lines(given.settings)]


def test_a_line_to_paste(configured: Configured) -> None:
    """Without `nodes`, it has all nodes of the response, sorted, in one line."""
    (given,) = node_advice(answered(Query.PEERS, _ANSWER), configured())
    assert _lines(given) == ["nodes: [pbx1, pbx2]"]
    assert given.sure
    assert (
        given.text == "list the nodes, so that a missing one is reported from the start, even after a restart"
    )


def test_nodes_that_are_not_configured(configured: Configured) -> None:
    """The configured ones keep their limit and their place; one that the response lacks is named."""
    switch = configured(nodes=["pbx9", {"name": "pbx2", "channels_limit": 500}])
    lacks, given = node_advice(answered(Query.PEERS, _ANSWER), switch)
    assert lacks.text.startswith("the response does not list 'pbx9' from `nodes`")
    assert lacks.settings == {}
    assert _lines(given) == ["nodes: [pbx9, {name: pbx2, channels_limit: 500}, pbx1]"]
    assert given.text.startswith("1 of 2 nodes are not in `nodes`: add them, so that")


def test_the_nodes_are_configured(configured: Configured) -> None:
    """There is nothing to suggest."""
    assert list(node_advice(answered(Query.PEERS, _ANSWER), configured(nodes=["pbx1", "pbx2"]))) == []


def test_many_nodes_that_the_response_lacks(configured: Configured) -> None:
    """The first five are named."""
    nodes = ["pbx1", "pbx2", *(f"old{number}" for number in range(9))]
    (lacks,) = node_advice(answered(Query.PEERS, _ANSWER), configured(nodes=nodes))
    assert "'old3', 'old4', …" in lacks.text
    assert "old5" not in lacks.text


def test_a_node_whose_count_is_unreadable(configured: Configured) -> None:
    """It is there, so it belongs to the line."""
    (given,) = node_advice(answered(Query.PEERS, '{"pbx1": 7, "pbx2": 3, "pbx3": "many"}'), configured())
    assert _lines(given) == ["nodes: [pbx1, pbx2, pbx3]"]


def test_responses_without_nodes(configured: Configured) -> None:
    """One number, a failure, a tenant, and another query suggest nothing."""
    for finding in (
        answered(Query.PEERS, "12"),
        answered(Query.PEERS, "no"),
        answered(Query.PEERS, _ANSWER, operation=Operation.COUNT_PEERS, tenant="ACME"),
        answered(Query.CHANNELS, _ANSWER),
        failed(Query.PEERS, answered(Query.PEERS, "no").reason),  # type: ignore[arg-type]  # it is a failure
    ):
        assert list(node_advice(finding, configured())) == []


def test_a_total_with_an_unusual_name(configured: Configured) -> None:
    """The total is suggested first, because it must not be listed as a node; then the nodes without it."""
    answer = '{"pbx1": 2, "pbx2": 3, "Somma": 5}'
    given = advice(answered(Query.PEERS, answer), configured(), [])
    assert [list(each.settings) for each in given] == [["queries"]]

    settings: dict[str, Any] = {"queries": {"peers": {"total_name": "Somma"}}}
    given = advice(answered(Query.PEERS, answer, total_name="Somma"), configured(**settings), [])
    assert [_lines(each) for each in given] == [["nodes: [pbx1, pbx2]"]]


def test_names_are_valid_yaml(configured: Configured) -> None:
    """Names with special characters, and those that look like numbers, are read as the same texts."""
    names = ["007", "a: b", "[x]", "no", "über", "e\u202e", "{y}"]
    answer = "{" + ", ".join(f'"{name}": 1' for name in names) + "}"
    (given,) = node_advice(answered(Query.PEERS, answer), configured())
    assert yaml.safe_load("\n".join(_lines(given))) == {"nodes": sorted(names)}
    assert all(line.isprintable() for line in _lines(given))
