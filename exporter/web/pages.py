"""The landing page: where to go, and whether each switch answers. Works without JavaScript."""

from html import escape
from typing import Any

from exporter import __version__

_STATES = {True: "answers", False: "does not answer", None: "not tried yet"}

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>softswitch-exporter</title>
<style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5; }}
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; }}
td.number, th.number {{ text-align: right; }}
</style>
</head>
<body>
<h1>softswitch-exporter</h1>
<p>Version {version}</p>
<ul>
<li><a href="{metrics}">Metrics</a>, for Prometheus</li>
<li><a href="/api/v1/status">Status</a> of every query, as JSON</li>
<li><a href="/-/healthy">Healthy</a> and <a href="/-/ready">ready</a>, for probes</li>
</ul>
<h2>Switches</h2>
<table>
<thead><tr><th>Switch</th><th>State</th><th>URL</th><th class="number">Tenants</th>
<th class="number">Failing targets</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""

_ROW = (
    "<tr><td>{name}</td><td>{state}</td><td>{url}</td>"
    '<td class="number">{tenants}</td><td class="number">{failing}</td></tr>'
)


def landing_page(state: dict[str, Any], telemetry_path: str) -> str:
    """Return the page for a ``status``."""
    rows = "\n".join(
        _ROW.format(
            name=escape(switch["name"]),
            state=_STATES[switch["up"]],
            url=escape(switch["url"]),
            tenants=switch["tenants"],
            failing=sum(query["targets_failing"] for query in switch["queries"]),
        )
        for switch in state["switches"]
    )
    return _PAGE.format(version=escape(__version__), metrics=escape(telemetry_path), rows=rows)
