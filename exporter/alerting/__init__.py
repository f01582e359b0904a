"""Alerts without Prometheus: the daemon evaluates its own values and sends alerts to Alertmanager."""
