"""A real Prometheus scrapes the exporter, which polls frozen simulated switches."""

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from exporter import __version__
from exporter.metrics import catalogue
from exporter.metrics.catalogue import METRICS, REQUEST_DURATION_BUCKETS
from exporter.metrics.metric import Kind, Metric
from exporter.model import Query, Reason, Scope, SkipReason
from tests.e2e import three_switches
from tests.e2e.full_configuration import (
    ALERTING,
    UNREACHABLE_URL,
    configuration,
    wait_for_rounds,
    wait_until_healthy,
)
from tests.e2e.programs import (
    Exporter,
    Series,
    Simulator,
    running_programs,
    start_exporter,
    start_simulator,
    wait_until,
)
from tests.e2e.prometheus import Prometheus, start_prometheus
from tests.e2e.three_switches import POLLED, Expected, Scrape, Truths, expected_series


@dataclass(frozen=True)
class _Observed:
    """The series in Prometheus without faults, and with some."""

    truths: Truths
    healthy: Scrape
    healthy_at: float
    failing: Scrape


@pytest.fixture(scope="module")
def observed(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Iterator[_Observed]:
    """Run everything once; a node of each switch goes missing."""
    executable = require_program("prometheus", "prometheus")
    directory = tmp_path_factory.mktemp("prometheus")
    with running_programs(directory) as run:
        formats = ("--channels=total", "--license=sentence", "--regstate-parameter=id")
        north = start_simulator(run, "--tenants=4", "--nodes=4", "--extensions=6", "--seed=7")
        south = start_simulator(run, "--tenants=2", "--nodes=3", "--extensions=4", "--seed=11", *formats)
        options = ("--option=trunks_as_peers=yes", "--seed=13")
        west = start_simulator(run, "--tenants=2", "--nodes=2", "--extensions=9", *options)
        _freeze(north, south, west)
        switches = (
            three_switches.north(north.url),
            three_switches.south(south.url),
            three_switches.west(west.url),
        )
        text = configuration(*switches, alerting=ALERTING)
        exporter = start_exporter(run, directory / "config.yaml", text)
        prometheus = start_prometheus(run, executable, directory, exporter)
        wait_until_healthy(exporter)
        north.change_world(nodes={"pbx4": False})
        south.change_world(nodes={"pbx3": False})
        for simulator in (north, south, west):
            wait_for_rounds(simulator)
        wait_until_healthy(exporter)
        healthy_at = prometheus.after_two_scrapes(time.time())
        healthy = _scrape(prometheus, healthy_at)
        truths = {"north": north.truth(), "south": south.truth(), "west": west.truth()}
        failing = _scrape_with_faults(north, exporter, prometheus)
        yield _Observed(truths, healthy, healthy_at, failing)
        for simulator in (north, south, west):
            simulator.assert_no_forbidden_requests()


def _freeze(north: Simulator, south: Simulator, west: Simulator) -> None:
    north.change_world(
        freeze=True,
        license_days=37,
        dropped=0.4,
        tenants={
            "ACME": {"calls": 3, "balance": -12.3456},
            "BOREAL": {"calls": 0, "max_channels": 17},
            "CINDER": {"calls": 2, "max_channels": 19},
            "DELTA9": {"max_channels": -1, "balance": 0},
        },
    )
    south.change_world(freeze=True, license_days=-3, tenants={"ACME": {"calls": 1}, "BOREAL": {"calls": 2}})
    west.change_world(
        freeze=True,
        license_days=400,
        trunks={"northwind": False},
        tenants={
            "ACME": {
                "calls": 4,
                "queues": {
                    "1000": {"waiting": 2, "longest_wait": 41, "online": 3, "paused": 1},
                    "1001": {"waiting": 0, "online": 2, "paused": 0},
                },
            },
            "BOREAL": {"calls": 1},
        },
    )


def _scrape_with_faults(north: Simulator, exporter: Exporter, prometheus: Prometheus) -> Scrape:
    north.inject_fault(kind="refuse_key", info="balance", tenant="ACME")
    north.inject_fault(kind="status", reqtype="LICENSEDAYS")

    def failed() -> bool:
        return "softswitch_query_failure{" in exporter.metrics() and all(
            exporter.value("softswitch_query_success", switch="north", query=query, scope=scope, tenant=code)
            == 0
            for query, scope, code in (("balance", "tenant", "ACME"), ("license", "switch", ""))
        )

    wait_until(failed, 60, "both failures")
    return _scrape(prometheus, prometheus.after_two_scrapes(time.time()))


def _scrape(prometheus: Prometheus, at: float) -> Scrape:
    """Return the series of each metric of the catalogue."""
    return {
        metric: prometheus.series(f'{{__name__=~"{metric.name}(_bucket|_sum|_count)?"}}', at)
        if metric.kind is Kind.HISTOGRAM
        else prometheus.series(metric.name, at)
        for metric in METRICS
    }


_COMPARED = (
    catalogue.UP,
    catalogue.PEERS,
    catalogue.CHANNELS,
    catalogue.CALLS,
    catalogue.NODE_PEERS,
    catalogue.NODE_CHANNELS,
    catalogue.NODE_PRESENT,
    catalogue.LICENSE_REMAINING,
    catalogue.TRUNK_REGISTERED,
    catalogue.TRUNKS,
    catalogue.PEER_REACHABLE,
    catalogue.PEER_ROUND_TRIP,
    catalogue.TENANTS,
    catalogue.TENANT_PEERS,
    catalogue.TENANT_CHANNELS,
    catalogue.TENANT_CALLS,
    catalogue.TENANT_NODE_PEERS,
    catalogue.TENANT_NODE_CHANNELS,
    catalogue.TENANT_BALANCE,
    catalogue.TENANT_EXTENSIONS,
    catalogue.TENANT_DEVICES,
    catalogue.EXTENSION_REGISTERED,
    catalogue.EXTENSION_WATCHED,
    catalogue.QUEUE_CALLS_WAITING,
    catalogue.QUEUE_LONGEST_WAIT,
    catalogue.QUEUE_AGENTS,
    catalogue.QUEUE_SERVICE_LEVEL,
    catalogue.QUEUE_CALLS_REPORTED,
    catalogue.TENANT_INFO,
    catalogue.TENANT_OPEN,
    catalogue.TENANT_BALANCE_THRESHOLD,
    catalogue.TENANT_REGISTERED_RATIO_THRESHOLD,
    catalogue.TENANT_QUEUE_WAIT_THRESHOLD,
    catalogue.LICENSE_REMAINING_THRESHOLD,
    catalogue.NODE_CHANNELS_LIMIT,
    catalogue.TENANT_CHANNELS_LIMIT,
    catalogue.TENANT_EXTENSIONS_LIMIT,
    catalogue.TENANT_DIDS_LIMIT,
    catalogue.QUERY_SUCCESS,
    catalogue.QUERY_INTERVAL,
    catalogue.BREAKER_OPEN,
    catalogue.SERIES_LIMITED,
)

_ALERTING = [metric for metric in METRICS if metric.name.startswith("softswitch_alerting_")]

_NOT_COMPARED: Mapping[Metric, str] = {
    **dict.fromkeys(_ALERTING, "about the exporter: the failed notifications of its watchdog"),
    catalogue.QUERY_FAILURE: "absent without faults: compared with faults",
    catalogue.TENANT_CALL_RECORDS: "uses real time: compared in test_call_records.py",
    catalogue.TENANT_CALL_RECORDS_SECONDS: "likewise",
    catalogue.QUERY_LAST_SUCCESS: "a time: labels, and within the last minute",
    catalogue.QUERY_CYCLE: "measured by the exporter: labels, and near the interval",
    catalogue.REQUEST_DURATION: "measured by the exporter: labels, buckets, and that they add up",
    catalogue.REQUEST_FAILURES: "counted since the start: labels, and with faults",
    catalogue.EMPTY_ANSWERS: "depends on the number of requests: labels, and not below 0",
    catalogue.ROWS_SKIPPED: "no invalid rows here: counted in tests/unit/poll/test_ingest.py",
    catalogue.TARGETS_SKIPPED: "depends on the load of the machine: labels, and not below 0",
    catalogue.SERIES: "compared with the number of series",
    catalogue.BUILD_INFO: "about the exporter: labels",
    catalogue.WEB_INFO: "absent without --web.external-url: served in test_formats.py",
    catalogue.ACTIVE: "absent without high_availability: compared in test_lease_alerts.py",
    catalogue.LEASE_REACHABLE: "absent without a Lease: compared in test_lease_partitions.py",
    catalogue.LEASE_FAILURES: "likewise",
    catalogue.CONFIG_RELOAD_SUCCESSFUL: "about the exporter: 1",
    catalogue.CONFIG_FILE_VALID: "likewise",
    catalogue.CONFIG_RELOAD_TIMESTAMP: "a time: within the last minutes",
    catalogue.LOG_LINES_DROPPED: "about the exporter: 0",
}


def test_every_metric_of_the_catalogue_is_compared() -> None:
    """Or exempted with a reason."""
    assert {*_COMPARED, *_NOT_COMPARED} == set(METRICS)
    assert not set(_COMPARED) & _NOT_COMPARED.keys()


@pytest.mark.parametrize("metric", _COMPARED, ids=lambda metric: metric.name)
def test_prometheus_has_the_true_values(metric: Metric, observed: _Observed) -> None:
    """With the same labels, and no other series."""
    expected = expected_series(observed.truths).get(metric)
    assert expected, f"add the true value of {metric.name} in tests/e2e/three_switches.py"
    assert observed.healthy[metric] == pytest.approx(expected, rel=1e-12, abs=0)


def test_the_true_values_differ(observed: _Observed) -> None:
    """They include idle and busy tenants, both states of phones, debts and an expired license."""
    expected = expected_series(observed.truths)
    assert min(expected[catalogue.TENANT_CALLS].values()) == 0
    assert min(expected[catalogue.TENANT_BALANCE].values()) < 0
    assert min(expected[catalogue.LICENSE_REMAINING].values()) < 0
    assert set(expected[catalogue.EXTENSION_REGISTERED].values()) == {0, 1}
    assert set(expected[catalogue.TRUNK_REGISTERED].values()) == {0, 1}
    assert set(expected[catalogue.PEER_REACHABLE].values()) == {0, 1}
    assert max(expected[catalogue.TENANT_DEVICES].values()) > 0
    assert {0, 2} <= set(expected[catalogue.QUEUE_CALLS_WAITING].values())
    assert len(set(expected[catalogue.PEERS].values())) == len(observed.truths)


def _labels(series: dict[Series, float]) -> set[tuple[tuple[str, str], ...]]:
    return {tuple(sorted(labels)) for _, labels in series}


def _named(**labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, text) for name, text in labels.items() if text))


def _targets() -> Iterator[tuple[str, str, str, str]]:
    for name, tenants in POLLED.items():
        for code, asked in tenants.items():
            for query in asked:
                yield name, query, "tenant" if code else "switch", code


def test_every_target_has_a_recent_success(observed: _Observed) -> None:
    """Within the last minute."""
    series = observed.healthy[catalogue.QUERY_LAST_SUCCESS]
    assert _labels(series) == {
        _named(switch=name, query=query, scope=scope, tenant=code) for name, query, scope, code in _targets()
    }
    # The timestamp of a scrape is its start: a response during the scrape (1 s at most) is newer.
    assert all(-1 <= observed.healthy_at - at < 60 for at in series.values()), series


def test_cycles_are_as_long_as_their_intervals(observed: _Observed) -> None:
    """For each query and scope, about as long as configured."""
    series = observed.healthy[catalogue.QUERY_CYCLE]
    assert _labels(series) == {
        _named(switch=name, query=query, scope=scope) for name, query, scope, _ in _targets()
    }
    assert all(0.5 < cycle < 20 for cycle in series.values()), series


def test_histograms_of_request_durations(observed: _Observed) -> None:
    """Each query has one with the buckets of the catalogue, and it is consistent."""
    series = observed.healthy[catalogue.REQUEST_DURATION]
    histograms: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
    for (name, labels), value in series.items():
        if name.endswith("_bucket"):
            named = dict(labels)
            histograms.setdefault(_named(**named | {"le": ""}), {})[float(named["le"])] = value
    assert histograms.keys() == {_named(switch=name, query=query) for name, query, _, _ in _targets()}
    for named_labels, buckets in histograms.items():
        assert sorted(buckets) == [*REQUEST_DURATION_BUCKETS, float("inf")]
        assert sorted(buckets.values()) == [buckets[bound] for bound in sorted(buckets)]
        count = series["softswitch_request_duration_seconds_count", frozenset(named_labels)]
        assert buckets[float("inf")] == count > 0
        assert 0 < series["softswitch_request_duration_seconds_sum", frozenset(named_labels)] < 5 * count
    assert len(series) == len(histograms) * (len(REQUEST_DURATION_BUCKETS) + 3)


def test_counters_exist_from_the_start(observed: _Observed) -> None:
    """Each counter has every reason for each query, so that the first increase is seen."""
    failures = observed.healthy[catalogue.REQUEST_FAILURES]
    assert _labels(failures) == {
        _named(switch=name, query=query, reason=reason)
        for name, query, _, _ in _targets()
        for reason in Reason
    }
    empties = observed.healthy[catalogue.EMPTY_ANSWERS]
    assert _labels(empties) == {_named(switch=name, query=query) for name, query, _, _ in _targets()}
    skips = observed.healthy[catalogue.TARGETS_SKIPPED]
    assert _labels(skips) == {
        _named(switch=name, query=query, scope=scope, reason=reason)
        for name, query, scope, _ in _targets()
        for reason in SkipReason
    }
    assert min(*failures.values(), *empties.values(), *skips.values()) == 0
    # Only idle tenants and missing nodes had no value.
    assert {dict(labels)["reason"] for (_, labels), count in failures.items() if count} <= {"empty"}
    assert empties["softswitch_empty_answers_total", frozenset({"switch": "north", "query": "calls"}.items())]


def test_the_number_of_series(observed: _Observed) -> None:
    """``softswitch_series`` counts the series made from the responses and settings of a switch."""
    kept_elsewhere = {
        catalogue.REQUEST_DURATION,
        catalogue.REQUEST_FAILURES,
        catalogue.EMPTY_ANSWERS,
        catalogue.ROWS_SKIPPED,
        catalogue.TARGETS_SKIPPED,
        catalogue.BREAKER_OPEN,
    }
    for name in POLLED:
        count = sum(
            dict(labels).get("switch") == name
            for metric, series in observed.healthy.items()
            if metric not in kept_elsewhere
            for _, labels in series
        )
        label = frozenset({"switch": name}.items())
        assert observed.healthy[catalogue.SERIES]["softswitch_series", label] == count


def test_build_and_configuration_metrics(observed: _Observed) -> None:
    """Versions, and the result and time of the last reload."""
    assert _labels(observed.healthy[catalogue.BUILD_INFO]) == {
        _named(version=__version__, python_version=platform.python_version())
    }
    for metric in (catalogue.CONFIG_RELOAD_SUCCESSFUL, catalogue.CONFIG_FILE_VALID):
        assert observed.healthy[metric] == {(metric.name, frozenset()): 1}
    (loaded,) = observed.healthy[catalogue.CONFIG_RELOAD_TIMESTAMP].values()
    assert 0 < observed.healthy_at - loaded < 120


def test_metrics_of_alerting_without_an_alertmanager(observed: _Observed) -> None:
    """Only the watchdog fires; its notifications are counted as failed, not as dropped."""
    alerts = observed.healthy[catalogue.ALERTING_ALERTS]
    assert {dict(labels)["state"] for _, labels in alerts} == {"pending", "firing"}
    # Other alerts are pending if an evaluation sees the missing nodes before the scrape.
    firing = {
        labels["alertname"]
        for labels, count in ((dict(labels), count) for (_, labels), count in alerts.items())
        if count and labels["state"] == "firing"
    }
    assert firing == {"SoftswitchWatchdog"}
    label = frozenset({"alertmanager": UNREACHABLE_URL}.items())
    latency = observed.healthy[catalogue.ALERTING_NOTIFICATIONS_LATENCY]
    assert latency["softswitch_alerting_notifications_latency_seconds_count", label] >= 1
    for metric, fails in (
        (catalogue.ALERTING_NOTIFICATIONS, False),
        (catalogue.ALERTING_NOTIFICATION_ERRORS, True),
        (catalogue.ALERTING_NOTIFICATIONS_DROPPED, False),
    ):
        ((name, labels),) = observed.healthy[metric]
        assert (name, labels) == (metric.name, label)
        assert (observed.healthy[metric][name, labels] > 0) is fails
    name = catalogue.ALERTING_STATE_FILE_ERRORS.name
    assert observed.healthy[catalogue.ALERTING_STATE_FILE_ERRORS] == {(name, frozenset()): 0}
    name = catalogue.LOG_LINES_DROPPED.name
    assert observed.healthy[catalogue.LOG_LINES_DROPPED] == {(name, frozenset()): 0}


def test_failures_have_their_reason(observed: _Observed) -> None:
    """Exactly the failing targets have a failure."""
    assert observed.healthy[catalogue.QUERY_FAILURE] == {}
    expected = Expected()
    failing = (("balance", Scope.TENANT, "ACME", Reason.AUTH), ("license", Scope.SWITCH, "", Reason.HTTP))
    for query, scope, code, reason in failing:
        expected.add(catalogue.QUERY_FAILURE, 1, "north", query, scope, code, reason)
    assert observed.failing[catalogue.QUERY_FAILURE] == expected.families[catalogue.QUERY_FAILURE]
    unsuccessful = {
        labels for labels, success in observed.failing[catalogue.QUERY_SUCCESS].items() if not success
    }
    assert {labels for _, labels in unsuccessful} == {
        frozenset(_named(switch="north", query=query, scope=scope, tenant=code))
        for query, scope, code, _ in failing
    }


def test_a_failure_changes_no_value(observed: _Observed) -> None:
    """Also for the failing targets; the failures are counted."""
    for metric in _COMPARED:
        if metric is not catalogue.QUERY_SUCCESS:
            assert observed.failing[metric] == observed.healthy[metric], metric.name
    counted = observed.failing[catalogue.REQUEST_FAILURES]
    for query, reason in ((Query.BALANCE, Reason.AUTH), (Query.LICENSE, Reason.HTTP)):
        labels = frozenset(_named(switch="north", query=query, reason=reason))
        assert counted["softswitch_request_failures_total", labels] >= 1
