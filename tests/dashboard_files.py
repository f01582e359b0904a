"""Reads the dashboards in ``grafana/dashboards/``."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

Dashboard = dict[str, Any]
Panel = dict[str, Any]

DIRECTORY = Path(__file__).parents[1] / "grafana/dashboards"
DASHBOARDS: dict[str, Dashboard] = {
    file.stem: json.loads(file.read_text("utf-8")) for file in sorted(DIRECTORY.glob("*.json"))
}
"""By uid, which is also the name of the file."""


class Asked(NamedTuple):
    """A query of a dashboard and its location."""

    place: str
    expression: str


def panels(dashboard: Dashboard) -> list[Panel]:
    """Return all panels except rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def variables(dashboard: Dashboard) -> dict[str, dict[str, Any]]:
    """Return the variables by name."""
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def queries(dashboard: Dashboard) -> Iterator[Asked]:
    """Yield every PromQL query of panels, annotations and variables."""
    for panel in panels(dashboard):
        for target in panel.get("targets") or []:
            yield Asked(f"{panel['title']}, {target.get('refId')}", target.get("expr", ""))
    for annotation in dashboard["annotations"]["list"]:
        yield Asked(f"annotation {annotation['name']}", annotation["expr"])
    for name, variable in variables(dashboard).items():
        if variable["type"] == "query":
            read = re.fullmatch(
                r"(?:label_values\((.+), \w+\)|query_result\((.+)\))", variable["query"]["query"]
            )
            yield Asked(f"variable {name}", read[1] or read[2] if read else variable["query"]["query"])
