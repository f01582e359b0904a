import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import exporter

_PURE = [
    "model",
    "metrics.catalogue",
    "request",
    "metrics.text_format",
    "masking",
    "clock",
    "store",
    "decode",
    "alerting.engine",
    "alerting.state",
]
_LONGEST = 300
"""Lines of a module."""

_FORBIDDEN = {"aiohttp", "apscheduler", "prometheus_client", "yaml", "structlog"}


@pytest.mark.parametrize("module", _PURE)
def test_pure_modules_import_no_library(module: str) -> None:
    """What decides can be used, and tested, without the network, the scheduler or YAML being loaded."""
    assert not _FORBIDDEN & _loaded_with(module)


def test_the_command_line_imports_no_library() -> None:
    """It is there at once to mind signals; what a command needs is loaded when that is known."""
    assert not (_FORBIDDEN | {"asyncio", "pydantic"}) & _loaded_with("cli")


def test_the_daemon_loads_no_template() -> None:
    """Only the status page needs Jinja, which would take a fifth of the start."""
    assert "jinja2" not in _loaded_with("cli.daemon")


def _loaded_with(module: str) -> set[str]:
    program = f"import sys, exporter.{module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    return set(done.stdout.split())


def test_modules_are_short() -> None:
    """No module has more than 300 lines, so that each can be read in one go."""
    [package] = exporter.__path__
    lengths = {str(file): len(file.read_text().splitlines()) for file in Path(package).rglob("*.py")}
    assert not {file: length for file, length in lengths.items() if length > _LONGEST}


_SHARED_THREADS = {
    "to_thread",
    "run_in_executor",
    "ThreadPoolExecutor",
    "set_default_executor",
    "getaddrinfo",
    "getnameinfo",
    "open_connection",
    "trust_env",
    "TCPConnector",
}
"""What runs in asyncio's own threads: there are six, for everything, and the exit waits for them."""

_NOT_SHARED = {
    ("net/resolver.py", "getaddrinfo"),  # in threads of its own
    ("net/resolver.py", "getnameinfo"),
    ("net/connections.py", "TCPConnector"),  # with this resolver
    (
        "cli/probe/runner.py",
        "open_connection",
    ),  # by a command that does nothing else, to a name just resolved
}


def test_nothing_shares_threads() -> None:
    """Each purpose has threads of its own (`exporter/threads.py`): what hangs in one holds up no other.

    A connector of aiohttp's looks names up in the shared threads. The simulator may.
    """
    [package] = exporter.__path__
    found = {
        (str(file.relative_to(package)), name)
        for file in Path(package).rglob("*.py")
        if "simulator" not in file.parts
        for name in _names(ast.parse(file.read_text())) & _SHARED_THREADS
    }
    assert found == _NOT_SHARED


def _names(tree: ast.Module) -> set[str]:
    """Return every name, attribute and keyword argument in a module."""
    return {
        name
        for node in ast.walk(tree)
        for field in ("id", "attr", "arg", "name")
        if isinstance(name := getattr(node, field, None), str)
    }


_REASONLESS = re.compile(r"#\s*(?:noqa(?::[A-Z0-9, ]+)?|type:\s*ignore(?:\[[\w, -]+\])?)\s*$", re.MULTILINE)


def test_every_ignore_has_a_reason() -> None:
    """A `noqa` or `type: ignore` is followed by its reason on the same line."""
    assert _REASONLESS.search("x = y  # noqa: S101\n")
    assert _REASONLESS.search("x = y  # type: ignore[misc]\n")
    root = Path(exporter.__file__).parents[1]
    folders = ("exporter", "tests", "grafana", "benchmarks")
    files = [file for folder in folders for file in (root / folder).rglob("*.py")]
    assert [str(file.relative_to(root)) for file in files if _REASONLESS.search(file.read_text())] == []
