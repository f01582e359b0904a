"""Every metric the exporter serves, declared once.

``docs/metrics.md`` is generated from here, and tests hold a real scrape, the docs, the rules and
the dashboards against it. Names and labels are a promise to users: see design section 3.
"""

from dataclasses import dataclass
from enum import StrEnum

REQUEST_DURATION_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0)
"""Seconds. 15, 20 and 30 stand close because a healthy COUNTPEERS was seen to take 23 s (2026-10)."""


LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. An Alertmanager next door answers within milliseconds; after 10 s it is given up."""


class Kind(StrEnum):
    """The type of a metric, as in ``# TYPE``."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, eq=False)  # each is declared once: they are compared by what they are
class Metric:
    """One metric family: what it is called, what it means, in which unit, and which query it comes from."""

    name: str
    kind: Kind
    meaning: str
    unit: str
    source: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def help(self) -> str:
        """The text of ``# HELP``."""
        return f"{self.meaning} Unit: {self.unit}. Source: {self.source}."


_declared: list[Metric] = []


def _gauge(name: str, meaning: str, *, unit: str, source: str, labels: str = "") -> Metric:
    metric = Metric(name, Kind.GAUGE, meaning, unit, source, tuple(labels.split()))
    _declared.append(metric)
    return metric


def _counter(name: str, meaning: str, *, unit: str, labels: str) -> Metric:
    metric = Metric(name, Kind.COUNTER, meaning, unit, "the exporter", tuple(labels.split()))
    _declared.append(metric)
    return metric


def _histogram(name: str, meaning: str, *, unit: str, labels: str, buckets: tuple[float, ...]) -> Metric:
    metric = Metric(name, Kind.HISTOGRAM, meaning, unit, "the exporter", tuple(labels.split()), buckets)
    _declared.append(metric)
    return metric


UP = _gauge(
    "softswitch_up",
    "1 if any valid answer came within the longer of 3 times the shortest interval and 2 times the timeout, "
    "0 if attempts finished and none did. Absent before the first finished attempt.",
    unit="boolean",
    source="any query",
    labels="switch",
)

# The whole installation.
PEERS = _gauge(
    "softswitch_peers",
    "Peers of the whole installation: the total the switch states, else the sum over its nodes.",
    unit="peers",
    source="COUNTPEERS",
    labels="switch",
)
CHANNELS = _gauge(
    "softswitch_channels",
    "Channels of the whole installation: the total the switch states, else the sum over its nodes.",
    unit="channels",
    source="COUNTCHANNELS",
    labels="switch",
)
CALLS = _gauge(
    "softswitch_calls",
    "Calls running on the whole installation.",
    unit="calls",
    source="COUNTCALLS",
    labels="switch",
)
NODE_PEERS = _gauge(
    "softswitch_node_peers",
    "Peers on a node.",
    unit="peers",
    source="COUNTPEERS",
    labels="switch node",
)
NODE_CHANNELS = _gauge(
    "softswitch_node_channels",
    "Channels on a node.",
    unit="channels",
    source="COUNTCHANNELS",
    labels="switch node",
)
NODE_PRESENT = _gauge(
    "softswitch_node_present",
    "1 if the node was in the last answer, 0 if it is configured, or was seen within 24 h since start, "
    "and is missing from it.",
    unit="boolean",
    source="COUNTPEERS",
    labels="switch node",
)
LICENSE_REMAINING = _gauge(
    "softswitch_license_remaining_seconds",
    "Time until the license of the switch expires, in whole days on the wire. May be 0 or negative.",
    unit="seconds",
    source="LICENSEDAYS",
    labels="switch",
)
TENANTS = _gauge(
    "softswitch_tenants",
    "Tenants being polled.",
    unit="tenants",
    source="the configuration and MANAGEDB tenant list",
    labels="switch",
)

# Each tenant.
TENANT_PEERS = _gauge(
    "softswitch_tenant_peers",
    "Peers of a tenant.",
    unit="peers",
    source="COUNTPEERS",
    labels="switch tenant",
)
TENANT_CHANNELS = _gauge(
    "softswitch_tenant_channels",
    "Channels of a tenant.",
    unit="channels",
    source="COUNTCHANNELS",
    labels="switch tenant",
)
TENANT_CALLS = _gauge(
    "softswitch_tenant_calls",
    "Calls of a tenant that are running.",
    unit="calls",
    source="COUNTCALLS",
    labels="switch tenant",
)
TENANT_NODE_PEERS = _gauge(
    "softswitch_tenant_node_peers",
    "Peers of a tenant on a node, where there are any.",
    unit="peers",
    source="COUNTPEERS",
    labels="switch tenant node",
)
TENANT_NODE_CHANNELS = _gauge(
    "softswitch_tenant_node_channels",
    "Channels of a tenant on a node, where there are any.",
    unit="channels",
    source="COUNTCHANNELS",
    labels="switch tenant node",
)
TENANT_BALANCE = _gauge(
    "softswitch_tenant_balance",
    "Credit of a tenant. May be negative.",
    unit="the currency of the switch",
    source="INFO balance",
    labels="switch tenant",
)
TENANT_EXTENSIONS = _gauge(
    "softswitch_tenant_extensions",
    "Polled extensions of a tenant by registration state: registered, unregistered or unknown.",
    unit="extensions",
    source="INFO regstate, INFO extensions or CHANSIPPEERS",
    labels="switch tenant state",
)
EXTENSION_REGISTERED = _gauge(
    "softswitch_extension_registered",
    "1 if the extension is registered, 0 if it is not. Absent while that is unknown.",
    unit="boolean",
    source="INFO regstate, INFO extensions or CHANSIPPEERS",
    labels="switch tenant extension",
)
EXTENSION_WATCHED = _gauge(
    "softswitch_extension_watched",
    "1 for an extension that someone must be told about when it is not registered.",
    unit="boolean",
    source="the configuration",
    labels="switch tenant extension",
)
TENANT_INFO = _gauge(
    "softswitch_tenant_info",
    "1, with the name of the tenant on the switch and the labels of the configuration.",
    unit="boolean",
    source="the configuration and MANAGEDB tenant list",
    labels="switch tenant name",
)
TENANT_OPEN = _gauge(
    "softswitch_tenant_open",
    "1 inside the business hours of the tenant, in its own time zone, else 0. Absent when not configured.",
    unit="boolean",
    source="the configuration",
    labels="switch tenant",
)

# Thresholds and limits, so that one rule serves every tenant.
TENANT_BALANCE_THRESHOLD = _gauge(
    "softswitch_tenant_balance_threshold",
    "Credit of a tenant below which an alert of this severity is due.",
    unit="the currency of the switch",
    source="the configuration",
    labels="switch tenant severity",
)
TENANT_REGISTERED_RATIO_THRESHOLD = _gauge(
    "softswitch_tenant_registered_ratio_threshold",
    "Share of registered among registered and unregistered extensions "
    "below which an alert of this severity is due.",
    unit="ratio, 0 to 1",
    source="the configuration",
    labels="switch tenant severity",
)
LICENSE_REMAINING_THRESHOLD = _gauge(
    "softswitch_license_remaining_threshold_seconds",
    "Remaining time of the license at or below which an alert of this severity is due.",
    unit="seconds",
    source="the configuration",
    labels="switch severity",
)
NODE_CHANNELS_LIMIT = _gauge(
    "softswitch_node_channels_limit",
    "Channels a node is meant to carry at most.",
    unit="channels",
    source="the configuration",
    labels="switch node",
)
TENANT_CHANNELS_LIMIT = _gauge(
    "softswitch_tenant_channels_limit",
    "Channels a tenant may use at most. Absent when unlimited.",
    unit="channels",
    source="the configuration, else INFO config",
    labels="switch tenant",
)

# How polling goes. ``tenant`` is "" for the scope ``switch``.
QUERY_SUCCESS = _gauge(
    "softswitch_query_success",
    "1 if the newest attempt gave a value, else 0.",
    unit="boolean",
    source="the exporter",
    labels="switch query scope tenant",
)
QUERY_FAILURE = _gauge(
    "softswitch_query_failure",
    "1 while the newest attempt failed, with the reason. Absent otherwise.",
    unit="boolean",
    source="the exporter",
    labels="switch query scope tenant reason",
)
QUERY_LAST_SUCCESS = _gauge(
    "softswitch_query_last_success_timestamp_seconds",
    "When the newest value came. Absent before the first.",
    unit="seconds since 1970",
    source="the exporter",
    labels="switch query scope tenant",
)
QUERY_INTERVAL = _gauge(
    "softswitch_query_interval_seconds",
    "How often each target is meant to be asked, as configured.",
    unit="seconds",
    source="the configuration",
    labels="switch query scope",
)
QUERY_CYCLE = _gauge(
    "softswitch_query_cycle_seconds",
    "What the last whole sweep over all targets took, from its start to the start of the next.",
    unit="seconds",
    source="the exporter",
    labels="switch query scope",
)
REQUEST_DURATION = _histogram(
    "softswitch_request_duration_seconds",
    "Time from sending a request to the last byte of its answer, or to its failure.",
    unit="seconds",
    labels="switch query",
    buckets=REQUEST_DURATION_BUCKETS,
)
REQUEST_FAILURES = _counter(
    "softswitch_request_failures_total",
    "Requests that gave no value, by reason.",
    unit="requests",
    labels="switch query reason",
)
EMPTY_ANSWERS = _counter(
    "softswitch_empty_answers_total",
    "Answers with nothing in them, whether that was taken for zero or for a failure.",
    unit="answers",
    labels="switch query",
)
ROWS_SKIPPED = _counter(
    "softswitch_rows_skipped_total",
    "Rows of lists, and nodes of counts, that could not be read while the rest of the answer could.",
    unit="rows",
    labels="switch query",
)
TARGETS_SKIPPED = _counter(
    "softswitch_targets_skipped_total",
    "Targets of a sweep that were not asked, by reason: in_flight, backoff, breaker or budget.",
    unit="targets",
    labels="switch query scope reason",
)
BREAKER_OPEN = _gauge(
    "softswitch_breaker_open",
    "1 while the switch does not answer at all and is only probed.",
    unit="boolean",
    source="the exporter",
    labels="switch",
)
SERIES = _gauge(
    "softswitch_series",
    "Series held for the switch.",
    unit="series",
    source="the exporter",
    labels="switch",
)
SERIES_LIMITED = _gauge(
    "softswitch_series_limited",
    "1 while detail is dropped to stay within max_series.",
    unit="boolean",
    source="the exporter",
    labels="switch",
)

# Alerts that the exporter sends itself, where the configuration has a section ``alerting``.
ALERTING_ALERTS = _gauge(
    "softswitch_alerting_alerts",
    "Alerts that the exporter holds, by state: pending or firing.",
    unit="alerts",
    source="the exporter",
    labels="alertname state",
)
ALERTING_NOTIFICATIONS = _counter(
    "softswitch_alerting_notifications_total",
    "Alerts that an Alertmanager took. Each is sent again while it fires, and for 15 minutes after its end.",
    unit="alerts",
    labels="alertmanager",
)
ALERTING_NOTIFICATION_ERRORS = _counter(
    "softswitch_alerting_notifications_errors_total",
    "Alerts in messages that an Alertmanager did not take. They are sent again.",
    unit="alerts",
    labels="alertmanager",
)
ALERTING_NOTIFICATIONS_DROPPED = _counter(
    "softswitch_alerting_notifications_dropped_total",
    "Alerts that an Alertmanager refuses for what they are, or whose end it could not be told in time.",
    unit="alerts",
    labels="alertmanager",
)
ALERTING_NOTIFICATIONS_LATENCY = _histogram(
    "softswitch_alerting_notifications_latency_seconds",
    "Time that an Alertmanager took for a message of up to 256 alerts, or until that failed.",
    unit="seconds",
    labels="alertmanager",
    buckets=LATENCY_BUCKETS,
)
ALERTING_NOTIFICATIONS_WAITING = _gauge(
    "softswitch_alerting_notifications_waiting",
    "Alerts that are still to be sent to an Alertmanager, by kind: the beginning or the end of a new one was "
    "never sent, a repeat was. While there are new ones, Alertmanager is slow or does not answer.",
    unit="alerts",
    source="the exporter",
    labels="alertmanager kind",
)
ALERTING_CLOCK_SKEW = _gauge(
    "softswitch_alerting_clock_skew_seconds",
    "By how much the Date in the answers of an Alertmanager is ahead of the clock of the exporter.",
    unit="seconds",
    source="the exporter",
    labels="alertmanager",
)
ALERTING_STATE_FILE_ERRORS = _counter(
    "softswitch_alerting_state_file_errors_total",
    "State files that could not be written, or not be read at the start.",
    unit="files",
    labels="",
)

# The exporter itself.
BUILD_INFO = _gauge(
    "softswitch_exporter_build_info",
    "1, with the version of the exporter.",
    unit="boolean",
    source="the exporter",
    labels="version revision python_version",
)
CONFIG_RELOAD_SUCCESSFUL = _gauge(
    "softswitch_exporter_config_last_reload_successful",
    "1 if the newest attempt to load the configuration succeeded, else 0.",
    unit="boolean",
    source="the exporter",
)
CONFIG_RELOAD_TIMESTAMP = _gauge(
    "softswitch_exporter_config_last_reload_success_timestamp_seconds",
    "When the configuration in use was loaded.",
    unit="seconds since 1970",
    source="the exporter",
)
LOG_LINES_DROPPED = _counter(
    "softswitch_exporter_log_lines_dropped_total",
    "Lines of the log that were dropped because whoever reads it did not read, or could not write.",
    unit="lines",
    labels="",
)

METRICS: tuple[Metric, ...] = tuple(_declared)
"""All of them, in the order of the docs and of ``/metrics``."""
