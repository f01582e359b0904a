"""One tenant: balance, phones, queues, calls, and the age of the values."""

from grafana_foundation_sdk.models import dashboard as models

from exporter.metrics import catalogue
from exporter.metrics.metric import Metric
from grafana import words
from grafana.alerts import alert_history, alert_table
from grafana.board import Row, board, exporter_page, exporter_url, job, one_switch, team, tenant
from grafana.known import ALERTS, IS_THERE, RECORDS, all_clear_of_tenant, figure, of_tenant, untried
from grafana.panels import HALF, Built, Query, Size, dial, figures, over_time
from grafana.promql import BELOW_THRESHOLD, TENANT, age, newest, recorded, select, verdict
from grafana.tables import Column, Label, rows
from grafana.tenant_rows import REGISTERED_SHARE, phones, queues, traffic
from grafana.words import Numbered, Word

_BALANCE = newest(catalogue.TENANT_BALANCE, TENANT)
_FIGURE = Size(4, 4)
_WELL: Numbered = {0: Word("FAILING", words.CRITICAL), 1: Word("ok", words.GOOD)}


def _below(value: str, metric: Metric) -> str:
    """Return how a value compares to its thresholds, without labels."""
    return figure(verdict("", value, BELOW_THRESHOLD, metric, TENANT), (f"count({value})", words.NOT_SET))


def _now() -> list[Built]:
    spent = recorded("switch_tenant:softswitch_tenant_spending:rate5m", TENANT, over="1h1s")
    channels = newest(catalogue.TENANT_CHANNELS, TENANT)
    limit = newest(catalogue.TENANT_CHANNELS_LIMIT, TENANT)
    balance_is_known = f"count({_BALANCE})"
    return [
        figures(
            "Balance",
            "In the currency of the switch, and compared with the configured thresholds.",
            Query(of_tenant(catalogue.TENANT_BALANCE, untried("balance")), "balance"),
            Query(_below(_BALANCE, catalogue.TENANT_BALANCE_THRESHOLD), "thresholds"),
            size=Size(6, 4),
            decimals=2,
            words={"B": words.BELOW},
        ),
        figures(
            "Balance lasts",
            "At the spending of the last hour. Colors: the hours of SoftswitchBalanceRunningOut.",
            Query(
                figure(
                    f"max(({_BALANCE} > 0) / on (switch, tenant) (avg_over_time({spent}) > 0) / 3600)",
                    (f"({balance_is_known} unless {RECORDS})", words.NO_RULES),
                    (f"({balance_is_known} and count(avg_over_time({spent}) == 0))", words.NOTHING_SPENT),
                ),
                "balance lasts",
            ),
            size=_FIGURE,
            unit="suffix:hours",
            decimals=1,
            steps={"A": words.LOW_BALANCE},
        ),
        figures(
            "Phones registered",
            "Share of the phones in a known state that are registered, and compared with its thresholds.",
            Query(figure(f"max({REGISTERED_SHARE})", untried("registrations")), "registered"),
            Query(_below(REGISTERED_SHARE, catalogue.TENANT_REGISTERED_RATIO_THRESHOLD), "thresholds"),
            size=Size(6, 4),
            unit="percentunit",
            decimals=0,
            words={"B": words.BELOW},
        ),
        figures(
            "Calls",
            "Calls in progress.",
            Query(of_tenant(catalogue.TENANT_CALLS, untried("calls")), "calls"),
            size=Size(2, 4),
        ),
        dial(
            "Channel usage",
            "Share of the tenant's channel limit. Calls above the limit are refused. Orange: from the "
            "share of SoftswitchTenantChannelsNearLimit.",
            Query(
                figure(
                    f"max({channels} / ({limit} > 0))",
                    (f"(count({channels}) unless count({limit}))", words.NO_LIMIT),
                    untried("channels"),
                ),
                "used",
            ),
            size=Size(3, 4),
            steps=words.TENANT_FULL,
        ),
        figures(
            "Business hours",
            "Whether the tenant is open now, in its time zone.",
            Query(of_tenant(catalogue.TENANT_OPEN, (IS_THERE, words.NOT_SET)), "business hours"),
            size=Size(3, 4),
            words={"A": {0: Word("closed", words.NEUTRAL), 1: Word("open", words.NEUTRAL)}},
        ),
    ]


def _details() -> list[Built]:
    ages = f"min by (query) ({age(catalogue.QUERY_LAST_SUCCESS, TENANT)})"
    return [
        alert_table(
            "Firing alerts",
            "Alerts on this tenant, its phones and queues. None: the rules are loaded, and every query of "
            "the tenant succeeds. Click a name for its runbook.",
            "severity, alertname, extension, queue",
            TENANT,
            all_clear_of_tenant(rules=ALERTS),
            size=Size(9, 7),
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
            missing="this tenant is not polled",
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
            missing="this tenant is not polled",
        ),
        alert_history(TENANT, size=Size(24, 5)),
    ]


def _money() -> list[Built]:
    spending = "switch_tenant:softswitch_tenant_spending"
    return [
        over_time(
            "Balance and thresholds",
            "In the currency of the switch. Dashed: the alert thresholds.",
            Query(_BALANCE, "balance"),
            Query(newest(catalogue.TENANT_BALANCE_THRESHOLD, TENANT), "{{severity}}"),
            size=HALF,
            dashed="B",
            colours=words.OF_SEVERITIES,
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
            size=HALF,
            missing="no rules, or no balance",
            dashed="B",
        ),
    ]


def one_tenant() -> models.Dashboard:
    """Return the dashboard of one tenant."""
    return board(
        "Tenant",
        "One tenant: balance, phones, queues and calls. Needs the rules in alerts/.",
        [job(), one_switch(), team(), tenant(), exporter_url()],
        [
            Row("", [*_now(), *_details()]),
            Row("Money", _money()),
            Row("Phones", phones()),
            Row("Queues", queues()),
            Row("Traffic", traffic()),
        ],
        alerts=['switch=~"$switch|"', 'tenant=~"$tenant|"'],
        links=[exporter_page()],
    )
