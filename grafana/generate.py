"""Writes ``dashboards/*.json``, and the copies that the Helm chart contains: ``make dashboards``."""

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.exporter import all_exporters
from grafana.nodes import all_nodes
from grafana.overview import overview
from grafana.tenant import one_tenant
from grafana.tenants import all_tenants

_HERE = Path(__file__).parent
DIRECTORIES = (_HERE / "dashboards", _HERE.parent / "deploy/helm/softswitch-exporter/files/dashboards")


def dashboards() -> list[Dashboard]:
    """Return all dashboards."""
    return [overview(), all_tenants(), one_tenant(), all_nodes(), all_exporters()]


def text(dashboard: Dashboard) -> str:
    """Return the JSON of a dashboard."""
    return json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write each dashboard to a file named after its uid."""
    for dashboard in dashboards():
        for directory in DIRECTORIES:
            (directory / f"{dashboard.uid}.json").write_text(text(dashboard), encoding="utf-8")


if __name__ == "__main__":
    main()
