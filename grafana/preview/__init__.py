"""Draws a dashboard from a Prometheus without Grafana: a preview, in which only the figures are exact.

    python -m grafana.preview grafana/dashboards/softswitch-overview.json http://127.0.0.1:9090 overview.png

Not drawn: links, tooltips, the time picker and the choice of variables. A panel of another kind than those in
``panels.KINDS`` is named in its place.
"""
