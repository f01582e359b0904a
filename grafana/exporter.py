"""The exporter: whether it reaches the switches, how old its values are, and what it drops."""

from grafana_foundation_sdk.models import dashboard as models

from exporter.metrics import catalogue
from exporter.metrics.metric import Metric
from grafana import words
from grafana.board import Row, board, instance, job, switches
from grafana.delivery import delivery
from grafana.known import all_clear, listed, problems, silent
from grafana.panels import Built, Query, Size, over_time, scrolling, states
from grafana.promql import EXPORTERS, INSTANCES, age, newest, of_scrapes, rate, select, targets
from grafana.tables import Column, Label, rows
from grafana.words import Numbered, Word

_OF_A_QUERY = "{{switch}} {{query}} {{scope}}"
_BREAKER: Numbered = {0: Word("closed", words.GOOD), 1: Word("OPEN", words.CRITICAL)}
_DETAIL: Numbered = {0: Word("complete", words.GOOD), 1: Word("DROPPED", words.WARNING)}
_ACTIVE: Numbered = {0: Word("stands by", words.NEUTRAL), 1: Word("active", words.GOOD)}
_LEASE: Numbered = {0: Word("NOT USABLE", words.WARNING), 1: Word("usable", words.GOOD)}
_LOADED: Numbered = {0: Word("RELOAD FAILED", words.CRITICAL), 1: Word("loaded", words.GOOD)}
_THIRD = Size(8, 8)
_WIDE = Size(12, 9)


def _by_instance(metric: Metric) -> str:
    return f"max by (instance) ({select(metric, INSTANCES)})"


def _scraped(name: str, total: str = "max") -> str:
    """Return a series that Prometheus adds to each scrape; of several targets of an exporter, their total."""
    return f"max by (instance) ({of_scrapes(name, total, INSTANCES)})"


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
            "Whether Prometheus can scrape each exporter, its version and its configuration. Polls: whether "
            "it is active or stands by for another one. Lease: whether it could be used. Both are empty "
            "without high availability.",
            [Label("instance"), Label("version")],
            [
                Column(
                    "scraped",
                    problems(f"max by (instance) ({targets(INSTANCES)})", f"vector({words.NO_DATA})"),
                    words=words.UP,
                ),
                Column(
                    "build",
                    f"max by (instance, version) ({select(catalogue.BUILD_INFO, INSTANCES)})",
                    hidden=True,
                ),
                Column("polls", _by_instance(catalogue.ACTIVE), words=_ACTIVE),
                Column("Lease", _by_instance(catalogue.LEASE_REACHABLE), words=_LEASE),
                Column(
                    "configuration",
                    _by_instance(catalogue.CONFIG_RELOAD_SUCCESSFUL),
                    words=_LOADED,
                ),
                Column(
                    "loaded", f"1000 * {_by_instance(catalogue.CONFIG_RELOAD_TIMESTAMP)}", "dateTimeFromNow"
                ),
                Column("scrape duration", _scraped("scrape_duration_seconds"), "s"),
                Column("samples", _scraped("scrape_samples_scraped", "sum")),
            ],
            size=Size(13, 5),
            order=[("instance", False)],
        ),
        rows(
            "Polled switches",
            "Breaker open: the switch does not respond and is only probed. Detail dropped: see max_series.",
            [Label("switch")],
            [
                Column("breaker", listed(_each(catalogue.BREAKER_OPEN), matchers=EXPORTERS), words=_BREAKER),
                Column("detail", _each(catalogue.SERIES_LIMITED), words=_DETAIL),
                Column("series", _each(catalogue.SERIES)),
                Column("tenants", _each(catalogue.TENANTS)),
            ],
            size=Size(11, 5),
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
                listed(f"sum by (switch, query, scope) (1 - {success})", matchers=EXPORTERS),
                words=words.NONE_OF_THEM,
                steps=words.ANY_IS_WARNING,
            ),
            Column("oldest value", _AGE, "s", 0),
            Column("interval", _INTERVAL, "s"),
            Column("cycle", _CYCLE, "s", 1),
            Column(
                "age in intervals",
                _RELATIVE_AGE,
                "none",
                1,
                steps=((None, words.GOOD), (1.5, words.WARNING), (3, words.CRITICAL)),
            ),
        ],
        size=Size(16, 13),
        order=[("failing", True), ("age in intervals", True)],
    )


def _failing() -> Built:
    failing = _each(catalogue.QUERY_FAILURE)
    return rows(
        "Current failures by reason",
        "Targets whose last attempt failed. None: every switch responds, and every query succeeds.",
        [Label("switch"), Label("query"), Label("scope"), Label("reason")],
        [
            Column(
                "targets",
                problems(
                    f"count by (switch, query, scope, reason) ({failing})",
                    all_clear(queries=".+", matchers=EXPORTERS),
                ),
                words=words.NONE_FOUND,
            )
        ],
        size=Size(8, 13),
        order=[("targets", True)],
    )


def _requests() -> list[Built]:
    failed = rate(catalogue.REQUEST_FAILURES, "", EXPORTERS)
    sent = rate(catalogue.REQUEST_DURATION, "_count", EXPORTERS)
    bucket = rate(catalogue.REQUEST_DURATION, "_bucket", EXPORTERS)
    return [
        over_time(
            "Successful requests",
            "Share of the requests per switch that return a value.",
            Query(
                f"1 - sum by (switch) ({failed}) / (sum by (switch) ({sent}) > 0)",
                "{{switch}}",
            ),
            size=_THIRD,
            unit="percentunit",
        ),
        over_time(
            "Failures by reason",
            "Requests per second that returned no value. Dashed: of all reasons.",
            # Every reason of every query has a counter from the start: hide those at 0.
            Query(f"sum by (switch, reason) ({failed}) > 0", "{{switch}} {{reason}}"),
            Query(f"sum by (switch) ({failed})", "{{switch}}, all"),
            size=_THIRD,
            unit="reqps",
            dashed="B",
        ),
        scrolling(
            over_time(
                "Request duration",
                "The 95th percentile. A healthy switch can take 20 seconds to count its peers.",
                Query(
                    f"histogram_quantile(0.95, sum by (switch, query, le) ({bucket}))", "{{switch}} {{query}}"
                ),
                size=_THIRD,
                unit="s",
            )
        ),
    ]


def _polling() -> list[Built]:
    skipped = rate(catalogue.TARGETS_SKIPPED, "", EXPORTERS)
    empty = rate(catalogue.EMPTY_ANSWERS, "", EXPORTERS)
    return [
        scrolling(
            over_time(
                "Age of the oldest value, in intervals",
                "Relative to the interval, or to a longer cycle. Dashed: at 3, values are dropped.",
                Query(_RELATIVE_AGE, _OF_A_QUERY),
                size=_WIDE,
                steps=((None, words.GOOD), (3, words.CRITICAL)),
            )
        ),
        scrolling(
            over_time(
                "Cycle duration, in intervals",
                "Above 1, a sweep takes longer than its interval: max_requests_per_second is low.",
                Query(f"{_CYCLE} / {_INTERVAL}", _OF_A_QUERY),
                size=_WIDE,
                steps=((None, words.GOOD), (1.5, words.WARNING)),
            )
        ),
        scrolling(
            over_time(
                "Skipped targets and empty answers",
                "Per second. A target is skipped while its last request is running (in_flight), after "
                "failures (backoff, breaker) or if the request budget is used up (budget). Dashed: all.",
                Query(f"sum by (switch, scope, reason) ({skipped}) > 0", "{{switch}} {{scope}} {{reason}}"),
                Query(f"sum by (switch) ({skipped})", "{{switch}}, all"),
                Query(f"sum by (switch) ({empty}) > 0", "{{switch}} empty"),
                size=_WIDE,
                unit="cps",
                dashed="B",
            )
        ),
        states(
            "Circuit breaker",
            "While it is open, the switch is only probed.",
            Query(f"{_each(catalogue.BREAKER_OPEN)} or {silent(EXPORTERS)}", "{{switch}}"),
            size=_WIDE,
            words=_BREAKER,
        ),
        over_time(
            "Series",
            "Series per switch.",
            Query(_each(catalogue.SERIES), "{{switch}}"),
            size=Size(12, 7),
        ),
        over_time(
            "Scrape duration",
            "As measured by Prometheus. If each switch is a target of its own, the longest scrape.",
            Query(_scraped("scrape_duration_seconds"), "{{instance}}"),
            size=Size(12, 7),
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
            Row("Alerts of the exporters", delivery()),
        ],
        alerts=['switch=~"$switch|"'],
    )
