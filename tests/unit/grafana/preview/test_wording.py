from typing import Any

import pytest

from grafana.preview.wording import Said, UnknownUnitError, config_of, said, worded

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
        ((_NOW - 90) * 1000, "dateTimeFromNow", None, "1.5 min ago (07:58:30)"),
    ],
)
def test_units(value: float, unit: str, decimals: int | None, text: str) -> None:
    """A value is written in its unit."""
    assert worded(value, unit, decimals, _NOW) == text


def test_an_unknown_unit_is_not_passed_over() -> None:
    """A panel in a unit that the previews do not know is not drawn wrongly."""
    with pytest.raises(UnknownUnitError, match="furlongs"):
        worded(1, "furlongs", None, _NOW)


def test_words_and_steps() -> None:
    """A word comes before the number, and the colour is that of the highest step that is reached."""
    config = {"mappings": _WORDS, "thresholds": _STEPS}
    assert said(0, config, _NOW) == Said("DOWN", "#F2495C")
    assert said(2, config, _NOW) == Said("2", "#73BF69")
    assert said(3, config, _NOW) == Said("3", "#123456")
    assert said("pbx", config, _NOW).text == "pbx"


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
