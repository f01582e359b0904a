"""What VS Code and other editors show with the JSON Schema: yaml-language-server is part of them."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.config.json_schema import schema_text
from tests import yaml_with_types
from tests.e2e.language_server import LanguageServer
from tests.unit.config.test_errors import SWITCH
from tests.unit.config.test_json_schema import VALIDATOR, invalid_configurations

pytestmark = pytest.mark.timeout(120)

_ROOT = Path(__file__).parents[2]
_FIRST = "# yaml-language-server: $schema=config.schema.json\n"
Write = Callable[[str], Path]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the schema, as `assets` writes it beside the example."""
    directory = tmp_path_factory.mktemp("editor")
    (directory / "config.schema.json").write_text(schema_text(), encoding="utf-8")
    return directory


@pytest.fixture(scope="module")
def server(directory: Path, require_npm_program: Callable[[str], str]) -> Iterator[LanguageServer]:
    """Start the server once."""
    with LanguageServer(require_npm_program("yaml-language-server"), directory) as server:
        yield server


@pytest.fixture(scope="module")
def write(directory: Path) -> Write:
    """Return a function that writes a configuration that names the schema."""
    numbers = iter(range(1000))

    def run(text: str) -> Path:
        file = directory / f"config-{next(numbers)}.yaml"
        file.write_text(_FIRST + text, encoding="utf-8")
        return file

    return run


def test_the_example_has_no_problem(server: LanguageServer, directory: Path) -> None:
    """The example is opened as it is."""
    file = directory / "config.yaml"
    shutil.copy(_ROOT / "config.example.yaml", file)
    assert server.diagnostics(file) == []


def test_mistakes_are_found(server: LanguageServer, write: Write) -> None:
    """All invalid configurations that the schema refuses, except empty ones; and nothing in a valid one."""
    refused = [
        text for text in invalid_configurations() if not VALIDATOR.is_valid(yaml_with_types.load(text))
    ]
    assert len(refused) > 80
    files = [(text, write(text)) for text in refused if yaml_with_types.load(text) is not None]
    assert [text for text, file in files if not server.diagnostics(file)] == []
    assert server.diagnostics(write(SWITCH)) == []


def test_where_and_what(server: LanguageServer, write: Write) -> None:
    """The line of the mistake, and what was expected."""
    text = (
        SWITCH + "    timeout: soon\n    tenants:\n      - code: A\n        label: {}\n    max_series: many\n"
    )
    found = sorted(server.diagnostics(write(text)))
    assert [problem.partition(":")[0] for problem in found] == ["10", "6", "9"]
    assert found[1] == "6: expected a duration such as 30s, 5m, 6h or 30d"
    assert "label" in found[2]


def test_included_files_have_a_schema(server: LanguageServer, directory: Path) -> None:
    """Its first line names a part of the schema."""
    first = "# yaml-language-server: $schema=config.schema.json#/$defs/TenantsFile\n"
    for name, more, lines in (("good", "", []), ("bad", "    label: {}\n", ["4"])):
        file = directory / f"{name}-tenants.yaml"
        file.write_text(f"{first}tenants:\n  - code: A\n{more}")
        assert [problem.partition(":")[0] for problem in server.diagnostics(file)] == lines


def test_hover_shows_the_description(server: LanguageServer, write: Write) -> None:
    """Of the key under the pointer."""
    file = write(SWITCH + "    max_series: 5000\n")
    server.diagnostics(file)
    assert "Maximum number of series for this switch" in server.hover(file, 6, 7)


def test_keys_and_values_are_completed(server: LanguageServer, write: Write) -> None:
    """The keys of the section, and the words that a key accepts."""
    file = write(SWITCH + "    \n    queries: {calls: {empty: }}\n")
    server.diagnostics(file)
    assert {"timeout", "tenants", "thresholds"} <= set(server.completions(file, 6, 5))
    assert {"zero", "error"} <= set(server.completions(file, 7, 30))
