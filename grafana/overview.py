"""The overview: what is wrong, where, and since when."""

from grafana_foundation_sdk.models import dashboard as models

from exporter.metrics import catalogue
from exporter.metrics.catalogue import Metric
from grafana.board import Row, board, job, switches
from grafana.panels import (
    ANY_IS_CRITICAL,
    ANY_IS_WARNING,
    CRITICAL,
    GOOD,
    LOW_BALANCE,
    NONE_OF_THEM,
    SEVERITIES,
    UP,
    WARNING,
    Built,
    Query,
    Size,
    figures,
    over_time,
)
from grafana.promql import SEVERE, SWITCHES, age, firing, firing_since, newest, recorded
from grafana.tables import TO_RUNBOOK, Column, Label, rows

_ABOUT = 'switch=~"$switch|"'
"""Alerts on a selected switch, and those without a switch, such as SoftswitchExporterDown."""

_DAY = 86_400
_TOGETHER = "severity, alertname, switch, node, tenant, trunk, query, instance"
"""One row per combination of these labels: alerts on the many phones of a tenant are counted."""

_BALANCE = recorded("switch_tenant:softswitch_tenant_balance:last", SWITCHES)
_SPENT = recorded("switch_tenant:softswitch_tenant_spending:rate5m", SWITCHES, over="1h1s")
_RATIO = "switch_tenant:softswitch_tenant_registered:ratio"
_SHARE = f"max by (switch, tenant) ({recorded(_RATIO, SWITCHES)})"
# VictoriaMetrics keeps the metric name in max_over_time; the aggregation removes it.
_BEST = f"max by (switch, tenant) (max_over_time({recorded(_RATIO, SWITCHES, over='1h1s')}))"
_LEAST = f"max by (switch, tenant) ({newest(catalogue.TENANT_REGISTERED_RATIO_THRESHOLD, SWITCHES)})"
_TRUNK = "switch_tenant_trunk:softswitch_trunk_registered:last"
_LOST = f"bottomk(10, {_SHARE} < 0.9 * {_BEST} or {_SHARE} < {_LEAST})"


def _registered_share(*, offset: str = "") -> str:
    """Return the share of the phones in a known state that are registered."""
    registered = newest(catalogue.TENANT_EXTENSIONS, SWITCHES, 'state="registered"', offset=offset)
    known = newest(catalogue.TENANT_EXTENSIONS, SWITCHES, 'state=~"registered|unregistered"', offset=offset)
    return f"sum by (switch) ({registered}) / (sum by (switch) ({known}) > 0)"


def _below(severity: str) -> str:
    threshold = recorded(
        "switch_tenant_severity:softswitch_tenant_balance_threshold:last", f'severity="{severity}"', SWITCHES
    )
    return f"({_BALANCE} < on (switch, tenant) group_right () {threshold})"


def _firing(severity: str) -> str:
    matcher = f'severity="{severity}"'
    return f"count({firing(matcher, _ABOUT)}) or vector(0)"


def _alerts() -> list[Built]:
    return [
        figures(
            "Firing alerts",
            "Firing alerts of the selected switches and of the exporters.",
            Query(_firing("critical"), "critical"),
            Query(_firing("warning"), "warning"),
            size=Size(5, 8),
            no_value="no response",
            words={"A": NONE_OF_THEM, "B": NONE_OF_THEM},
            steps={"A": ANY_IS_CRITICAL, "B": ANY_IS_WARNING},
        ),
        rows(
            "Alerts",
            "Firing alerts. Click a name for its runbook, a tenant or node for its dashboard.",
            [
                Label("severity", words=SEVERITIES),
                Label("alertname", link=TO_RUNBOOK),
                *map(Label, ("switch", "node", "tenant", "trunk", "query", "instance")),
            ],
            [
                Column("alerts", f"count by ({_TOGETHER}) ({firing(SEVERE, _ABOUT)})"),
                Column("since", firing_since(SEVERE, _ABOUT, by=_TOGETHER), unit="dateTimeFromNow"),
            ],
            size=Size(19, 8),
            no_value="Nothing fires",
            order=[("severity", False), ("since", True)],
        ),
    ]


def _switches() -> Built:
    succeeding = newest(catalogue.QUERY_SUCCESS, SWITCHES)
    return rows(
        "Switches",
        "Unknown values are empty. License: orange within 30 days, red within 7.",
        [Label("switch")],
        [
            Column("API", newest(catalogue.UP, SWITCHES), words=UP),
            Column(
                "last response",
                f"min by (switch) ({age(catalogue.QUERY_LAST_SUCCESS, SWITCHES)})",
                "s",
                0,
            ),
            Column(
                "targets succeeding",
                f"avg by (switch) ({succeeding})",
                "percentunit",
                1,
                steps=((None, WARNING), (1, GOOD)),
            ),
            Column(
                "license left",
                f"{newest(catalogue.LICENSE_REMAINING, SWITCHES)} / {_DAY}",
                "suffix:days",
                steps=((None, CRITICAL), (8, WARNING), (31, GOOD)),
            ),
            Column("calls", newest(catalogue.CALLS, SWITCHES)),
            Column("channels", newest(catalogue.CHANNELS, SWITCHES)),
            Column("peers", newest(catalogue.PEERS, SWITCHES)),
            Column("phones registered", _registered_share(), "percentunit", 1),
            Column(
                "nodes missing",
                f"sum by (switch) (1 - {newest(catalogue.NODE_PRESENT, SWITCHES)})",
                words=NONE_OF_THEM,
                steps=ANY_IS_CRITICAL,
            ),
            Column("tenants", newest(catalogue.TENANTS, SWITCHES)),
        ],
        size=Size(24, 5),
        no_value="No switch is polled",
        order=[("API", False), ("switch", False)],
    )


def _trunks() -> list[Built]:
    def listed(state: str) -> str:
        matcher = f'state="{state}"'
        return f"sum({newest(catalogue.TRUNKS, SWITCHES, matcher)})"

    reachable = newest(catalogue.PEER_REACHABLE, SWITCHES)
    failing = newest(catalogue.QUERY_SUCCESS, SWITCHES, 'query=~"trunks|watched_peers"')
    return [
        figures(
            "Trunks",
            "Listed trunks by registration, watched peers by reachability, and requests that fail. Turn them "
            "on with queries.trunks and watch_peers in the configuration.",
            Query(listed("registered"), "registered"),
            Query(listed("unregistered"), "unregistered"),
            Query(listed("unknown"), "unknown"),
            Query(f"sum({reachable})", "reachable"),
            Query(f"sum(1 - {reachable})", "unreachable"),
            Query(f"sum(1 - {failing})", "requests failing"),
            size=Size(8, 8),
            no_value="Trunks are not monitored",
            words=dict.fromkeys("BCEF", NONE_OF_THEM),
            steps={
                "B": ANY_IS_CRITICAL,
                "C": ANY_IS_WARNING,
                "E": ANY_IS_CRITICAL,
                "F": ANY_IS_WARNING,
            },
        ),
        rows(
            "State of each trunk",
            "Trunks in a known state, and watched peers: the 100 worst. One that left the list is not shown.",
            [Label("trunk"), Label("tenant"), Label("switch")],
            [Column("state", f"bottomk(100, {recorded(_TRUNK, SWITCHES)})", words=UP)],
            size=Size(8, 8),
            no_value="No trunk has a known state",
            order=[("state", False), ("trunk", False)],
        ),
        over_time(
            "Round trip of watched peers",
            "Round-trip time from the nearest node. A peer that does not respond has none.",
            Query(newest(catalogue.PEER_ROUND_TRIP, SWITCHES), "{{switch}} {{tenant}} {{peer}}"),
            size=Size(8, 8),
            no_value="No watched peer responds",
            unit="s",
        ),
    ]


def _tenants_at_risk() -> list[Built]:
    place = [Label("tenant"), Label("switch")]
    return [
        rows(
            "Balance runs out first",
            "At the spending of the last hour. The ten shortest within a week.",
            place,
            [
                Column(
                    "lasts",
                    f"bottomk(10, ({_BALANCE} > 0) / (avg_over_time({_SPENT}) > 0) / 3600 < {7 * 24})",
                    "suffix:hours",
                    1,
                    steps=LOW_BALANCE,
                )
            ],
            size=Size(8, 8),
            no_value="No balance runs out within a week",
            order=[("lasts", False)],
        ),
        rows(
            "Balance below its threshold",
            "The ten lowest balances that are below a configured threshold.",
            [*place, Label("severity", words=SEVERITIES)],
            [
                Column(
                    "balance",
                    f"max by (switch, tenant, severity) (bottomk(10, {_below('critical')} or "
                    f"({_below('warning')} unless on (switch, tenant) {_below('critical')})))",
                    "none",
                    2,
                )
            ],
            size=Size(8, 8),
            no_value="No balance is below its threshold",
            order=[("balance", False)],
        ),
        rows(
            "Registrations lost",
            "Share of registered phones below a threshold, or down by 10 % in an hour: the ten lowest.",
            place,
            [
                Column(
                    "registered",
                    _LOST,
                    "percentunit",
                    0,
                    steps=((None, CRITICAL), (0.5, WARNING), (0.9, GOOD)),
                ),
                Column(
                    "maximum of the hour",
                    f"{_BEST} and {_LOST}",
                    "percentunit",
                    0,
                ),
            ],
            size=Size(8, 8),
            no_value="No tenant lost registrations",
            order=[("registered", False)],
        ),
    ]


def _trend(title: str, metric: Metric) -> Built:
    return over_time(
        title,
        f"{metric.meaning} Dashed: a week earlier.",
        Query(newest(metric, SWITCHES), "{{switch}}"),
        Query(newest(metric, SWITCHES, offset="1w"), "{{switch}} a week ago"),
        size=Size(8, 8),
        no_value="No data in this time range",
        dashed="B",
    )


def _trends() -> list[Built]:
    return [
        _trend("Calls", catalogue.CALLS),
        _trend("Channels", catalogue.CHANNELS),
        over_time(
            "Phones registered",
            "Share of the phones in a known state that are registered. Dashed: a week earlier.",
            Query(_registered_share(), "{{switch}}"),
            Query(_registered_share(offset="1w"), "{{switch}} a week ago"),
            size=Size(8, 8),
            no_value="No data in this time range",
            unit="percentunit",
            dashed="B",
        ),
    ]


def overview() -> models.Dashboard:
    """Return the overview, the home dashboard."""
    return board(
        "Overview",
        "What is wrong, where, and since when. Needs the rules in alerts/.",
        [job(), switches()],
        [
            Row("", [*_alerts(), _switches()]),
            Row("Trunks", _trunks()),
            Row("Tenants at risk", _tenants_at_risk()),
            Row("Compared with last week", _trends()),
        ],
        alerts=[_ABOUT],
    )
