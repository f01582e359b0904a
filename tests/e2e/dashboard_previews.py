"""Draws docs/images/*-preview.png: ``make dashboard-previews``.

They show six hours of simulated switches, which take three minutes. Faults begin after four hours.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from grafana.preview.page import picture
from tests.dashboard_files import DASHBOARDS
from tests.e2e.dashboard_stack import FACTOR, dashboard_stack

IMAGES = Path(__file__).parents[2] / "docs/images"
_SECONDS = 6 * 3600 / FACTOR
_BAD = _SECONDS / 3
_SHOWN = {"softswitch-tenant": {"switch": "north", "tenant": "ACME"}}


def _program(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        sys.exit(f"{name} is not installed: apt-get install {package}")
    return path


def main() -> None:
    """Draw every dashboard."""
    with tempfile.TemporaryDirectory() as directory, dashboard_stack(Path(directory), _program) as watched:
        # The history must accumulate: there is no condition to wait for.
        time.sleep(_SECONDS - _BAD)
        watched.inject_faults()
        time.sleep(_BAD)
        end = time.time()
        for uid, dashboard in DASHBOARDS.items():
            source = watched.source(uid, end, _SECONDS, **_SHOWN.get(uid, {}))
            picture(dashboard, source, IMAGES / f"{uid.removeprefix('softswitch-')}-preview.png", FACTOR)


if __name__ == "__main__":
    main()
