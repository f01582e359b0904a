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

_LONGEST_FUNCTION = 40
"""Lines of a function, without its signature and its docstring."""

_LONG_FUNCTIONS = {
    "simulator.page.breakages",  # a table: one entry for each way in which a response can be broken
    "web.problems._problem",  # builds one JSON object
    "web.server._routes",  # a table: one short handler for each path
    "web.tenant_detail.tenant_detail",  # builds one JSON object
}

_MOST_ARGUMENTS = 6
"""Of a constructor."""

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
    long = {file: length for file, length in lengths.items() if length > _LONGEST}
    assert not long, f"split these modules by what they do: {long}"


def test_functions_are_short() -> None:
    """No function has more than 40 lines, apart from tables and those that build one object."""
    long = {
        f"{module}.{function.name}"
        for module, tree in _modules().items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        if _length(function) > _LONGEST_FUNCTION
    }
    assert long - _LONG_FUNCTIONS == set()


def test_constructors_have_few_arguments() -> None:
    """No constructor has more than six arguments: what belongs together is passed as one value."""
    constructors = {
        f"{module}.{parent.name}": function.args
        for module, tree in _modules().items()
        for parent in ast.walk(tree)
        if isinstance(parent, ast.ClassDef)
        for function in parent.body
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
    }
    counts = {
        name: len([*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]) - 1  # without self
        for name, arguments in constructors.items()
    }
    assert len(counts) > 50, "the check looks at nothing"
    assert not {name: count for name, count in counts.items() if count > _MOST_ARGUMENTS}


def _modules() -> dict[str, ast.Module]:
    """Return the syntax tree of each module, by its name in the package."""
    [package] = map(Path, exporter.__path__)
    files = {
        ".".join(file.relative_to(package).with_suffix("").parts): file for file in package.rglob("*.py")
    }
    return {name: ast.parse(file.read_text()) for name, file in files.items()}


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines follow the signature and the docstring of a function."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


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
