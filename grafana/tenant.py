"""One tenant: balance, phones, queues, calls, and the age of the values."""

from grafana_foundation_sdk.models import dashboard as models

from exporter.metrics import catalogue
from grafana.board import Row, board, job, one_switch, tenant
from grafana.panels import (
    CRITICAL,
    GOOD,
    LOW_BALANCE,
    NEUTRAL,
    SEVERITIES,
    WARNING,
    Built,
    Query,
    Size,
    Word,
    dial,
    figures,
    over_time,
    states,
)
from grafana.promql import SEVERE, TENANT, age, firing_since, newest, rate, recorded, select
from grafana.queues import queues
from grafana.tables import TO_RUNBOOK, Column, Label, rows

_BALANCE = newest(catalogue.TENANT_BALANCE, TENANT)
_FIGURE = Size(4, 4)
_IS_REGISTERED = 'state="registered"'
_IS_KNOWN = 'state=~"registered|unregistered"'
_IS_ANSWERED = 'disposition="answered"'
_ENDED = "switch_tenant_direction_disposition:softswitch_tenant_call_records:increase1h"
_REGISTERED = {0: Word("OFF", CRITICAL), 1: Word("registered", GOOD)}
_WELL = {0: Word("FAILING", CRITICAL), 1: Word("ok", GOOD)}


def _below(severity: str) -> str:
    threshold = newest(catalogue.TENANT_BALANCE_THRESHOLD, TENANT, f'severity="{severity}"')
    return f"{_BALANCE} < bool on (switch, tenant) group_right () {threshold}"


def _extensions(matcher: str) -> str:
    return f"sum by (switch, tenant) ({newest(catalogue.TENANT_EXTENSIONS, TENANT, matcher)})"


def _now() -> list[Built]:
    spent = recorded("switch_tenant:softswitch_tenant_spending:rate5m", TENANT, over="1h1s")
    return [
        figures(
            "Balance",
            "In the currency of the switch, and compared with the configured thresholds.",
            Query(_BALANCE, "balance"),
            Query(
                f"max by (switch, tenant) (2 * ({_below('critical')}) or {_below('warning')})", "thresholds"
            ),
            size=Size(6, 4),
            no_value="unknown",
            decimals=2,
            words={
                "B": {
                    0: Word("above both", GOOD),
                    1: Word("below warning", WARNING),
                    2: Word("BELOW CRITICAL", CRITICAL),
                }
            },
        ),
        figures(
            "Balance lasts",
            "At the spending of the last hour.",
            Query(
                f"({_BALANCE} > 0) / on (switch, tenant) (avg_over_time({spent}) > 0) / 3600", "balance lasts"
            ),
            size=_FIGURE,
            no_value="no spending",
            unit="suffix:hours",
            decimals=1,
            steps={"A": LOW_BALANCE},
        ),
        figures(
            "Phones registered",
            "Share of the phones in a known state that are registered.",
            Query(
                f"{_extensions(_IS_REGISTERED)} / ({_extensions(_IS_KNOWN)} > 0)",
                "registered",
            ),
            size=_FIGURE,
            no_value="not polled",
            unit="percentunit",
            decimals=0,
        ),
        figures(
            "Calls",
            "Calls in progress.",
            Query(newest(catalogue.TENANT_CALLS, TENANT), "calls"),
            size=Size(3, 4),
            no_value="unknown",
        ),
        dial(
            "Channel usage",
            "Share of the tenant's channel limit. Calls above the limit are refused.",
            Query(recorded("switch_tenant:softswitch_tenant_channels_used:ratio", TENANT), "used"),
            size=_FIGURE,
            no_value="no limit",
            steps=((None, GOOD), (0.8, WARNING), (0.9, CRITICAL)),
        ),
        figures(
            "Business hours",
            "Whether the tenant is open now, in its time zone.",
            Query(newest(catalogue.TENANT_OPEN, TENANT), "business hours"),
            size=Size(3, 4),
            no_value="not configured",
            words={"A": {0: Word("closed", NEUTRAL), 1: Word("open", NEUTRAL)}},
        ),
    ]


def _details() -> list[Built]:
    ages = f"min by (query) ({age(catalogue.QUERY_LAST_SUCCESS, TENANT)})"
    return [
        rows(
            "Firing alerts",
            "Alerts on this tenant, its phones and queues. Click a name for its runbook.",
            [
                Label("severity", words=SEVERITIES),
                Label("alertname", link=TO_RUNBOOK),
                Label("extension"),
                Label("queue"),
            ],
            [
                Column(
                    "since",
                    firing_since(SEVERE, TENANT, by="severity, alertname, extension, queue"),
                    unit="dateTimeFromNow",
                )
            ],
            size=Size(9, 7),
            no_value="Nothing fires",
            order=[("severity", False), ("since", True)],
        ),
        rows(
            "Query status",
            "Whether the last attempt of each query succeeded, and the age of its value.",
            [Label("query"), Label("reason")],
            [
                Column(
                    "last attempt",
                    f"max by (query) ({newest(catalogue.QUERY_SUCCESS, TENANT)})",
                    words=_WELL,
                ),
                Column("age of the value", ages, "s", 0),
                Column(
                    "failing",
                    # One exporter of a pair may succeed.
                    f"max by (query, reason) ({newest(catalogue.QUERY_FAILURE, TENANT)}) unless on (query) "
                    f"(max by (query) ({newest(catalogue.QUERY_SUCCESS, TENANT)}) == 1)",
                    hidden=True,
                ),
            ],
            size=Size(9, 7),
            no_value="Nothing is polled",
            order=[("last attempt", False), ("query", False)],
        ),
        rows(
            "Tenant details",
            "The name from the switch and the configured labels.",
            [],
            [
                Column(
                    "known",
                    f"max without (job, instance) ({select(catalogue.TENANT_INFO, TENANT)})",
                    hidden=True,
                )
            ],
            size=Size(6, 7),
            no_value="This tenant is not polled",
        ),
    ]


def _money() -> list[Built]:
    spending = "switch_tenant:softswitch_tenant_spending"
    return [
        over_time(
            "Balance and thresholds",
            "In the currency of the switch. Dashed: the alert thresholds.",
            Query(_BALANCE, "balance"),
            Query(newest(catalogue.TENANT_BALANCE_THRESHOLD, TENANT), "{{severity}}"),
            size=Size(12, 8),
            no_value="No data in this time range",
            dashed="B",
            colours={"critical": CRITICAL, "warning": WARNING},
        ),
        over_time(
            "Spending per hour",
            "In the currency of the switch, without top-ups. Dashed: the busiest hours of the week.",
            # Recorded every 5 and every 30 minutes: each range covers two samples.
            Query(
                f"3600 * last_over_time({recorded(f'{spending}:rate1h', TENANT, over='10m1s')})",
                "spent per hour",
            ),
            Query(
                f"3600 * last_over_time({recorded(f'{spending}:busy', TENANT, over='1h1s')})", "busiest hours"
            ),
            size=Size(12, 8),
            no_value="No spending data in this time range",
            dashed="B",
        ),
    ]


def _phones() -> list[Built]:
    registered = newest(catalogue.EXTENSION_REGISTERED, TENANT)
    watched = newest(catalogue.EXTENSION_WATCHED, TENANT)
    return [
        over_time(
            "Phones by state",
            "Custom and virtual extensions (not_applicable) cannot register.",
            Query(newest(catalogue.TENANT_EXTENSIONS, TENANT), "{{state}}"),
            size=Size(6, 8),
            no_value="Registrations are not polled",
            colours={"registered": GOOD, "unregistered": CRITICAL, "unknown": NEUTRAL},
        ),
        over_time(
            "Phones in use",
            "What phones are doing. A phone in a call or on hold is in use.",
            Query(newest(catalogue.TENANT_DEVICES, TENANT), "{{state}}"),
            size=Size(6, 8),
            no_value="Only with source: blf",
        ),
        states(
            "Watched phones",
            "When each watched phone was registered. Gaps: state unknown.",
            Query(f"{registered} and on (switch, tenant, extension) {watched}", "{{extension}}"),
            size=Size(7, 8),
            no_value="No phone is watched (watch)",
            words=_REGISTERED,
        ),
        rows(
            "Phones not registered",
            "Phones that are not registered now.",
            [Label("extension")],
            [
                Column("state", f"max by (extension) ({registered}) == 0", words=_REGISTERED),
                Column(
                    "watched",
                    f"max by (extension) ({watched}) and on (extension) {registered} == 0",
                    words={1: Word("watched", WARNING)},
                ),
            ],
            size=Size(5, 8),
            no_value="None",
            order=[("watched", True), ("extension", False)],
        ),
        *_limits(),
    ]


def _limits() -> list[Built]:
    limit = newest(catalogue.TENANT_EXTENSIONS_LIMIT, TENANT)
    return [
        dial(
            "Extension usage",
            "Share of the extension limit. Only polled extensions count: all of them with `extensions: all`.",
            Query(f"{_extensions('')} / ({limit} > 0)", "used"),
            size=Size(8, 4),
            no_value="no limit",
            steps=((None, GOOD), (0.9, WARNING), (1.0, CRITICAL)),
        ),
        figures(
            "Extension limit",
            "The most extensions that the tenant may have on the switch.",
            Query(limit, "extension limit"),
            size=Size(8, 4),
            no_value="no limit",
        ),
        figures(
            "Number limit",
            "The most numbers (DIDs) that the tenant may have on the switch.",
            Query(newest(catalogue.TENANT_DIDS_LIMIT, TENANT), "number limit"),
            size=Size(8, 4),
            no_value="no limit",
        ),
    ]


def _traffic() -> list[Built]:
    return [
        over_time(
            "Calls, compared with last week",
            "Calls in progress. Dashed: a week earlier.",
            Query(newest(catalogue.TENANT_CALLS, TENANT), "calls"),
            Query(newest(catalogue.TENANT_CALLS, TENANT, offset="1w"), "a week ago"),
            size=Size(12, 8),
            no_value="No data in this time range",
            dashed="B",
        ),
        over_time(
            "Channels and limit",
            "Channels in use. Dashed: the limit.",
            Query(newest(catalogue.TENANT_CHANNELS, TENANT), "channels"),
            Query(newest(catalogue.TENANT_CHANNELS_LIMIT, TENANT), "limit"),
            size=Size(12, 8),
            no_value="Channels per tenant are not polled",
            dashed="B",
        ),
        over_time(
            "Calls that ended, by outcome",
            "In the hour before: inbound, outbound and internal. Counted 10 to 15 minutes later.",
            Query(
                f"sum by (disposition) (last_over_time({recorded(_ENDED, TENANT, over='10m1s')}))",
                "{{disposition}}",
            ),
            size=Size(12, 8),
            no_value="Call records are not polled (call_records)",
            colours={"answered": GOOD, "failed": CRITICAL, "congestion": WARNING},
        ),
        over_time(
            "Average duration of answered calls",
            "By direction. For a long time range; calls longer than the delay of the query are not included.",
            Query(
                f"max by (direction) ({rate(catalogue.TENANT_CALL_RECORDS_SECONDS, '', TENANT)}) / "
                f"max by (direction) ({rate(catalogue.TENANT_CALL_RECORDS, '', TENANT, _IS_ANSWERED)})",
                "{{direction}}",
            ),
            size=Size(12, 8),
            no_value="Call records are not polled (call_records)",
            unit="s",
        ),
        over_time(
            "Peers by node",
            "A drop on one node and a rise on another is a failover. Dashed: all nodes.",
            Query(newest(catalogue.TENANT_NODE_PEERS, TENANT), "{{node}}"),
            Query(newest(catalogue.TENANT_PEERS, TENANT), "all nodes"),
            size=Size(12, 8),
            no_value="Peers per tenant are not polled",
            dashed="B",
        ),
        over_time(
            "Channels by node",
            "Only on switches that report channels per node.",
            Query(newest(catalogue.TENANT_NODE_CHANNELS, TENANT), "{{node}}"),
            size=Size(12, 8),
            no_value="No channels per node",
        ),
    ]


def one_tenant() -> models.Dashboard:
    """Return the dashboard of one tenant."""
    return board(
        "Tenant",
        "One tenant: balance, phones, queues and calls. Needs the rules in alerts/.",
        [job(), one_switch(), tenant()],
        [
            Row("", [*_now(), *_details()]),
            Row("Money", _money()),
            Row("Phones", _phones()),
            Row("Queues", queues()),
            Row("Traffic", _traffic()),
        ],
        alerts=['switch=~"$switch|"', 'tenant=~"$tenant|"'],
    )
