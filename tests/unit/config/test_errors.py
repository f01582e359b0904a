"""One bad snippet per rule, with everything that is said of it: see the fixtures."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from exporter.config.errors import from_validation

Problems = Callable[..., list[str]]

FIXTURES = Path(__file__).parents[2] / "fixtures" / "config"
SWITCH = "switches:\n  - name: a\n    url: https://pbx.example.com/api\n    key: k\n"
ENVIRONMENT = {"EMPTY": " \n"}


def _rules(name: str, key: str) -> list[object]:
    rules = yaml.safe_load((FIXTURES / name).read_text(encoding="utf-8"))
    return [pytest.param(rule[key], rule["problems"].splitlines(), id=rule[key][-50:]) for rule in rules]


@pytest.mark.parametrize(("snippet", "expected"), _rules("switch-rules.yaml", "switch"))
def test_each_rule_of_a_switch(problems: Problems, snippet: str, expected: list[str]) -> None:
    """A switch that is right but for one thing: exactly that is said, at its path, with what to do."""
    assert problems(SWITCH + textwrap.indent(snippet, "    "), ENVIRONMENT) == expected


@pytest.mark.parametrize(("text", "expected"), _rules("file-rules.yaml", "file"))
def test_each_rule_of_a_whole_file(problems: Problems, text: str, expected: list[str]) -> None:
    """A file that is wrong as a whole, or between its sections: exactly that is said."""
    assert problems(text, ENVIRONMENT) == expected


def test_a_number_beyond_all_measure(problems: Problems) -> None:
    """A number of 5,000 digits is a problem like any other, and the sentence stays short."""
    assert problems(SWITCH + f"    max_series: {'9' * 5000}") == [
        f'switches[0].max_series: "{"9" * 60}…" is too large a number; write a smaller one'
    ]


def test_a_mistake_of_an_unknown_kind_is_told_too() -> None:
    """A kind of mistake that has no sentence is told all the same, without the value."""

    class Strange(BaseModel):
        unheard: bytes

    with pytest.raises(ValidationError) as caught:
        Strange.model_validate({"unheard": 5})
    assert [str(problem) for problem in from_validation(caught.value, Strange)] == [
        "unheard: is not what is expected here (bytes type); see config.example.yaml"
    ]
