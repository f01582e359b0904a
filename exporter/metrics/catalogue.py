"""Every metric that the exporter serves, declared once.

``docs/metrics.md`` is generated from here, and tests compare a real scrape, the rules and the dashboards with
it. Names and labels are a promise to users.
"""

from functools import partial

from exporter.metrics.metric import DropRank, Kind, Metric

REQUEST_DURATION_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0)
"""Seconds. 15, 20 and 30 are close together because a healthy COUNTPEERS was seen to take 23 s (2026-10)."""

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. A nearby Alertmanager responds within milliseconds; a request times out after 10 s."""


_PEERS = "CHANSIPPEERS; PEERS for a tenant"

_gauge = partial(Metric, Kind.GAUGE)
_counter = partial(Metric, Kind.COUNTER)
_histogram = partial(Metric, Kind.HISTOGRAM)
_switch = partial(_gauge, common="switch")
_node = partial(_switch, per="node", drop=DropRank.NODE)
_tenant = partial(_gauge, common="switch tenant", drop=DropRank.TENANT)
_tenant_node = partial(_tenant, per="node", drop=DropRank.TENANT_NODE)
_queue = partial(_tenant, per="queue", source="INFO queue")
_tenant_config = partial(_tenant, source="the configuration", drop=DropRank.TENANT_CONFIG)
_trunk = partial(_gauge, common="switch tenant", drop=DropRank.NODE)
_peer = partial(_gauge, common="switch tenant", per="peer", source=_PEERS)
_query_status = partial(_gauge, common="switch query scope tenant", drop=DropRank.TENANT_STATUS)
_sent = partial(_counter, common="alertmanager", unit="alerts")
_STATES = "INFO regstate, INFO extensions, CHANSIPPEERS, PEERS or BLFS"
_DISCOVERED = "the configuration and MANAGEDB tenant list"

# Unformatted: two or three lines per metric instead of eight.
# fmt: off
UP = _switch("softswitch_up",
    "1 if a valid response arrived recently, else 0. Recently: within 3 times the shortest interval or "
    "2 times the timeout, whichever is longer. Absent until the first request has finished.",
    unit="boolean", source="any query")

# Installation-wide.
PEERS = _switch("softswitch_peers",
    "Peers of the installation: the total that the switch returns, else the sum of its nodes.",
    unit="peers", source="COUNTPEERS")
CHANNELS = _switch("softswitch_channels",
    "Channels in use on the installation: the total that the switch returns, else the sum of its nodes.",
    unit="channels", source="COUNTCHANNELS")
CALLS = _switch("softswitch_calls", "Active calls of the installation.", unit="calls", source="COUNTCALLS")
NODE_PEERS = _node("softswitch_node_peers", "Peers on a node.", unit="peers", source="COUNTPEERS")
NODE_CHANNELS = _node("softswitch_node_channels", "Channels in use on a node.",
    unit="channels", source="COUNTCHANNELS")
NODE_PRESENT = _node("softswitch_node_present",
    "1 if the node is in the latest response, 0 if it is not but is configured or was seen within 24 h.",
    unit="boolean", source="COUNTPEERS")
LICENSE_REMAINING = _switch("softswitch_license_remaining_seconds",
    "Time until the license of the switch expires, in whole days. May be 0 or negative.",
    unit="seconds", source="LICENSEDAYS")
TRUNK_REGISTERED = _trunk("softswitch_trunk_registered",
    "1 if the switch is registered with the provider of the trunk, 0 if it is not. Absent if its state is "
    "unknown, or if the trunk is not in the list. The tenant is empty for a trunk of the installation.",
    per="trunk", unit="boolean", source="MANAGEDB sipregs list")
TRUNKS = _trunk("softswitch_trunks",
    "Trunks in the list, by registration state: registered, unregistered or unknown.",
    per="state", unit="trunks", source="MANAGEDB sipregs list")
PEER_REACHABLE = _peer("softswitch_peer_reachable",
    "1 if a peer in watch_peers is reachable from any node, 0 if it is not. Absent if its state is unknown, "
    "or if the peer is not in the list. The tenant is empty for a peer of the installation.", unit="boolean")
PEER_ROUND_TRIP = _peer("softswitch_peer_round_trip_seconds",
    "Round-trip time of a peer in watch_peers, from the nearest node. Absent if it is not reachable.",
    unit="seconds")
TENANTS = _switch("softswitch_tenants", "Number of polled tenants.", unit="tenants", source=_DISCOVERED)

# Each tenant.
TENANT_PEERS = _tenant("softswitch_tenant_peers", "Peers of a tenant.", unit="peers", source="COUNTPEERS")
TENANT_CHANNELS = _tenant("softswitch_tenant_channels", "Channels in use by a tenant.",
    unit="channels", source="COUNTCHANNELS")
TENANT_CALLS = _tenant("softswitch_tenant_calls", "Active calls of a tenant.",
    unit="calls", source="COUNTCALLS")
TENANT_NODE_PEERS = _tenant_node("softswitch_tenant_node_peers",
    "Peers of a tenant on a node. Absent if there are none.", unit="peers", source="COUNTPEERS")
TENANT_NODE_CHANNELS = _tenant_node("softswitch_tenant_node_channels",
    "Channels in use by a tenant on a node. Absent if there are none.",
    unit="channels", source="COUNTCHANNELS")
TENANT_BALANCE = _tenant("softswitch_tenant_balance", "Credit of a tenant. May be negative.",
    unit="the currency of the switch", source="INFO balance")
TENANT_EXTENSIONS = _tenant("softswitch_tenant_extensions",
    "Extensions of a tenant by registration state: registered, unregistered, unknown, or not_applicable for "
    "those that cannot register. not_applicable is absent if no technology is known.",
    per="state", unit="extensions", source=_STATES)
TENANT_CALL_RECORDS = Metric(Kind.COUNTER, "softswitch_tenant_call_records_total",
    "Calls of a tenant that have ended, by direction (in, out, local or other) and disposition (answered, "
    "no_answer, failed, congestion, busy or other). Those of the first window after a start are not counted.",
    common="switch tenant direction", per="disposition", unit="calls", source="INFO simplecdrs",
    drop=DropRank.TENANT)
TENANT_CALL_RECORDS_SECONDS = Metric(Kind.COUNTER, "softswitch_tenant_call_records_seconds_total",
    "Duration of the answered calls of a tenant that have ended, as the switch reports it, by direction.",
    common="switch tenant", per="direction", unit="seconds", source="INFO simplecdrs", drop=DropRank.TENANT)
TENANT_DEVICES = _tenant("softswitch_tenant_devices",
    "Extensions of a tenant by what they are doing: in_use, ringing or busy. Only with source: blf.",
    per="state", unit="extensions", source="BLFS")
EXTENSION_REGISTERED = _tenant("softswitch_extension_registered",
    "1 if the extension is registered, 0 if it is not. Absent if its state is unknown.",
    per="extension", unit="boolean", source=_STATES, drop=DropRank.EXTENSION)
EXTENSION_WATCHED = _tenant("softswitch_extension_watched",
    "1 for an extension that triggers an alert when it is not registered.",
    per="extension", unit="boolean", source="the configuration", drop=None)

# Each queue. The label is its name, `name (id)` if two queues share a name, and the id if it has none.
QUEUE_CALLS_WAITING = _queue("softswitch_queue_calls_waiting", "Calls waiting in a queue (CALLSINQUEUE).",
    unit="calls")
QUEUE_LONGEST_WAIT = _queue("softswitch_queue_longest_wait_seconds",
    "How long the first caller in a queue has waited (FIRSTWAITING, presumably seconds). 0 if nobody waits.",
    unit="seconds")
QUEUE_AGENTS = _queue("softswitch_queue_agents",
    "Agents of a queue by state, as the switch reports them: online, paused, free and available "
    "(AGENTSONLINE and so on). One agent may count in several states, so do not add them up.",
    part="state", unit="agents")
QUEUE_SERVICE_LEVEL = _queue("softswitch_queue_service_level_reported",
    "Service level of a queue, as the switch reports it (SERVICELEVEL).", unit="unknown: percent or ratio")
QUEUE_CALLS_REPORTED = _queue("softswitch_queue_calls_reported",
    "Calls of a queue by outcome, as the switch reports them: received, answered and abandoned "
    "(CALLSRECEIVED, ANSWEREDCALLS, ABANDONEDCALLS). It is unknown when the switch resets them, so do not "
    "use rate().",
    part="outcome", unit="calls")

TENANT_INFO = _tenant_config("softswitch_tenant_info",
    "Always 1. Labels: the name of the tenant on the switch, and its labels from the configuration.",
    per="name", unit="boolean", source=_DISCOVERED)
TENANT_OPEN = _tenant_config("softswitch_tenant_open",
    "1 during the tenant's business hours, in its time zone, else 0. Absent without `business_hours`.",
    unit="boolean")

# Thresholds and limits, so that one rule serves every tenant.
TENANT_BALANCE_THRESHOLD = _tenant_config("softswitch_tenant_balance_threshold",
    "Credit of a tenant below which an alert of this severity fires.",
    per="severity", unit="the currency of the switch")
TENANT_REGISTERED_RATIO_THRESHOLD = _tenant_config("softswitch_tenant_registered_ratio_threshold",
    "Ratio of registered extensions, not counting unknown ones, below which an alert of this severity fires.",
    per="severity", unit="ratio, 0 to 1")
TENANT_QUEUE_WAIT_THRESHOLD = _tenant_config("softswitch_tenant_queue_wait_threshold_seconds",
    "Waiting time of the first caller in a queue above which an alert of this severity fires. Absent for "
    "tenants without `queues`.",
    per="severity", unit="seconds")
LICENSE_REMAINING_THRESHOLD = _switch("softswitch_license_remaining_threshold_seconds",
    "Remaining time of the license at or below which an alert of this severity fires.",
    per="severity", unit="seconds", source="the configuration")
NODE_CHANNELS_LIMIT = _switch("softswitch_node_channels_limit", "Maximum channels that a node should carry.",
    per="node", unit="channels", source="the configuration")
TENANT_CHANNELS_LIMIT = _tenant_config("softswitch_tenant_channels_limit",
    "Maximum channels that a tenant may use. Absent if unlimited.",
    unit="channels", source="the configuration, else INFO config")
TENANT_EXTENSIONS_LIMIT = _tenant("softswitch_tenant_extensions_limit",
    "Maximum extensions that a tenant may have. Absent if unlimited.",
    unit="extensions", source="INFO config")
TENANT_DIDS_LIMIT = _tenant("softswitch_tenant_dids_limit",
    "Maximum numbers (DIDs) that a tenant may have. Absent if unlimited.",
    unit="numbers", source="INFO config")

# Polling. ``tenant`` is "" for the scope ``switch``.
QUERY_SUCCESS = _query_status("softswitch_query_success", "1 if the latest request returned a value, else 0.",
    unit="boolean")
QUERY_FAILURE = _query_status("softswitch_query_failure",
    "1 if the latest request failed. The label reason says why. Absent otherwise.",
    per="reason", unit="boolean")
QUERY_LAST_SUCCESS = _query_status("softswitch_query_last_success_timestamp_seconds",
    "Time of the latest value. Absent until the first one.", unit="seconds since 1970")
QUERY_INTERVAL = _gauge("softswitch_query_interval_seconds",
    "Configured interval between requests to the same target. If tenants differ, the shortest.",
    common="switch query scope", unit="seconds", source="the configuration")
QUERY_CYCLE = _gauge("softswitch_query_cycle_seconds",
    "Time from the start of the previous sweep over all targets to the start of the latest one.",
    common="switch query scope", unit="seconds")
REQUEST_DURATION = _histogram("softswitch_request_duration_seconds",
    "Time from sending a request until its response was complete, or until it failed.",
    common="switch query", unit="seconds", buckets=REQUEST_DURATION_BUCKETS)
REQUEST_FAILURES = _counter("softswitch_request_failures_total",
    "Requests that returned no value, by reason.",
    common="switch query reason", unit="requests")
EMPTY_ANSWERS = _counter("softswitch_empty_answers_total",
    "Empty responses, including those that counted as zero.",
    common="switch query", unit="responses")
ROWS_SKIPPED = _counter("softswitch_rows_skipped_total",
    "Rows in lists, and nodes in counts, that were skipped because they were unreadable.",
    common="switch query", unit="rows")
TARGETS_SKIPPED = _counter("softswitch_targets_skipped_total",
    "Targets that a sweep skipped, by reason: in_flight, backoff, breaker or budget.",
    common="switch query scope reason", unit="targets")
BREAKER_OPEN = _switch("softswitch_breaker_open",
    "1 while the circuit breaker is open: the switch does not respond and gets only occasional probes.",
    unit="boolean")
SERIES = _switch("softswitch_series", "Series stored for the switch.", unit="series")
SERIES_LIMITED = _switch("softswitch_series_limited", "1 while series are dropped to stay within max_series.",
    unit="boolean")

# Alerts that the exporter evaluates, and sends if the configuration has a section ``alerting``.
ALERTING_ALERTS = _gauge("softswitch_alerting_alerts", "Active alerts by state: pending or firing.",
    common="alertname state", unit="alerts")
ALERTING_NOTIFICATIONS = _sent("softswitch_alerting_notifications_total",
    "Alerts that an Alertmanager accepted. Each is sent repeatedly while it fires and for 15 minutes after.")
ALERTING_NOTIFICATION_ERRORS = _sent("softswitch_alerting_notifications_errors_total",
    "Alerts in messages that an Alertmanager did not accept. They are retried.")
ALERTING_NOTIFICATIONS_DROPPED = _sent("softswitch_alerting_notifications_dropped_total",
    "Alerts dropped because an Alertmanager rejected them as invalid, or because their end could not be "
    "delivered within 15 minutes.")
ALERTING_NOTIFICATIONS_LATENCY = _histogram("softswitch_alerting_notifications_latency_seconds",
    "Time to send a message of up to 256 alerts to an Alertmanager, successfully or not.",
    common="alertmanager", unit="seconds", buckets=LATENCY_BUCKETS)
ALERTING_NOTIFICATIONS_WAITING = _gauge("softswitch_alerting_notifications_waiting",
    "Alerts waiting to be sent to an Alertmanager, by kind: new if their start or end was never sent, else "
    "repeat. If new ones keep waiting, the Alertmanager is slow or does not respond.",
    common="alertmanager kind", unit="alerts")
ALERTING_CLOCK_SKEW = _gauge("softswitch_alerting_clock_skew_seconds",
    "How far the clock of an Alertmanager (its Date header) is ahead of the exporter's. Negative if behind.",
    common="alertmanager", unit="seconds")
ALERTING_STATE_FILE_ERRORS = _counter("softswitch_alerting_state_file_errors_total",
    "Failures to write the state file, or to read it at startup.", unit="failures")

# The exporter itself.
BUILD_INFO = _gauge("softswitch_exporter_build_info",
    "Always 1. Labels: the versions of the exporter and of Python.",
    common="version revision python_version", unit="boolean")
WEB_INFO = _gauge("softswitch_exporter_web_info",
    "Always 1, with --web.external-url in the label external_url; absent without that flag.",
    common="external_url", unit="boolean")
ACTIVE = _gauge("softswitch_exporter_active",
    "1 while this exporter polls, 0 while it stands by for another one. Absent without the section "
    "high_availability, until POST /-/activate or /-/standby is used.", unit="boolean")
LEASE_REACHABLE = _gauge("softswitch_exporter_lease_reachable",
    "1 if the latest attempt to use the Lease succeeded, else 0. Absent without a Lease.", unit="boolean")
LEASE_FAILURES = _counter("softswitch_exporter_lease_failures_total",
    "Failed attempts to use the Lease, by reason.", common="reason", unit="attempts")
CONFIG_RELOAD_SUCCESSFUL = _gauge("softswitch_exporter_config_last_reload_successful",
    "1 if the latest attempt to load the configuration succeeded, else 0.", unit="boolean")
CONFIG_RELOAD_TIMESTAMP = _gauge("softswitch_exporter_config_last_reload_success_timestamp_seconds",
    "Time at which the active configuration was loaded.", unit="seconds since 1970")
CONFIG_FILE_VALID = _gauge("softswitch_exporter_config_file_valid",
    "1 if the configuration file on disk is valid, 0 if the exporter would not start with it. It is read at "
    "each reload, and within a minute after it or a file that it names has changed.", unit="boolean")
LOG_LINES_DROPPED = _counter("softswitch_exporter_log_lines_dropped_total",
    "Log lines dropped because standard error could not be written fast enough, or at all.", unit="lines")

# fmt: on

METRICS: tuple[Metric, ...] = tuple(item for item in list(globals().values()) if isinstance(item, Metric))
"""All metrics, in the order of the docs and of ``/metrics``."""
