"""The exporter itself: does it reach the switches, how fresh is what it says, and what does it leave out."""

from grafana_foundation_sdk.models import dashboard as models

from exporter.metrics import catalogue
from exporter.metrics.catalogue import Metric
from grafana.board import Row, board, instance, job, switches
from grafana.panels import (
    CRITICAL,
    GOOD,
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
from grafana.words import ANY_IS_WARNING, NONE_OF_THEM, UP

_TARGET = 'job=~"$job",instance=~"$instance"'
_INSTANCE = 'instance=~"$instance"'
_OF_A_QUERY = "{{switch}} {{query}} {{scope}}"
_BREAKER = {0: Word("closed", GOOD), 1: Word("OPEN", CRITICAL)}
_DETAIL = {0: Word("complete", GOOD), 1: Word("LEFT OUT", WARNING)}
_QUARTER = Size(8, 8)


def _by_instance(metric: Metric) -> str:
    return f"max by (instance) ({select(metric, _INSTANCE)})"


def _each(metric: Metric) -> str:
    return newest(metric, EXPORTERS)


# Three times its pace is when a value is late, and goes away by default.
_AGE = f"max by (switch, query, scope) ({age(catalogue.QUERY_LAST_SUCCESS, EXPORTERS)})"
_INTERVAL = _each(catalogue.QUERY_INTERVAL)
_CYCLE = _each(catalogue.QUERY_CYCLE)
_PACE = f"({_CYCLE} > {_INTERVAL} or {_INTERVAL})"
_IN_PACES = f"{_AGE} / on (switch, query, scope) {_PACE}"


def _exporters() -> list[Built]:
    return [
        rows(
            "Exporters",
            "Each exporter of the job: whether Prometheus reaches it, and with what it runs.",
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
                    words={0: Word("NEWEST REFUSED", CRITICAL), 1: Word("loaded", GOOD)},
                ),
                Column(
                    "loaded", f"1000 * {_by_instance(catalogue.CONFIG_RELOAD_TIMESTAMP)}", "dateTimeFromNow"
                ),
                Column("scrape takes", f"max by (instance) (scrape_duration_seconds{{{_TARGET}}})", "s"),
                Column("samples", f"max by (instance) (scrape_samples_scraped{{{_TARGET}}})"),
            ],
            size=Size(12, 6),
            no_value="No exporter of this job is known",
            order=[("instance", False)],
        ),
        rows(
            "Switches as they are polled",
            "Breaker: a switch that does not answer at all is only probed. Detail: left out by max_series.",
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
        "What is asked of each switch. A pace is the longer of interval and cycle; "
        "a value that is three paces old is late, and goes away by default.",
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
                "age in paces",
                _IN_PACES,
                "none",
                1,
                steps=((None, GOOD), (1.5, WARNING), (3, CRITICAL)),
            ),
        ],
        size=Size(16, 10),
        no_value="Nothing is polled",
        order=[("failing", True), ("age in paces", True)],
    )


def _failing() -> Built:
    failing = _each(catalogue.QUERY_FAILURE)
    return rows(
        "Failing now, by reason",
        "How many targets failed in their newest attempt.",
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
            "Requests that give a value",
            "Share of the requests of each query.",
            Query(
                f"1 - sum by (switch, query) ({failed}) / (sum by (switch, query) ({sent}) > 0)",
                "{{switch}} {{query}}",
            ),
            size=_QUARTER,
            no_value="No request in this time",
            unit="percentunit",
        ),
        over_time(
            "Failures by reason",
            "Requests in a second that gave no value.",
            # Every reason of every query is counted from the start: what is 0 is too much to show.
            Query(f"max by (switch, query, reason) ({failed}) > 0", "{{switch}} {{query}} {{reason}}"),
            size=_QUARTER,
            no_value="No failure in this time",
            unit="reqps",
        ),
        over_time(
            "How long requests take",
            "95 of 100 take no longer. A healthy switch may take 20 seconds to count its peers.",
            Query(f"histogram_quantile(0.95, sum by (switch, query, le) ({bucket}))", "{{switch}} {{query}}"),
            size=_QUARTER,
            no_value="No request in this time",
            unit="s",
        ),
    ]


def _pace() -> list[Built]:
    skipped = rate(catalogue.TARGETS_SKIPPED, "", EXPORTERS)
    empty = rate(catalogue.EMPTY_ANSWERS, "", EXPORTERS)
    return [
        over_time(
            "Age of the oldest value, in paces",
            "A pace is the longer of interval and cycle. Dashed: at 3 a value is late, and goes.",
            Query(_IN_PACES, _OF_A_QUERY),
            size=_QUARTER,
            no_value="No value in this time",
            steps=((None, GOOD), (3, CRITICAL)),
        ),
        over_time(
            "Cycle against interval",
            "Above 1 a sweep takes longer than was asked for: max_requests_per_second is too low.",
            Query(f"{_CYCLE} / {_INTERVAL}", _OF_A_QUERY),
            size=_QUARTER,
            no_value="No sweep ended in this time",
            steps=((None, GOOD), (1.5, WARNING)),
        ),
        over_time(
            "Skipped targets and empty answers",
            "In a second. A target is skipped while its last request runs (in_flight), after failures "
            "(backoff, breaker) or for want of time (budget).",
            Query(f"max by (switch, query, scope, reason) ({skipped}) > 0", f"{_OF_A_QUERY} {{{{reason}}}}"),
            Query(f"max by (switch, query) ({empty}) > 0", "{{switch}} {{query}} empty"),
            size=_QUARTER,
            no_value="Nothing was skipped or empty",
            unit="cps",
        ),
        states(
            "Breaker",
            "While it is open the switch is only probed.",
            Query(_each(catalogue.BREAKER_OPEN), "{{switch}}"),
            size=Size(8, 7),
            no_value="No switch is polled",
            words=_BREAKER,
        ),
        over_time(
            "Series",
            "Held for each switch.",
            Query(_each(catalogue.SERIES), "{{switch}}"),
            size=Size(8, 7),
            no_value="No switch is polled",
        ),
        over_time(
            "How long scrapes take",
            "As Prometheus sees it.",
            Query(f"max by (instance) (scrape_duration_seconds{{{_TARGET}}})", "{{instance}}"),
            size=Size(8, 7),
            no_value="No scrape in this time",
            unit="s",
        ),
    ]


def all_exporters() -> models.Dashboard:
    """Return the dashboard of the exporters."""
    return board(
        "Exporter",
        "How polling goes: success, latency, age, and what is left out.",
        [job(), instance(), switches()],
        [
            Row("", [*_exporters(), _queries(), _failing()]),
            Row("Requests", _requests()),
            Row("Pace and size", _pace()),
        ],
        alerts=['switch=~"$switch|"'],
    )
