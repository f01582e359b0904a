"""Each file in ``tests/fixtures/config`` has one invalid snippet per rule, with the expected messages."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from exporter.config import load
from exporter.config.errors import from_validation
from exporter.errors import ConfigurationError

Problems = Callable[..., list[str]]

FIXTURES = Path(__file__).parents[2] / "fixtures" / "config"
SWITCH = "switches:\n  - name: a\n    url: https://pbx.example.com/api\n    key: k\n"
ENVIRONMENT = {"EMPTY": " \n"}


def _rules(name: str, key: str) -> list[object]:
    rules = yaml.safe_load((FIXTURES / name).read_text(encoding="utf-8"))
    return [pytest.param(rule[key], rule["problems"].splitlines(), id=rule[key][-50:]) for rule in rules]


@pytest.mark.parametrize(("snippet", "expected"), _rules("switch-rules.yaml", "switch"))
def test_rules_of_a_switch(problems: Problems, snippet: str, expected: list[str]) -> None:
    """A valid switch with one invalid snippet."""
    assert problems(SWITCH + textwrap.indent(snippet, "    "), ENVIRONMENT) == expected


@pytest.mark.parametrize(("text", "expected"), _rules("file-rules.yaml", "file"))
def test_rules_of_a_file(problems: Problems, text: str, expected: list[str]) -> None:
    """A file that is invalid as a whole, or between its sections."""
    assert problems(text, ENVIRONMENT) == expected


def test_all_errors_are_reported_in_the_order_of_the_file() -> None:
    """Ten errors of different kinds, which different steps of the validation find."""
    path = FIXTURES / "ten-errors.yaml"
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    found = "\n".join(caught.value.problems).replace(str(path.parent), "DIRECTORY")
    assert found == path.with_suffix(".txt").read_text(encoding="utf-8").rstrip("\n")
    lines = [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]
    places = ["4:5:", "5:5:", "6:5:", "7:5:", "9:15:", "11:7:", "12:5:", "14:24:", "16:9:", "18:9:"]
    assert [line.partition(" ")[0] for line in lines] == places


def test_long_values_are_cut(problems: Problems) -> None:
    """A message repeats at most 60 characters of a value."""
    assert problems(SWITCH + f"    max_series: {'9' * 5000}") == [
        f'switches[0].max_series: expected a smaller whole number, got "{"9" * 60}…"'
    ]


def test_error_type_without_a_message() -> None:
    """The message is generic and does not contain the value."""

    class Other(BaseModel):
        data: bytes

    with pytest.raises(ValidationError) as caught:
        Other.model_validate({"data": 5})
    assert [str(problem) for problem in from_validation(caught.value, Other)] == [
        "data: invalid value (bytes type); see config.example.yaml"
    ]
