import subprocess
import sys

import pytest

_PURE = [
    "model",
    "catalogue",
    "request",
    "lines",
    "masking",
    "clock",
    "store",
    "decode",
    "alerting.engine",
    "alerting.state",
]
_FORBIDDEN = {"aiohttp", "apscheduler", "prometheus_client", "yaml", "structlog"}


@pytest.mark.parametrize("module", _PURE)
def test_pure_modules_import_no_library(module: str) -> None:
    """What decides can be used, and tested, without the network, the scheduler or YAML being loaded."""
    assert not _FORBIDDEN & _loaded_with(module)


def test_the_command_line_imports_no_library() -> None:
    """It is there at once to mind signals; what a command needs is loaded when that is known."""
    assert not (_FORBIDDEN | {"asyncio", "pydantic"}) & _loaded_with("cli")


def _loaded_with(module: str) -> set[str]:
    program = f"import sys, exporter.{module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    return set(done.stdout.split())
