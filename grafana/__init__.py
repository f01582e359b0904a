"""Grafana dashboards as code: ``python -m grafana.generate`` writes ``dashboards/`` from this package.

``promql`` builds queries, ``panels`` and ``tables`` build panels, and ``board`` builds a dashboard. Each of
``overview``, ``tenant``, ``nodes`` and ``exporter`` is one dashboard.
"""
