"""The exporter: whether it reaches the switches, how old its values are, and what it drops."""

from grafana_foundation_sdk.models import dashboard as models

from exporter.metrics import catalogue
from exporter.metrics.catalogue import Metric
from grafana.board import Row, board, instance, job, switches
from grafana.panels import (
    ANY_IS_WARNING,
    CRITICAL,
    GOOD,
    NONE_OF_THEM,
    UP,
    WARNING,
    Built,
    Query,
    Size,
    Word,
    over_time,
    states,
)
from grafana.promql import EXPORTERS, age, newest, rate, select
from grafana.tables import Column, Label, rows

_TARGET = 'job=~"$job",instance=~"$instance"'
_INSTANCE = 'instance=~"$instance"'
_OF_A_QUERY = "{{switch}} {{query}} {{scope}}"
_BREAKER = {0: Word("closed", GOOD), 1: Word("OPEN", CRITICAL)}
_DETAIL = {0: Word("complete", GOOD), 1: Word("DROPPED", WARNING)}
_QUARTER = Size(8, 8)


def _by_instance(metric: Metric) -> str:
    return f"max by (instance) ({select(metric, _INSTANCE)})"


def _each(metric: Metric) -> str:
    return newest(metric, EXPORTERS)


_AGE = f"max by (switch, query, scope) ({age(catalogue.QUERY_LAST_SUCCESS, EXPORTERS)})"
_INTERVAL = _each(catalogue.QUERY_INTERVAL)
_CYCLE = _each(catalogue.QUERY_CYCLE)
_EXPECTED = f"({_CYCLE} > {_INTERVAL} or {_INTERVAL})"
_RELATIVE_AGE = f"{_AGE} / on (switch, query, scope) {_EXPECTED}"


def _exporters() -> list[Built]:
    return [
        rows(
            "Exporters",
            "Whether Prometheus can scrape each exporter, its version and its configuration.",
            [Label("instance"), Label("version")],
            [
                Column(
                    "scraped",
                    f"max by (instance) (up{{{_TARGET}}})",
                    words=UP,
                ),
                Column(
                    "build",
                    f"max by (instance, version) ({select(catalogue.BUILD_INFO, _INSTANCE)})",
                    hidden=True,
                ),
                Column(
                    "configuration",
                    _by_instance(catalogue.CONFIG_RELOAD_SUCCESSFUL),
                    words={0: Word("RELOAD FAILED", CRITICAL), 1: Word("loaded", GOOD)},
                ),
                Column(
                    "loaded", f"1000 * {_by_instance(catalogue.CONFIG_RELOAD_TIMESTAMP)}", "dateTimeFromNow"
                ),
                Column("scrape duration", f"max by (instance) (scrape_duration_seconds{{{_TARGET}}})", "s"),
                Column("samples", f"max by (instance) (scrape_samples_scraped{{{_TARGET}}})"),
            ],
            size=Size(12, 6),
            no_value="No exporter of this job found",
            order=[("instance", False)],
        ),
        rows(
            "Polled switches",
            "Breaker open: the switch does not respond and is only probed. Detail dropped: see max_series.",
            [Label("switch")],
            [
                Column("breaker", _each(catalogue.BREAKER_OPEN), words=_BREAKER),
                Column("detail", _each(catalogue.SERIES_LIMITED), words=_DETAIL),
                Column("series", _each(catalogue.SERIES)),
                Column("tenants", _each(catalogue.TENANTS)),
            ],
            size=Size(12, 6),
            no_value="No switch is polled",
            order=[("breaker", True), ("switch", False)],
        ),
    ]


def _queries() -> Built:
    success = _each(catalogue.QUERY_SUCCESS)
    return rows(
        "Queries",
        "Age in intervals: relative to the interval, or to the cycle if that is longer. "
        "By default, a value is stale and dropped at 3.",
        [Label("switch"), Label("query"), Label("scope")],
        [
            Column("targets", f"count by (switch, query, scope) ({success})"),
            Column(
                "failing",
                f"count by (switch, query, scope) ({success}) - sum by (switch, query, scope) ({success})",
                words=NONE_OF_THEM,
                steps=ANY_IS_WARNING,
            ),
            Column("oldest value", _AGE, "s", 0),
            Column("interval", _INTERVAL, "s"),
            Column("cycle", _CYCLE, "s", 1),
            Column(
                "age in intervals",
                _RELATIVE_AGE,
                "none",
                1,
                steps=((None, GOOD), (1.5, WARNING), (3, CRITICAL)),
            ),
        ],
        size=Size(16, 10),
        no_value="Nothing is polled",
        order=[("failing", True), ("age in intervals", True)],
    )


def _failing() -> Built:
    failing = _each(catalogue.QUERY_FAILURE)
    return rows(
        "Current failures by reason",
        "Targets whose last attempt failed.",
        [Label("switch"), Label("query"), Label("scope"), Label("reason")],
        [Column("targets", f"count by (switch, query, scope, reason) ({failing})")],
        size=Size(8, 10),
        no_value="Nothing fails",
        order=[("targets", True)],
    )


def _requests() -> list[Built]:
    failed = rate(catalogue.REQUEST_FAILURES, "", EXPORTERS)
    sent = rate(catalogue.REQUEST_DURATION, "_count", EXPORTERS)
    bucket = rate(catalogue.REQUEST_DURATION, "_bucket", EXPORTERS)
    return [
        over_time(
            "Successful requests",
            "Share of the requests per query that return a value.",
            Query(
                f"1 - sum by (switch, query) ({failed}) / (sum by (switch, query) ({sent}) > 0)",
                "{{switch}} {{query}}",
            ),
            size=_QUARTER,
            no_value="No requests in this time range",
            unit="percentunit",
        ),
        over_time(
            "Failures by reason",
            "Requests per second that returned no value.",
            # Every reason of every query has a counter from the start: hide those at 0.
            Query(f"max by (switch, query, reason) ({failed}) > 0", "{{switch}} {{query}} {{reason}}"),
            size=_QUARTER,
            no_value="No failures in this time range",
            unit="reqps",
        ),
        over_time(
            "Request duration",
            "The 95th percentile. A healthy switch can take 20 seconds to count its peers.",
            Query(f"histogram_quantile(0.95, sum by (switch, query, le) ({bucket}))", "{{switch}} {{query}}"),
            size=_QUARTER,
            no_value="No requests in this time range",
            unit="s",
        ),
    ]


def _polling() -> list[Built]:
    skipped = rate(catalogue.TARGETS_SKIPPED, "", EXPORTERS)
    empty = rate(catalogue.EMPTY_ANSWERS, "", EXPORTERS)
    return [
        over_time(
            "Age of the oldest value, in intervals",
            "Relative to the interval, or to the cycle if it is longer. Dashed: at 3, values are dropped.",
            Query(_RELATIVE_AGE, _OF_A_QUERY),
            size=_QUARTER,
            no_value="No values in this time range",
            steps=((None, GOOD), (3, CRITICAL)),
        ),
        over_time(
            "Cycle duration, in intervals",
            "Above 1, a sweep takes longer than its interval: max_requests_per_second is too low.",
            Query(f"{_CYCLE} / {_INTERVAL}", _OF_A_QUERY),
            size=_QUARTER,
            no_value="No sweep ended in this time range",
            steps=((None, GOOD), (1.5, WARNING)),
        ),
        over_time(
            "Skipped targets and empty answers",
            "Per second. A target is skipped while its last request is running (in_flight), after failures "
            "(backoff, breaker) or if the request budget is used up (budget).",
            Query(f"max by (switch, query, scope, reason) ({skipped}) > 0", f"{_OF_A_QUERY} {{{{reason}}}}"),
            Query(f"max by (switch, query) ({empty}) > 0", "{{switch}} {{query}} empty"),
            size=_QUARTER,
            no_value="Nothing skipped or empty",
            unit="cps",
        ),
        states(
            "Circuit breaker",
            "While it is open, the switch is only probed.",
            Query(_each(catalogue.BREAKER_OPEN), "{{switch}}"),
            size=Size(8, 7),
            no_value="No switch is polled",
            words=_BREAKER,
        ),
        over_time(
            "Series",
            "Series per switch.",
            Query(_each(catalogue.SERIES), "{{switch}}"),
            size=Size(8, 7),
            no_value="No switch is polled",
        ),
        over_time(
            "Scrape duration",
            "As measured by Prometheus.",
            Query(f"max by (instance) (scrape_duration_seconds{{{_TARGET}}})", "{{instance}}"),
            size=Size(8, 7),
            no_value="No scrapes in this time range",
            unit="s",
        ),
    ]


def all_exporters() -> models.Dashboard:
    """Return the dashboard of the exporters."""
    return board(
        "Exporter",
        "Polling: success, latency, age of values, and dropped detail.",
        [job(), instance(), switches()],
        [
            Row("", [*_exporters(), _queries(), _failing()]),
            Row("Requests", _requests()),
            Row("Polling and size", _polling()),
        ],
        alerts=['switch=~"$switch|"'],
    )
