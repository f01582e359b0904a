"""softswitch-exporter: hosted-telephony soft-switches, seen by Prometheus."""

__version__ = "0.1.0"
