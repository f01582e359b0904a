"""The prose linter finds each of its phrases in each kind of file."""

import re
from pathlib import Path

import pytest

from tests import prose

KINDS = {
    "README.md": "# Title\n\n{}\n",
    "docs/page.md": "A sentence that ends with\n{}\n",
    "docs/runbooks/Alert.md": "| cell | {} |\n",
    "exporter/docstring.py": '"""Docstring.\n\n{}\n"""\n',
    "exporter/comment.py": "x = 1  # {}\n",
    "exporter/literal.py": 'raise ValueError(f"{}: {{x}}")\n',
    "exporter/templates/page.html": "<p>{}</p>\n",
    "alerts/alerts.yaml": "annotations:\n  description: {}\n",
    "grafana/overview.py": 'panel("{}")\n',
    "grafana/dashboards/overview.json": '{{"title": "{}"}}\n',
    "Makefile": "lint:  ## {}\n",
}
PHRASES = [variant for variants in prose.PHRASES for variant in variants.split("|")]


def written(folder: Path, name: str, text: str) -> Path:
    """Write a file below the folder, which is made if need be."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_phrases_can_be_found() -> None:
    """Each is lower-case words with single spaces: the linter compares lower-case text."""
    for phrase in PHRASES:
        assert re.fullmatch(r"[a-z-]+( [a-z-]+)*", phrase), f"{phrase!r}: expected words with single spaces"


@pytest.mark.parametrize("name", KINDS)
def test_each_phrase_is_found_in_each_kind_of_file(name: str, tmp_path: Path) -> None:
    """The message has the file, the line, the phrase and what to write instead."""
    for phrase in PHRASES:
        text = KINDS[name].format(phrase.capitalize())
        written(tmp_path, name, text)
        [instead] = [new for old, new in prose.PHRASES.items() if phrase in old.split("|")]
        line = text.lower().partition(phrase)[0].count("\n") + 1
        assert f"{name}:{line}: {phrase} -> {instead}" in prose.check(tmp_path)


@pytest.mark.parametrize(
    "source",
    ['"""by\nits name"""', "# by\n# its name", 'x = ("by "\n     "its name")', 'x = "by " "its name"'],
)
def test_a_phrase_may_be_broken(source: str, tmp_path: Path) -> None:
    """Lines and fragments of strings do not hide a phrase."""
    written(tmp_path, "exporter/module.py", f"{source}\n")
    assert prose.check(tmp_path) == ["exporter/module.py:1: by its name -> by name"]


def test_code_is_not_prose(tmp_path: Path) -> None:
    """Identifiers, strings that are apart and parts of words are not phrases."""
    written(tmp_path, "exporter/module.py", 'by = its = name = "by its", "name"\n# nearby its names\n')
    assert prose.check(tmp_path) == []
