"""Draws a preview of a dashboard without Grafana, with values from a Prometheus.

    python -m grafana.preview grafana/dashboards/softswitch-overview.json http://127.0.0.1:9090 overview.png

Not drawn: links, tooltips, the time picker and variable selectors.
"""
