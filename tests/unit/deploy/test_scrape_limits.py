"""No example limits a scrape: one sample above a limit fails the whole scrape."""

import re
from pathlib import Path

import pytest

from tests.documents import MARKDOWN, ROOT, blocks

_LIMIT = re.compile(
    r"^[^#\n]*?\b(?:sample|body_?size|label(?:_?name_?length|_?value_?length)?|target|keep_?dropped_?targets)"
    r"_?limit\s*:.*",
    re.MULTILINE | re.IGNORECASE,
)
_FILES = [
    *sorted(path for folder in ("deploy", "alerts", "grafana") for path in (ROOT / folder).rglob("*.y*ml")),
    ROOT / "config.example.yaml",
]


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_limits_a_scrape(page: Path) -> None:
    """No example contains ``sample_limit``, ``body_size_limit`` or similar limits."""
    assert [found for text in blocks(page, "yaml") for found in _LIMIT.findall(text)] == []


@pytest.mark.parametrize("file", _FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_file_limits_a_scrape(file: Path) -> None:
    """Nor do the files to deploy."""
    assert _LIMIT.findall(file.read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        "    sample_limit: 20000     # keep well above",
        "body_size_limit: 5MB",
        "  sampleLimit: 1",
        "label_value_length_limit: 9",
        "- {targetLimit: 3}",
        "bodySizeLimit: 5MB",
    ],
)
def test_a_limit_is_found(line: str) -> None:
    """The check finds limits of Prometheus and of a ServiceMonitor."""
    assert _LIMIT.findall(f"scrape_configs:\n{line}\n") == [line]
