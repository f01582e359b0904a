"""Every metric the exporter serves, declared once.

``docs/metrics.md`` is generated from here, and tests hold a real scrape, the docs, the rules and
the dashboards against it. Names and labels are a promise to users: see design section 3.
"""

from dataclasses import KW_ONLY, dataclass, field
from enum import IntEnum, StrEnum
from functools import partial

REQUEST_DURATION_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0)
"""Seconds. 15, 20 and 30 stand close because a healthy COUNTPEERS was seen to take 23 s (2026-10)."""

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. An Alertmanager next door answers within milliseconds; after 10 s it is given up."""


class Kind(StrEnum):
    """The type of a metric, as in ``# TYPE``."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class DropRank(IntEnum):
    """Which families are dropped to stay within ``max_series``, the first ones first (design, section 5)."""

    EXTENSION = 0  # without the watched ones
    TENANT_NODE = 1
    TENANT = 2
    TENANT_STATUS = 3  # of tenants alone: the status of the queries of the switch stays
    TENANT_CONFIG = 4  # what the configuration says of each tenant
    NODE = 5


@dataclass(frozen=True, slots=True, eq=False)  # each is declared once, so identity is equality
class Metric:
    """One metric family: its name, its meaning, its unit, and the request or file it comes from.

    ``common``: the labels that all values of one answer share, separated by spaces. ``per``: the last label,
    where one answer gives a value for each value of that label; "" where it gives a single value.
    ``drop``: when the family is dropped; None where it cannot grow beyond what the configuration names.
    """

    kind: Kind
    name: str
    meaning: str
    common: str = ""
    per: str = ""
    _: KW_ONLY
    unit: str
    source: str = "the exporter"
    buckets: tuple[float, ...] = ()
    drop: DropRank | None = None
    labels: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(f"{self.common} {self.per}".split()))

    @property
    def help(self) -> str:
        """The text of ``# HELP``."""
        return f"{self.meaning} Unit: {self.unit}. Source: {self.source}."


_gauge = partial(Metric, Kind.GAUGE)
_counter = partial(Metric, Kind.COUNTER)
_histogram = partial(Metric, Kind.HISTOGRAM)

# A table of two or three lines a metric, which the formatter would make eight.
# fmt: off
UP = _gauge("softswitch_up",
    "1 if any valid answer came within the longer of 3 times the shortest interval and 2 times the "
    "timeout, 0 if attempts finished and none did. Absent before the first finished attempt.",
    common="switch", unit="boolean", source="any query")

# The whole installation.
PEERS = _gauge("softswitch_peers",
    "Peers of the whole installation: the total the switch states, else the sum over its nodes.",
    common="switch", unit="peers", source="COUNTPEERS")
CHANNELS = _gauge("softswitch_channels",
    "Channels of the whole installation: the total the switch states, else the sum over its nodes.",
    common="switch", unit="channels", source="COUNTCHANNELS")
CALLS = _gauge("softswitch_calls", "Calls running on the whole installation.",
    common="switch", unit="calls", source="COUNTCALLS")
NODE_PEERS = _gauge("softswitch_node_peers", "Peers on a node.",
    common="switch", per="node", unit="peers", source="COUNTPEERS", drop=DropRank.NODE)
NODE_CHANNELS = _gauge("softswitch_node_channels", "Channels on a node.",
    common="switch", per="node", unit="channels", source="COUNTCHANNELS", drop=DropRank.NODE)
NODE_PRESENT = _gauge("softswitch_node_present",
    "1 if the node was in the last answer, 0 if it is configured, or was "
    "seen within 24 h since start, and is missing from it.",
    common="switch", per="node", unit="boolean", source="COUNTPEERS", drop=DropRank.NODE)
LICENSE_REMAINING = _gauge("softswitch_license_remaining_seconds",
    "Time until the license of the switch expires, in whole days on the wire. May be 0 or negative.",
    common="switch", unit="seconds", source="LICENSEDAYS")
TENANTS = _gauge("softswitch_tenants", "Tenants being polled.",
    common="switch", unit="tenants", source="the configuration and MANAGEDB tenant list")

# Each tenant.
TENANT_PEERS = _gauge("softswitch_tenant_peers", "Peers of a tenant.",
    common="switch tenant", unit="peers", source="COUNTPEERS", drop=DropRank.TENANT)
TENANT_CHANNELS = _gauge("softswitch_tenant_channels", "Channels of a tenant.",
    common="switch tenant", unit="channels", source="COUNTCHANNELS", drop=DropRank.TENANT)
TENANT_CALLS = _gauge("softswitch_tenant_calls", "Calls of a tenant that are running.",
    common="switch tenant", unit="calls", source="COUNTCALLS", drop=DropRank.TENANT)
TENANT_NODE_PEERS = _gauge("softswitch_tenant_node_peers",
    "Peers of a tenant on a node, where there are any.",
    common="switch tenant", per="node", unit="peers", source="COUNTPEERS", drop=DropRank.TENANT_NODE)
TENANT_NODE_CHANNELS = _gauge("softswitch_tenant_node_channels",
    "Channels of a tenant on a node, where there are any.",
    common="switch tenant", per="node", unit="channels", source="COUNTCHANNELS", drop=DropRank.TENANT_NODE)
TENANT_BALANCE = _gauge("softswitch_tenant_balance", "Credit of a tenant. May be negative.",
    common="switch tenant", unit="the currency of the switch", source="INFO balance", drop=DropRank.TENANT)
TENANT_EXTENSIONS = _gauge("softswitch_tenant_extensions",
    "Polled extensions of a tenant by registration state: registered, unregistered or unknown.",
    common="switch tenant", per="state", unit="extensions",
    source="INFO regstate, INFO extensions or CHANSIPPEERS", drop=DropRank.TENANT)
EXTENSION_REGISTERED = _gauge("softswitch_extension_registered",
    "1 if the extension is registered, 0 if it is not. Absent while that is unknown.",
    common="switch tenant", per="extension", unit="boolean",
    source="INFO regstate, INFO extensions or CHANSIPPEERS", drop=DropRank.EXTENSION)
EXTENSION_WATCHED = _gauge("softswitch_extension_watched",
    "1 for an extension that someone must be told about when it is not registered.",
    common="switch tenant", per="extension", unit="boolean", source="the configuration")
TENANT_INFO = _gauge("softswitch_tenant_info",
    "1, with the name of the tenant on the switch and the labels of the configuration.",
    common="switch tenant", per="name", unit="boolean", source="the configuration and MANAGEDB tenant list",
    drop=DropRank.TENANT_CONFIG)
TENANT_OPEN = _gauge("softswitch_tenant_open",
    "1 inside the business hours of the tenant, in its own time zone, else 0. Absent when not configured.",
    common="switch tenant", unit="boolean", source="the configuration", drop=DropRank.TENANT_CONFIG)

# Thresholds and limits, so that one rule serves every tenant.
TENANT_BALANCE_THRESHOLD = _gauge("softswitch_tenant_balance_threshold",
    "Credit of a tenant below which an alert of this severity is due.",
    common="switch tenant", per="severity", unit="the currency of the switch", source="the configuration",
    drop=DropRank.TENANT_CONFIG)
TENANT_REGISTERED_RATIO_THRESHOLD = _gauge("softswitch_tenant_registered_ratio_threshold",
    "Share of registered among registered and unregistered "
    "extensions below which an alert of this severity is due.",
    common="switch tenant", per="severity", unit="ratio, 0 to 1", source="the configuration",
    drop=DropRank.TENANT_CONFIG)
LICENSE_REMAINING_THRESHOLD = _gauge("softswitch_license_remaining_threshold_seconds",
    "Remaining time of the license at or below which an alert of this severity is due.",
    common="switch", per="severity", unit="seconds", source="the configuration")
NODE_CHANNELS_LIMIT = _gauge("softswitch_node_channels_limit", "Channels a node is meant to carry at most.",
    common="switch", per="node", unit="channels", source="the configuration")
TENANT_CHANNELS_LIMIT = _gauge("softswitch_tenant_channels_limit",
    "Channels a tenant may use at most. Absent when unlimited.",
    common="switch tenant", unit="channels", source="the configuration, else INFO config",
    drop=DropRank.TENANT_CONFIG)

# How polling goes. ``tenant`` is "" for the scope ``switch``.
QUERY_SUCCESS = _gauge("softswitch_query_success", "1 if the newest attempt gave a value, else 0.",
    common="switch query scope tenant", unit="boolean", drop=DropRank.TENANT_STATUS)
QUERY_FAILURE = _gauge("softswitch_query_failure",
    "1 while the newest attempt failed, with the reason. Absent otherwise.",
    common="switch query scope tenant", per="reason", unit="boolean", drop=DropRank.TENANT_STATUS)
QUERY_LAST_SUCCESS = _gauge("softswitch_query_last_success_timestamp_seconds",
    "When the newest value came. Absent before the first.",
    common="switch query scope tenant", unit="seconds since 1970", drop=DropRank.TENANT_STATUS)
QUERY_INTERVAL = _gauge("softswitch_query_interval_seconds",
    "How often each target is meant to be asked, as configured.",
    common="switch query scope", unit="seconds", source="the configuration")
QUERY_CYCLE = _gauge("softswitch_query_cycle_seconds",
    "What the last whole sweep over all targets took, from its start to the start of the next.",
    common="switch query scope", unit="seconds")
REQUEST_DURATION = _histogram("softswitch_request_duration_seconds",
    "Time from sending a request to the last byte of its answer, or to its failure.",
    common="switch query", unit="seconds", buckets=REQUEST_DURATION_BUCKETS)
REQUEST_FAILURES = _counter("softswitch_request_failures_total", "Requests that gave no value, by reason.",
    common="switch query reason", unit="requests")
EMPTY_ANSWERS = _counter("softswitch_empty_answers_total",
    "Answers with nothing in them, whether that was taken for zero or for a failure.",
    common="switch query", unit="answers")
ROWS_SKIPPED = _counter("softswitch_rows_skipped_total",
    "Rows of lists, and nodes of counts, that could not be read while the rest of the answer could.",
    common="switch query", unit="rows")
TARGETS_SKIPPED = _counter("softswitch_targets_skipped_total",
    "Targets of a sweep that were not asked, by reason: in_flight, backoff, breaker or budget.",
    common="switch query scope reason", unit="targets")
BREAKER_OPEN = _gauge("softswitch_breaker_open",
    "1 while the switch does not answer at all and is only probed.",
    common="switch", unit="boolean")
SERIES = _gauge("softswitch_series", "Series held for the switch.",
    common="switch", unit="series")
SERIES_LIMITED = _gauge("softswitch_series_limited", "1 while detail is dropped to stay within max_series.",
    common="switch", unit="boolean")

# Alerts that the exporter sends itself, where the configuration has a section ``alerting``.
ALERTING_ALERTS = _gauge("softswitch_alerting_alerts",
    "Alerts that the exporter holds, by state: pending or firing.",
    common="alertname state", unit="alerts")
ALERTING_NOTIFICATIONS = _counter("softswitch_alerting_notifications_total",
    "Alerts that an Alertmanager took. Each is sent again while "
    "it fires, and for 15 minutes after its end.",
    common="alertmanager", unit="alerts")
ALERTING_NOTIFICATION_ERRORS = _counter("softswitch_alerting_notifications_errors_total",
    "Alerts in messages that an Alertmanager did not take. They are sent again.",
    common="alertmanager", unit="alerts")
ALERTING_NOTIFICATIONS_DROPPED = _counter("softswitch_alerting_notifications_dropped_total",
    "Alerts that an Alertmanager refuses for what they are, or whose end it could not be told in time.",
    common="alertmanager", unit="alerts")
ALERTING_NOTIFICATIONS_LATENCY = _histogram("softswitch_alerting_notifications_latency_seconds",
    "Time that an Alertmanager took for a message of up to 256 alerts, or until that failed.",
    common="alertmanager", unit="seconds", buckets=LATENCY_BUCKETS)
ALERTING_NOTIFICATIONS_WAITING = _gauge("softswitch_alerting_notifications_waiting",
    "Alerts that are still to be sent to an Alertmanager, by kind: the beginning or the end of a new one was "
    "never sent, a repeat was. While there are new ones, Alertmanager is slow or does not answer.",
    common="alertmanager kind", unit="alerts")
ALERTING_CLOCK_SKEW = _gauge("softswitch_alerting_clock_skew_seconds",
    "By how much the Date in the answers of an Alertmanager is ahead of the clock of the exporter.",
    common="alertmanager", unit="seconds")
ALERTING_STATE_FILE_ERRORS = _counter("softswitch_alerting_state_file_errors_total",
    "State files that could not be written, or not be read at the start.",
    unit="files")

# The exporter itself.
BUILD_INFO = _gauge("softswitch_exporter_build_info", "1, with the version of the exporter.",
    common="version revision python_version", unit="boolean")
CONFIG_RELOAD_SUCCESSFUL = _gauge("softswitch_exporter_config_last_reload_successful",
    "1 if the newest attempt to load the configuration succeeded, else 0.",
    unit="boolean")
CONFIG_RELOAD_TIMESTAMP = _gauge("softswitch_exporter_config_last_reload_success_timestamp_seconds",
    "When the configuration in use was loaded.",
    unit="seconds since 1970")
LOG_LINES_DROPPED = _counter("softswitch_exporter_log_lines_dropped_total",
    "Lines of the log that were dropped because whoever reads it did not read, or could not write.",
    unit="lines")

# fmt: on

METRICS: tuple[Metric, ...] = tuple(item for item in list(globals().values()) if isinstance(item, Metric))
"""All of them, in the order of the docs and of ``/metrics``."""
