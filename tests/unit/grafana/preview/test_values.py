from dataclasses import dataclass
from typing import Any

import pytest

from grafana.preview.prometheus import Series, Source
from grafana.preview.values import (
    Said,
    config_of,
    rows,
    said,
    titles_of,
    worded,
)
from grafana.words import BALANCE_UNKNOWN, NO_DATA, STATE_UNKNOWN

_NOW = 1_800_000_000.0
_STEPS = {"steps": [{"color": "green", "value": None}, {"color": "#123456", "value": 3}]}
_WORDS = [{"type": "value", "options": {"0": {"text": "DOWN", "color": "red"}}}]


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (3, "none", None, "3"),
        (3.14159, "none", None, "3.14"),
        (1234.5, "none", None, "1234"),
        (3.14159, "none", 1, "3.1"),
        (20, "suffix:days", None, "20 days"),
        (0.756, "percentunit", 0, "76 %"),
        (0.756, "percentunit", None, "75.6 %"),
        (0, "s", None, "0 s"),
        (0.0426, "s", None, "43 ms"),
        (12.4, "s", 0, "12 s"),
        (90, "s", 0, "1.5 min"),
        (7200, "s", None, "2.0 h"),
        (0.5, "reqps", None, "0.5/s"),
        (2, "cps", None, "2/s"),
        (float("nan"), "s", None, "NaN"),
        ((_NOW - 90) * 1000, "dateTimeFromNow", None, "1.5 min ago (07:58:30)"),
    ],
)
def test_units(value: float, unit: str, decimals: int | None, text: str) -> None:
    """A value is written in its unit."""
    assert worded(value, unit, decimals, _NOW) == text


def test_an_unknown_unit_is_not_passed_over() -> None:
    """A panel in a unit that the previews do not know is not drawn wrongly."""
    with pytest.raises(LookupError, match="furlongs"):
        worded(1, "furlongs", None, _NOW)


def test_words_and_steps() -> None:
    """A word comes before the number, and the colour is that of the highest step that is reached."""
    config = {"mappings": _WORDS, "thresholds": _STEPS}
    assert said(0, config, _NOW) == Said("DOWN", "red")
    assert said(2, config, _NOW) == Said("2", "green")
    assert said(3, config, _NOW) == Said("3", "#123456")
    assert said("pbx", config, _NOW).text == "pbx"


@pytest.mark.parametrize("constant", [NO_DATA, BALANCE_UNKNOWN, STATE_UNKNOWN])
def test_a_constant_is_shown_as_its_word(constant: float) -> None:
    """Grafana looks up the number as JavaScript writes it, without an exponent below 10^21."""
    config = {
        "mappings": [{"type": "value", "options": {str(constant): {"text": "NO DATA", "color": "red"}}}]
    }
    assert said(float(constant), config, _NOW) == Said("NO DATA", "red")


def test_overrides_come_before_defaults() -> None:
    """An override holds for its query or column alone, and nested keys do not leak into the defaults."""
    override: dict[str, Any] = {
        "matcher": {"id": "byFrameRefID", "options": "B"},
        "properties": [{"id": "unit", "value": "s"}, {"id": "custom.lineStyle", "value": {"fill": "dash"}}],
    }
    named = {"matcher": {"id": "byName", "options": "age"}, "properties": [{"id": "decimals", "value": 0}]}
    panel = {
        "fieldConfig": {"defaults": {"unit": "none", "custom": {"a": 1}}, "overrides": [override, named]}
    }
    assert config_of(panel, query="B") == {"unit": "s", "custom": {"a": 1, "lineStyle": {"fill": "dash"}}}
    assert config_of(panel, query="A") == {"unit": "none", "custom": {"a": 1}}
    assert config_of(panel, name="age") == {"unit": "none", "custom": {"a": 1}, "decimals": 0}


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
    with pytest.raises(LookupError, match="reduce"):
        rows(panel, _SOURCE)
