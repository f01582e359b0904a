"""One tenant: money, phones, calls, and whether what is shown is fresh."""

from grafana_foundation_sdk.models import dashboard as models

from exporter.metrics import catalogue
from grafana.board import Row, board, job, one_switch, tenant
from grafana.panels import (
    CRITICAL,
    GOOD,
    NEUTRAL,
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
from grafana.promql import SEVERE, TENANT, age, firing_since, newest, recorded, select
from grafana.tables import TO_RUNBOOK, Column, Label, rows
from grafana.words import SEVERITIES, SHORT_OF_CREDIT

_BALANCE = newest(catalogue.TENANT_BALANCE, TENANT)
_FIGURE = Size(4, 4)
_IS_REGISTERED = 'state="registered"'
_IS_KNOWN = 'state!="unknown"'
_REGISTERED = {0: Word("OFF", CRITICAL), 1: Word("registered", GOOD)}
_WELL = {0: Word("FAILS", CRITICAL), 1: Word("well", GOOD)}


def _below(severity: str) -> str:
    threshold = newest(catalogue.TENANT_BALANCE_THRESHOLD, TENANT, f'severity="{severity}"')
    return f"{_BALANCE} < bool on (switch, tenant) group_right () {threshold}"


def _extensions(matcher: str) -> str:
    return f"sum by (switch, tenant) ({newest(catalogue.TENANT_EXTENSIONS, TENANT, matcher)})"


def _now() -> list[Built]:
    spent = recorded("switch_tenant:softswitch_tenant_spending:rate5m", TENANT, over="1h1s")
    return [
        figures(
            "Credit",
            "In the currency of the switch, and how it stands to the thresholds of the configuration.",
            Query(_BALANCE, "credit"),
            Query(
                f"max by (switch, tenant) (2 * ({_below('critical')}) or {_below('warning')})", "thresholds"
            ),
            size=Size(6, 4),
            no_value="unknown",
            decimals=2,
            words={
                "B": {
                    0: Word("above them", GOOD),
                    1: Word("below warning", WARNING),
                    2: Word("BELOW CRITICAL", CRITICAL),
                }
            },
        ),
        figures(
            "Credit lasts",
            "At the spending of the last hour.",
            Query(
                f"({_BALANCE} > 0) / on (switch, tenant) (avg_over_time({spent}) > 0) / 3600", "credit lasts"
            ),
            size=_FIGURE,
            no_value="nothing spent",
            unit="suffix:hours",
            decimals=1,
            steps={"A": SHORT_OF_CREDIT},
        ),
        figures(
            "Phones registered",
            "Share of registered phones, of those whose state is known.",
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
            "Calls that run now.",
            Query(newest(catalogue.TENANT_CALLS, TENANT), "calls"),
            size=Size(3, 4),
            no_value="unknown",
        ),
        dial(
            "Channels of the limit",
            "Share of the channels that the tenant may use. Above all of them its calls are refused.",
            Query(recorded("switch_tenant:softswitch_tenant_channels_used:ratio", TENANT), "used"),
            size=_FIGURE,
            no_value="no limit",
            steps=((None, GOOD), (0.8, WARNING), (0.9, CRITICAL)),
        ),
        figures(
            "Business hours",
            "Whether the tenant is open now, in its own time zone.",
            Query(newest(catalogue.TENANT_OPEN, TENANT), "business hours"),
            size=Size(3, 4),
            no_value="not set",
            words={"A": {0: Word("closed", NEUTRAL), 1: Word("open", NEUTRAL)}},
        ),
    ]


def _details() -> list[Built]:
    ages = f"min by (query) ({age(catalogue.QUERY_LAST_SUCCESS, TENANT)})"
    return [
        rows(
            "Firing alerts of the tenant",
            "Alerts on this tenant and its phones, and since when. Click a name for its runbook.",
            [Label("severity", words=SEVERITIES), Label("alertname", link=TO_RUNBOOK), Label("extension")],
            [
                Column(
                    "since",
                    firing_since(SEVERE, TENANT, by="severity, alertname, extension"),
                    unit="dateTimeFromNow",
                )
            ],
            size=Size(9, 7),
            no_value="Nothing fires",
            order=[("severity", False), ("since", True)],
        ),
        rows(
            "How fresh this is",
            "The newest attempt of each query, why it failed, and how old the value is that is shown.",
            [Label("query"), Label("reason")],
            [
                Column(
                    "newest attempt",
                    f"max by (query) ({newest(catalogue.QUERY_SUCCESS, TENANT)})",
                    words=_WELL,
                ),
                Column("age of the value", ages, "s", 0),
                Column(
                    "failing",
                    # Of a pair of exporters one may be well.
                    f"max by (query, reason) ({newest(catalogue.QUERY_FAILURE, TENANT)}) unless on (query) "
                    f"(max by (query) ({newest(catalogue.QUERY_SUCCESS, TENANT)}) == 1)",
                    hidden=True,
                ),
            ],
            size=Size(9, 7),
            no_value="Nothing is polled",
            order=[("newest attempt", False), ("query", False)],
        ),
        rows(
            "Who this is",
            "The name on the switch and the labels of the configuration.",
            [],
            [
                Column(
                    "known",
                    f"max without (job, instance) ({select(catalogue.TENANT_INFO, TENANT)})",
                    hidden=True,
                )
            ],
            size=Size(6, 7),
            no_value="No such tenant is polled",
        ),
    ]


def _money() -> list[Built]:
    spending = "switch_tenant:softswitch_tenant_spending"
    return [
        over_time(
            "Credit and its thresholds",
            "In the currency of the switch. Dashed: where alerts are due.",
            Query(_BALANCE, "credit"),
            Query(newest(catalogue.TENANT_BALANCE_THRESHOLD, TENANT), "{{severity}}"),
            size=Size(12, 8),
            no_value="No answer in this time",
            dashed="B",
            colours={"critical": CRITICAL, "warning": WARNING},
        ),
        over_time(
            "Spending in an hour",
            "In the currency of the switch, without what is paid in. Dashed: the week's busiest hours.",
            # Recorded every 5 and every 30 minutes: each looks back over two of these.
            Query(
                f"3600 * last_over_time({recorded(f'{spending}:rate1h', TENANT, over='10m1s')})",
                "spent in an hour",
            ),
            Query(
                f"3600 * last_over_time({recorded(f'{spending}:busy', TENANT, over='1h1s')})", "busiest hours"
            ),
            size=Size(12, 8),
            no_value="No spending is known in this time",
            dashed="B",
        ),
    ]


def _phones() -> list[Built]:
    registered = newest(catalogue.EXTENSION_REGISTERED, TENANT)
    watched = newest(catalogue.EXTENSION_WATCHED, TENANT)
    return [
        over_time(
            "Phones by state",
            "Polled extensions. One of unknown state is neither counted as registered nor as lost.",
            Query(newest(catalogue.TENANT_EXTENSIONS, TENANT), "{{state}}"),
            size=Size(8, 8),
            no_value="Registrations are not polled",
            colours={"registered": GOOD, "unregistered": CRITICAL, "unknown": NEUTRAL},
        ),
        states(
            "Watched phones",
            "When each phone that must be registered was. A gap: it was not known.",
            Query(f"{registered} and on (switch, tenant, extension) {watched}", "{{extension}}"),
            size=Size(10, 8),
            no_value="No phone is watched (watch)",
            words=_REGISTERED,
        ),
        rows(
            "Phones not registered",
            "Now. Watched phones are marked.",
            [Label("extension")],
            [
                Column("state", f"max by (extension) ({registered}) == 0", words=_REGISTERED),
                Column(
                    "watched",
                    f"max by (extension) ({watched}) and on (extension) {registered} == 0",
                    words={1: Word("watched", WARNING)},
                ),
            ],
            size=Size(6, 8),
            no_value="None",
            order=[("watched", True), ("extension", False)],
        ),
    ]


def _traffic() -> list[Built]:
    return [
        over_time(
            "Calls, against last week",
            "Calls that run. Dashed: the same time a week before.",
            Query(newest(catalogue.TENANT_CALLS, TENANT), "calls"),
            Query(newest(catalogue.TENANT_CALLS, TENANT, offset="1w"), "a week before"),
            size=Size(12, 8),
            no_value="No answer in this time",
            dashed="B",
        ),
        over_time(
            "Channels and their limit",
            "Channels in use. Dashed: how many may be.",
            Query(newest(catalogue.TENANT_CHANNELS, TENANT), "channels"),
            Query(newest(catalogue.TENANT_CHANNELS_LIMIT, TENANT), "limit"),
            size=Size(12, 8),
            no_value="Channels of tenants are not polled",
            dashed="B",
        ),
        over_time(
            "Peers by node",
            "A fall on one node and a rise on another is a failover. Dashed: on all nodes.",
            Query(newest(catalogue.TENANT_NODE_PEERS, TENANT), "{{node}}"),
            Query(newest(catalogue.TENANT_PEERS, TENANT), "all nodes"),
            size=Size(12, 8),
            no_value="Peers of tenants are not polled",
            dashed="B",
        ),
        over_time(
            "Channels by node",
            "Where the calls run, on switches that count channels by node.",
            Query(newest(catalogue.TENANT_NODE_CHANNELS, TENANT), "{{node}}"),
            size=Size(12, 8),
            no_value="No channels are known by node",
        ),
    ]


def one_tenant() -> models.Dashboard:
    """Return the dashboard of one tenant."""
    return board(
        "Tenant",
        "One tenant: money, phones and calls. Rests on the rules of alerts/.",
        [job(), one_switch(), tenant()],
        [
            Row("", [*_now(), *_details()]),
            Row("Money", _money()),
            Row("Phones", _phones()),
            Row("Traffic", _traffic()),
        ],
        alerts=['switch=~"$switch|"', 'tenant=~"$tenant|"'],
    )
