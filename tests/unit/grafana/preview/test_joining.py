from dataclasses import dataclass
from typing import Any

import pytest

from grafana.preview.asking import Series, Source
from grafana.preview.joining import UnknownTransformationError, rows, titles_of


@dataclass(frozen=True)
class _Canned(Source):
    """Answers each query from a table."""

    answers: tuple[tuple[str, tuple[tuple[dict[str, str], float], ...]], ...] = ()

    def now(self, expression: str) -> list[Series]:
        return [Series(labels, [(0, value)]) for labels, value in dict(self.answers)[expression]]


_SOURCE = _Canned(
    "",
    answers=(
        ("up", (({"switch": "a"}, 1), ({"switch": "b"}, 0))),
        ("calls", (({"switch": "a"}, 5),)),
        ("why", (({"switch": "b", "reason": "timeout"}, 1),)),
        ("none", ()),
    ),
)


def _panel(*expressions: str, sort: tuple[tuple[str, bool], ...] = ()) -> dict[str, Any]:
    letters = "ABC"[: len(expressions)]
    values = {
        f"Value #{letter}" if len(expressions) > 1 else "Value": expression
        for letter, expression in zip(letters, expressions, strict=True)
    }
    organize = {
        "excludeByName": {"Time": True},
        "indexByName": {name: place for place, name in enumerate(("switch", "reason", *values))},
        "renameByName": values,
    }
    return {
        "targets": [
            {"refId": letter, "expr": expression}
            for letter, expression in zip(letters, expressions, strict=True)
        ],
        "transformations": [{"id": "merge", "options": {}}, {"id": "organize", "options": organize}],
        "options": {"sortBy": [{"displayName": name, "desc": down} for name, down in sort]},
    }


def test_rows_are_joined_by_what_all_queries_have() -> None:
    """A label that one query alone gives is a column, not another row; what is not said is missing."""
    panel = _panel("up", "calls", "why")
    found = rows(panel, _SOURCE)
    assert found == [
        {"switch": "a", "up": 1, "calls": 5},
        {"switch": "b", "up": 0, "reason": "timeout", "why": 1},
    ]
    assert titles_of(panel, found) == ["switch", "reason", "up", "calls", "why"]


def test_a_query_without_an_answer_takes_no_row_away() -> None:
    """Only what has answers decides what rows have in common."""
    assert rows(_panel("up", "none"), _SOURCE) == [{"switch": "a", "up": 1}, {"switch": "b", "up": 0}]
    assert rows(_panel("none"), _SOURCE) == []


def test_order() -> None:
    """Rows are sorted by the first column named, and those that lack it come last, whatever the direction."""
    assert [row["switch"] for row in rows(_panel("up", sort=(("up", False),)), _SOURCE)] == ["b", "a"]
    assert [row["switch"] for row in rows(_panel("up", "why", sort=(("why", True),)), _SOURCE)] == ["b", "a"]


def test_an_unknown_transformation_is_not_passed_over() -> None:
    """A table that Grafana would show otherwise is not drawn."""
    panel = _panel("up")
    panel["transformations"].append({"id": "reduce", "options": {}})
    with pytest.raises(UnknownTransformationError, match="reduce"):
        rows(panel, _SOURCE)
