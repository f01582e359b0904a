"""``python -m grafana.preview``: see the package."""

import argparse
import json
import time
from pathlib import Path

from grafana.preview.page import picture
from grafana.preview.prometheus import Source, everything


def parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    reader = argparse.ArgumentParser(prog="python -m grafana.preview", description="Draw a dashboard.")
    reader.add_argument("dashboard", type=Path, help="JSON file of a dashboard")
    reader.add_argument("prometheus", help="URL of a Prometheus, such as http://127.0.0.1:9090")
    reader.add_argument("picture", type=Path, help="PNG file to write")
    reader.add_argument("--hours", type=float, default=6, help="time range (default: %(default)s)")
    reader.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="set a variable, e.g. tenant=ACME"
    )
    return reader


def main() -> None:
    """Draw the dashboard of a file."""
    arguments = parser().parse_args()
    dashboard = json.loads(arguments.dashboard.read_text("utf-8"))
    chosen = everything(dashboard) | dict(pair.split("=", 1) for pair in arguments.set)
    source = Source(arguments.prometheus.rstrip("/"), chosen, time.time(), arguments.hours * 3600)
    picture(dashboard, source, arguments.picture)


if __name__ == "__main__":
    main()
