"""config.example.yaml is valid and complete, and variations of it never crash the loader."""

import copy
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.config import Configuration, load
from exporter.config.errors import keys, sections
from exporter.config.tenant_settings import TenantDefaults
from exporter.config.thresholds import Thresholds
from exporter.config.tree import read_yaml
from exporter.errors import ConfigurationError
from exporter.model import Registration

EXAMPLE = Path(__file__).parents[3] / "config.example.yaml"
PLACEHOLDER = "replace-with-your-key"
PLACE = re.compile(r"(file|[\w.…-]+(\[\d+\]|\.[\w.…-]*)*): \S")


def _keys_of_everything() -> set[tuple[str, ...]]:
    """Return the path of every key of the schema, without ``tenant_defaults``, which has those of tenants."""
    found: set[tuple[str, ...]] = set()

    def walk(model: Any, path: tuple[str, ...]) -> None:
        for key, annotation in keys(model).items():
            found.add((*path, key))
            for section in sections(annotation):
                if section is not TenantDefaults:
                    walk(section, (*path, key))

    walk(Configuration, ())
    return found


def _uncommented(text: str) -> str:
    """Return the example with the settings in comments activated."""
    return re.sub(r"^( *)# (\w+: ?[^ ].*|- \w+:.*)$", r"\1\2", text, flags=re.MULTILINE)


def _keys_of(tree: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if isinstance(tree, list):
        return {found for entry in tree for found in _keys_of(entry, path)}
    if isinstance(tree, dict):
        return {(*path, key) for key in tree} | {
            found for key, value in tree.items() for found in _keys_of(value, (*path, key))
        }
    return set()


@pytest.fixture
def filled_in(tmp_path: Path) -> Path:
    """Return the example with a key in it."""
    file = tmp_path / "config.yaml"
    file.write_text(EXAMPLE.read_text(encoding="utf-8").replace(PLACEHOLDER, "the-key"), encoding="utf-8")
    return file


def test_only_the_key_must_be_replaced(filled_in: Path) -> None:
    """The example is rejected for its key alone."""
    with pytest.raises(ConfigurationError) as caught:
        load(EXAMPLE, {})
    assert caught.value.problems == (
        "switches[0].key: contains only a placeholder; replace it with the actual value",
    )
    configuration = load(filled_in, {})
    assert configuration.switches[0].settings("ACME").watch == ("100",)
    assert configuration.alerting is not None


def test_example_contains_every_key() -> None:
    """Each is active or in a comment."""
    text = EXAMPLE.read_text(encoding="utf-8")
    shown = _keys_of(yaml.safe_load(_uncommented(text)))
    tenant_queries = ("switches", "tenants", "queries")
    missing = {path for path in _keys_of_everything() - shown if path[:3] != tenant_queries}
    missing |= {("switches", "queries", "registrations", "words", state) for state in Registration} - shown
    missing |= {
        ("switches", "thresholds", name, severity)
        for name in Thresholds.model_fields
        for severity in ("warning", "critical")
    } - shown
    assert missing == set()
    # One query of a tenant is written in full, and the comment beside it names the others.
    lines = itertools.dropwhile(lambda line: "tenant_interval only" not in line, text.splitlines())
    comment = " ".join(
        line.partition("# ")[2] for line in itertools.takewhile(lambda line: "#" in line, lines)
    )
    named = {path[3] for path in _keys_of_everything() if path[:3] == tenant_queries and len(path) > 3}
    assert named == set(re.findall(r"\w+", comment.partition("of:")[2]))


def test_example_contains_the_defaults(filled_in: Path) -> None:
    """A value that has a default is that default."""
    example = load(filled_in, {}).switches[0]
    for name in ("timeout", "max_concurrency", "max_requests_per_second", "stale_after", "max_series", "tls"):
        assert getattr(example, name) == type(example).model_fields[name].default
    defaults = type(example).model_fields["queries"].default
    for name in type(defaults).model_fields:
        if name != "registrations":  # whose words are empty lists
            assert getattr(example.queries, name) == getattr(defaults, name)
    assert example.thresholds == type(example).model_fields["thresholds"].default


def _places(tree: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    entries = enumerate(tree) if isinstance(tree, list) else tree.items() if isinstance(tree, dict) else ()
    return [place for key, value in entries for place in [(*path, key), *_places(value, (*path, key))]]


_TREE: Any = json.loads(json.dumps(read_yaml(EXAMPLE).tree))
_TREE["switches"][0]["key"] = "the-key"
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.sampled_from(
        ["off", "all", "1m", "0", "-1", "1e999", "nan", "(", "[[", "(a)", "mon", "Europe", "http://a", "\0"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.data())
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_example_loads_or_is_rejected(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever is dropped, renamed, replaced or moved, each problem has its place."""
    tree = changed_example(data)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    problems: tuple[str, ...] = ("file: valid",)
    try:
        load(path, {}).switches[0].settings("ACME")
    except ConfigurationError as error:
        problems = error.problems
    assert problems
    for problem in problems:
        assert PLACE.match(problem), problem
        assert not re.search(r"Input should|function-|Error|invalid value \(", problem), problem


def changed_example(data: st.DataObject) -> Any:
    """Return the tree of the example with a few changes."""
    tree: Any = copy.deepcopy(_TREE)
    for _ in range(data.draw(st.integers(1, 4))):
        _change(tree, data)
    return tree


def _change(tree: Any, data: st.DataObject) -> None:
    places = _places(tree)
    if not places:
        return
    *parents, key = data.draw(st.sampled_from(places))
    parent = tree
    for step in parents:
        parent = parent[step]
    match data.draw(st.sampled_from(["drop", "rename", "replace", "transplant", "double"])):
        case "drop":
            del parent[key]
        case "rename" if isinstance(parent, dict):
            parent[data.draw(st.text(max_size=6)) or "x"] = parent.pop(key)
        case "transplant":
            *elsewhere, last = data.draw(st.sampled_from(places))
            parent[key] = copy.deepcopy(_at(tree, [*elsewhere, last]))
        case "double" if isinstance(parent, list):
            parent.append(copy.deepcopy(parent[int(key)]))
        case _:
            parent[key] = data.draw(_VALUES)


def _at(tree: Any, path: list[str | int]) -> Any:
    for step in path:
        tree = tree[step]
    return tree


@pytest.mark.parametrize("depth", range(1, 8))
def test_mistyped_keys(tmp_path: Path, depth: int) -> None:
    """Each is reported with its own path and the correct key, except for labels, which are free."""
    tree: Any = copy.deepcopy(_TREE)
    expected = set()
    for path in [path for path in _places(_TREE) if len(path) == depth and isinstance(path[-1], str)]:
        parent = _at(tree, list(path[:-1]))
        parent[f"{path[-1]}_"] = parent.pop(path[-1])
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]
        if "labels" not in path[:-1]:
            expected.add(f'{place}_: unknown key; did you mean "{path[-1]}"?')
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(file, {})
    assert expected
    assert {problem for problem in caught.value.problems if "unknown key" in problem} == expected
