"""The JSON Schema agrees with the loader, as far as a schema can."""

import contextlib
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config import load
from exporter.config.json_schema import schema_text
from exporter.errors import ConfigurationError
from tests import yaml_with_types
from tests.unit.config.test_errors import FIXTURES, SWITCH
from tests.unit.config.test_example import EXAMPLE, changed_example

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads(schema_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

ONLY_THE_LOADER = {
    "conflicts between keys": (
        r"keep one$|must be unique$|set without cert_file|no password; set|would fire too late|same time as"
        r"|needs an admin key|has no key|nothing to poll|would overwrite|duplicate "
    ),
    "files and the environment": r"cannot be read|^the file |is a directory|PEM file|environment variable",
    "invisible characters": r"invisible character",
    "placeholders": r"placeholder|only shells expand|name of the variable",
    "YAML": r"YAML|nested more|no value; add|starts or ends with a space",
    "regular expressions, time zones, keys": r"RE2|one group|time zone|expected only the key",
    "bounds of durations and of quoted numbers": (
        r"expected \S+ or (more|less), got|below 292y|smaller whole number|finite number"
    ),
    "the parts of a URL": r"invalid URL|Alertmanager's API|user or password|must not contain \? or #",
    "user names": r"colon",
}
"""What a schema cannot express, with the messages of the loader."""


def test_the_file_is_current() -> None:
    """`make config-schema` writes it."""
    assert (ROOT / "config.schema.json").read_text(encoding="utf-8") == schema_text()


def test_the_schema_is_valid() -> None:
    """It conforms to draft 2020-12."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_example_names_the_schema() -> None:
    """Editors find it beside the example, in a clone and in what `assets` writes."""
    first, *_ = EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert first == "# yaml-language-server: $schema=config.schema.json"


def test_the_schema_of_included_files() -> None:
    """A part of the schema, which a file can name: with tenants and nothing else."""
    validator = jsonschema.Draft202012Validator({**SCHEMA["$defs"]["TenantsFile"], "$defs": SCHEMA["$defs"]})
    assert validator.is_valid({"tenants": [{"code": "A"}]})
    rejected: list[dict[str, Any]] = [{}, {"tenants": [{}]}, {"tenants": [], "include": []}]
    for invalid in rejected:
        assert not validator.is_valid(invalid)


def _keys(schema: Any) -> Iterator[tuple[str, Any]]:
    for part in schema if isinstance(schema, list) else schema.values() if isinstance(schema, dict) else ():
        yield from _keys(part)
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
        yield from schema["properties"].items()


def test_every_key_is_described() -> None:
    """An editor shows the text, and an example, while the key is written."""
    undescribed = {name for name, key in _keys(SCHEMA["$defs"]) if "description" not in key}
    assert undescribed == {"warning", "critical"}


def test_every_key_has_a_form() -> None:
    """A key without one would accept any value."""
    forms = {"type", "anyOf", "enum", "$ref"}
    assert {name for name, key in _keys(SCHEMA["$defs"]) if not forms & key.keys()} == set()


def test_defaults_are_written_as_in_the_file() -> None:
    """Durations are not seconds, and `off` is not null."""
    switch = SCHEMA["$defs"]["SwitchConfiguration"]["properties"]
    found = {name: key["default"] for name, key in switch.items() if "default" in key}
    assert found == {
        "timeout": "1m",
        "max_concurrency": 4,
        "max_requests_per_second": 10,
        "stale_after": 3,
        "max_series": 500000,
    }
    assert SCHEMA["$defs"]["CallsQuery"]["properties"]["interval"]["default"] == "30s"


def _rules(name: str, key: str, before: str = "") -> list[tuple[str, str]]:
    rules = yaml.safe_load((FIXTURES / name).read_text(encoding="utf-8"))
    indentation = "    " if before else ""
    return [(before + textwrap.indent(rule[key], indentation), rule["problems"]) for rule in rules]


_INVALID = [*_rules("switch-rules.yaml", "switch", SWITCH), *_rules("file-rules.yaml", "file")]


def invalid_configurations() -> list[str]:
    """Return every invalid configuration of the fixtures that is valid YAML."""
    found = []
    for text, _ in _INVALID:
        with contextlib.suppress(yaml.YAMLError):
            yaml_with_types.load(text)
            found.append(text)
    return found


@pytest.mark.parametrize(("text", "problems"), _INVALID)
def test_invalid_configurations_are_refused(text: str, problems: str) -> None:
    """The schema refuses each that has a problem which a schema can express."""
    known = [
        problem
        for problem in problems.splitlines()
        if not any(re.search(pattern, problem.partition(": ")[2]) for pattern in ONLY_THE_LOADER.values())
    ]
    try:
        tree = yaml_with_types.load(text)
    except yaml.YAMLError:
        return
    assert not known or not VALIDATOR.is_valid(tree), known


@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_loader_and_schema_agree(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """The schema accepts what the loader accepts, as text and with types, and refuses what it can."""
    tree = changed_example(data)
    text = yaml.safe_dump(tree, allow_unicode=True)
    path = tmp_path_factory.getbasetemp() / "changed.yaml"
    path.write_text(text, encoding="utf-8")
    is_valid = [VALIDATOR.is_valid(form) for form in (tree, yaml_with_types.load(text))]
    problems: tuple[str, ...] = ()
    try:
        load(path, {})
    except ConfigurationError as error:
        problems = error.problems
    if not problems:
        assert is_valid == [True, True]
    elif any(is_valid):
        only = "|".join(ONLY_THE_LOADER.values())
        assert [problem for problem in problems if not re.search(only, problem.partition(": ")[2])] == []
