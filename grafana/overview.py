"""The overview: what is wrong, where, and since when."""

from grafana_foundation_sdk.models import dashboard as models

from exporter.metrics import catalogue
from exporter.metrics.metric import Metric
from grafana import words
from grafana.alerts import alert_history, alert_table
from grafana.board import Row, board, job, switches, team
from grafana.known import ALERTS, all_clear, figure, listed, number, off, silent
from grafana.panels import Built, Query, Size, figures, over_time
from grafana.promql import ABOUT, SWITCHES, age, firing, newest, recorded, registered_share, targets, verdict
from grafana.tables import Column, Label, rows
from grafana.tenants import tenants_at_risk

_DAY = 86_400
_TOGETHER = "severity, alertname, switch, node, tenant, trunk, query, instance"
"""One row per combination of these labels: alerts on the many phones of a tenant are counted."""

_CLEAR = all_clear(rules=ALERTS, also=f"min({targets()}) == 1")
_TRUNK = "switch_tenant_trunk:softswitch_trunk_registered:last"
_OF_TRUNKS = "trunks|watched_peers"


def _firing(severity: str) -> str:
    matcher = f'severity="{severity}"'
    return number(f"count({firing(matcher, ABOUT)})", _CLEAR)


def _alerts() -> list[Built]:
    return [
        figures(
            "Firing alerts",
            "Firing alerts of the selected switches and of the exporters. None: the rules are loaded, and "
            "every exporter and switch responds.",
            Query(_firing("critical"), "critical"),
            Query(_firing("warning"), "warning"),
            Query(number(f"count({silent()})", _CLEAR), "switches not responding"),
            size=Size(5, 14),
            words=dict.fromkeys("ABC", words.NONE_FOUND),
            steps={"A": words.ANY_IS_CRITICAL, "B": words.ANY_IS_WARNING, "C": words.ANY_IS_CRITICAL},
        ),
        alert_table(
            "Alerts",
            "Firing alerts. Click a name for its runbook, a tenant or node for its dashboard.",
            _TOGETHER,
            ABOUT,
            _CLEAR,
            size=Size(19, 14),
        ),
    ]


def _switches() -> Built:
    succeeding = newest(catalogue.QUERY_SUCCESS, SWITCHES)
    license_left = newest(catalogue.LICENSE_REMAINING, SWITCHES)
    compared = "<= bool on (switch) group_right ()"
    license_verdict = verdict(
        "switch", license_left, compared, catalogue.LICENSE_REMAINING_THRESHOLD, SWITCHES
    )
    return rows(
        "Switches",
        "A switch that no exporter reports on has NO DATA. Unknown values are empty. License: compared with "
        "the configured thresholds.",
        [Label("switch")],
        [
            Column("API", listed(newest(catalogue.UP, SWITCHES)), words=words.UP),
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
                steps=((None, words.WARNING), (1, words.GOOD)),
            ),
            Column("license left", f"{license_left} / {_DAY}", "suffix:days"),
            Column("license", license_verdict, words=words.BELOW),
            Column("calls", newest(catalogue.CALLS, SWITCHES)),
            Column("channels", newest(catalogue.CHANNELS, SWITCHES)),
            Column("peers", newest(catalogue.PEERS, SWITCHES)),
            Column("phones registered", registered_share("switch", SWITCHES), "percentunit", 1),
            Column(
                "nodes missing",
                f"sum by (switch) (1 - {newest(catalogue.NODE_PRESENT, SWITCHES)})",
                words=words.NONE_OF_THEM,
                steps=words.ANY_IS_CRITICAL,
            ),
            Column("tenants", newest(catalogue.TENANTS, SWITCHES)),
        ],
        size=Size(24, 5),
        order=[("API", False), ("switch", False)],
    )


def _trunks() -> list[Built]:
    def listed_as(found: str) -> str:
        matcher = f'state="{found}"'
        return f"sum({newest(catalogue.TRUNKS, SWITCHES, matcher)})"

    reachable = newest(catalogue.PEER_REACHABLE, SWITCHES)
    failing = newest(catalogue.QUERY_SUCCESS, SWITCHES, f'query=~"{_OF_TRUNKS}"')
    of_trunks, of_peers = all_clear(queries="trunks"), all_clear(queries="watched_peers")
    return [
        figures(
            "Trunks",
            "Listed trunks by registration, watched peers by reachability, and requests that fail. Turn them "
            "on with queries.trunks and watch_peers in the configuration.",
            Query(figure(listed_as("registered"), off("trunks")), "registered"),
            Query(number(listed_as("unregistered"), of_trunks), "unregistered"),
            Query(number(listed_as("unknown"), of_trunks), "unknown"),
            Query(figure(f"sum({reachable})", off("watched_peers")), "reachable"),
            Query(number(f"sum(1 - {reachable})", of_peers), "unreachable"),
            Query(number(f"sum(1 - {failing})", all_clear(queries=_OF_TRUNKS)), "requests failing"),
            size=Size(8, 10),
            words=dict.fromkeys("BCEF", words.NONE_FOUND),
            steps={
                "B": words.ANY_IS_CRITICAL,
                "C": words.ANY_IS_WARNING,
                "E": words.ANY_IS_CRITICAL,
                "F": words.ANY_IS_WARNING,
            },
        ),
        rows(
            "State of each trunk",
            "Trunks in a known state, and watched peers: the 100 worst. One that left the list is not shown.",
            [Label("trunk"), Label("tenant"), Label("switch")],
            [
                Column(
                    "state",
                    listed(f"bottomk(100, {recorded(_TRUNK, SWITCHES)})", queries=_OF_TRUNKS),
                    words=words.UP,
                )
            ],
            size=Size(8, 10),
            order=[("state", False), ("trunk", False)],
        ),
        over_time(
            "Round trip of watched peers",
            "Round-trip time from the nearest node. A peer that does not respond has none.",
            Query(newest(catalogue.PEER_ROUND_TRIP, SWITCHES), "{{switch}} {{tenant}} {{peer}}"),
            size=Size(8, 10),
            missing="no watched peer is known to respond",
            unit="s",
        ),
    ]


def _trend(title: str, about: str, now: str, week_ago: str, unit: str = "none") -> Built:
    return over_time(
        title,
        f"{about} Dashed: a week earlier.",
        Query(now, "{{switch}}"),
        Query(week_ago, "{{switch}} a week ago"),
        size=Size(8, 8),
        unit=unit,
        dashed="B",
    )


def _trends() -> list[Built]:
    def of(title: str, metric: Metric) -> Built:
        return _trend(title, metric.meaning, newest(metric, SWITCHES), newest(metric, SWITCHES, offset="1w"))

    return [
        of("Calls", catalogue.CALLS),
        of("Channels", catalogue.CHANNELS),
        _trend(
            "Phones registered",
            "Share of the phones in a known state that are registered.",
            registered_share("switch", SWITCHES),
            registered_share("switch", SWITCHES, "1w"),
            "percentunit",
        ),
    ]


def overview() -> models.Dashboard:
    """Return the overview, the home dashboard."""
    return board(
        "Overview",
        "What is wrong, where, and since when. Needs the rules in alerts/.",
        [job(), switches(), team()],
        [
            Row("", [*_alerts(), _switches(), alert_history(ABOUT, size=Size(24, 10))]),
            Row("Trunks", _trunks()),
            Row("Tenants at risk", tenants_at_risk()),
            Row("Compared with last week", _trends()),
        ],
        alerts=[ABOUT],
    )
