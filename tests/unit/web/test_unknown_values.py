from typing import Any

import pytest

from exporter.web.unknown_values import unknown
from tests.unit.web.conftest import switch_state

_EVALUATED = {"firing": 0, "pending": 0}


def _query(query: str = "peers", scope: str = "switch", **more: Any) -> dict[str, Any]:
    usual = {
        "query": query,
        "scope": scope,
        "targets": 1,
        "targets_tried": 1,
        "targets_unknown": 1,
        "unknown_tenants": [],
        "newest_success_age_seconds": None,
        "failures_by_reason": {},
    }
    return usual | more


def test_everything_is_known() -> None:
    """Only then the list is empty."""
    assert unknown(switch_state(queries=[_query(targets_unknown=0)]), _EVALUATED) == []


@pytest.mark.parametrize("alerting", [None, {"firing": None, "pending": None}])
def test_alerts_were_not_evaluated(alerting: dict[str, Any] | None) -> None:
    """Before that nothing is clear."""
    assert unknown(switch_state(), alerting) == ["alerts not evaluated yet"]


@pytest.mark.parametrize(
    ("up", "age", "text"),
    [
        (None, None, "not polled yet"),
        (False, 300.0, "nodes and tenants unknown for 5 min"),
        (False, None, "nodes and tenants unknown since the start"),
    ],
)
def test_a_silent_switch(up: bool | None, age: float | None, text: str) -> None:  # noqa: FBT001 -- a table
    """One text says it all: the queries are not listed one by one."""
    assert unknown(switch_state(queries=[_query()], up=up, valid_answer_age_seconds=age), _EVALUATED) == [
        text
    ]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (_query(newest_success_age_seconds=300.0), "nodes unknown for 5 min"),
        (_query(failures_by_reason={"timeout": 1}), "nodes unknown (timeout)"),
        (_query("license"), "license unknown"),
        (_query("balance", "tenant", unknown_tenants=["ACME"]), "credit of ACME unknown"),
        (
            _query("balance", "tenant", targets=1200, targets_unknown=1100, unknown_tenants=["A"]),
            "credit of 1,100 of 1,200 tenants unknown",
        ),
        (_query(targets_tried=0), "not polled yet: nodes"),
    ],
)
def test_a_query(query: dict[str, Any], text: str) -> None:
    """What it finds out is unknown, with the tenants."""
    assert unknown(switch_state(queries=[query]), _EVALUATED) == [text]


def test_many_queries_that_were_not_tried() -> None:
    """They are one text."""
    queries = [_query(name, targets_tried=0) for name in ("peers", "calls", "channels", "license", "trunks")]
    assert unknown(switch_state(queries=queries), _EVALUATED) == [
        "not polled yet: nodes, calls, channels and 2 more",
    ]
