"""Alerts without Prometheus: the daemon judges its own values and tells Alertmanager."""
