"""Grafana dashboards as code: ``python -m grafana.generate`` writes ``dashboards/`` from this package.

Read ``promql`` (how a series is asked for), ``panels`` and ``tables`` (how it is shown), ``board`` (what all
dashboards have in common), then the dashboards: ``overview``, ``tenant``, ``nodes``, ``exporter``.
"""
