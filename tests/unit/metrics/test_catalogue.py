import re
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.metrics.catalogue import METRICS, REQUEST_DURATION_BUCKETS
from exporter.metrics.metric import Kind, Metric

# Design, section 3, by hand. Names, types and labels are what users' rules depend on.
_PINNED = """
softswitch_up gauge switch
softswitch_peers gauge switch
softswitch_channels gauge switch
softswitch_calls gauge switch
softswitch_node_peers gauge switch node
softswitch_node_channels gauge switch node
softswitch_node_present gauge switch node
softswitch_license_remaining_seconds gauge switch
softswitch_trunk_registered gauge switch tenant trunk
softswitch_trunks gauge switch tenant state
softswitch_peer_reachable gauge switch tenant peer
softswitch_peer_round_trip_seconds gauge switch tenant peer
softswitch_tenants gauge switch
softswitch_tenant_peers gauge switch tenant
softswitch_tenant_channels gauge switch tenant
softswitch_tenant_calls gauge switch tenant
softswitch_tenant_node_peers gauge switch tenant node
softswitch_tenant_node_channels gauge switch tenant node
softswitch_tenant_balance gauge switch tenant
softswitch_tenant_extensions gauge switch tenant state
softswitch_tenant_call_records_total counter switch tenant direction disposition
softswitch_tenant_call_records_seconds_total counter switch tenant direction
softswitch_tenant_devices gauge switch tenant state
softswitch_extension_registered gauge switch tenant extension
softswitch_extension_watched gauge switch tenant extension
softswitch_queue_calls_waiting gauge switch tenant queue
softswitch_queue_longest_wait_seconds gauge switch tenant queue
softswitch_queue_agents gauge switch tenant state queue
softswitch_queue_service_level_reported gauge switch tenant queue
softswitch_queue_calls_reported gauge switch tenant outcome queue
softswitch_tenant_queue_wait_threshold_seconds gauge switch tenant severity
softswitch_tenant_info gauge switch tenant name
softswitch_tenant_open gauge switch tenant
softswitch_tenant_balance_threshold gauge switch tenant severity
softswitch_tenant_registered_ratio_threshold gauge switch tenant severity
softswitch_license_remaining_threshold_seconds gauge switch severity
softswitch_node_channels_limit gauge switch node
softswitch_tenant_channels_limit gauge switch tenant
softswitch_tenant_extensions_limit gauge switch tenant
softswitch_tenant_dids_limit gauge switch tenant
softswitch_query_success gauge switch query scope tenant
softswitch_query_failure gauge switch query scope tenant reason
softswitch_query_last_success_timestamp_seconds gauge switch query scope tenant
softswitch_query_interval_seconds gauge switch query scope
softswitch_query_cycle_seconds gauge switch query scope
softswitch_request_duration_seconds histogram switch query
softswitch_request_failures_total counter switch query reason
softswitch_empty_answers_total counter switch query
softswitch_rows_skipped_total counter switch query
softswitch_targets_skipped_total counter switch query scope reason
softswitch_breaker_open gauge switch
softswitch_series gauge switch
softswitch_series_limited gauge switch
softswitch_alerting_alerts gauge alertname state
softswitch_alerting_notifications_total counter alertmanager
softswitch_alerting_notifications_errors_total counter alertmanager
softswitch_alerting_notifications_dropped_total counter alertmanager
softswitch_alerting_notifications_latency_seconds histogram alertmanager
softswitch_alerting_notifications_waiting gauge alertmanager kind
softswitch_alerting_clock_skew_seconds gauge alertmanager
softswitch_alerting_state_file_errors_total counter
softswitch_exporter_build_info gauge version revision python_version
softswitch_exporter_web_info gauge external_url
softswitch_exporter_active gauge
softswitch_exporter_lease_reachable gauge
softswitch_exporter_lease_failures_total counter reason
softswitch_exporter_config_last_reload_successful gauge
softswitch_exporter_config_last_reload_success_timestamp_seconds gauge
softswitch_exporter_config_file_valid gauge
softswitch_exporter_log_lines_dropped_total counter
"""


def test_every_pinned_metric_is_declared_and_nothing_else() -> None:
    """The catalogue and section 3 of the design agree on every name, type and label."""
    declared = [" ".join((metric.name, metric.kind, *metric.labels)) for metric in METRICS]

    assert sorted(declared) == sorted(_PINNED.split("\n")[1:-1])


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric: Metric) -> None:
    """Names are snake case, in base units, and only counters end with `_total`."""
    assert re.fullmatch(r"softswitch(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER)
    assert not re.search(r"_(ms|milliseconds|minutes|hours|days|weeks|percent)(_|$)", metric.name)
    assert metric.name.removesuffix("_total").endswith("_seconds") is metric.unit.startswith("seconds")
    for label in metric.labels:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", label)
        assert label not in {"job", "instance", "le", "quantile"}
    assert len(set(metric.labels)) == len(metric.labels)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_help_is_one_plain_line(metric: Metric) -> None:
    """No help text needs escaping, so it is the same in both formats."""
    assert not set('\\\n\r"') & set(metric.help)
    assert metric.meaning[0].isupper() or metric.meaning[0].isdigit()
    assert metric.meaning.endswith(".")
    assert metric.unit in metric.help
    assert metric.source in metric.help
    assert not metric.help.endswith("..")


def test_buckets() -> None:
    """The histogram has the pinned bounds, in order."""
    assert list(REQUEST_DURATION_BUCKETS) == sorted(set(REQUEST_DURATION_BUCKETS))
    assert (REQUEST_DURATION_BUCKETS[0], REQUEST_DURATION_BUCKETS[-1]) == (0.05, 120)
    assert {15, 20, 30, 45, 60} <= set(REQUEST_DURATION_BUCKETS)


def test_the_docs_are_up_to_date() -> None:
    """`docs/metrics.md` is the output of `make metrics-docs`."""
    root = Path(__file__).parents[3]

    done = subprocess.run(
        [sys.executable, "-m", "tests.metrics_docs"], cwd=root, capture_output=True, check=True
    )

    assert done.stdout.decode() == (root / "docs" / "metrics.md").read_text()
