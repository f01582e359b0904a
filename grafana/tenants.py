"""The dashboard of all tenants, worst first, and the tenants at risk: a row of the overview."""

from functools import partial

from grafana_foundation_sdk.models import dashboard as models

from exporter.metrics import catalogue
from grafana import words
from grafana.alerts import worst
from grafana.board import Row, board, job, switches, team
from grafana.known import ALERTS, RECORDS, all_clear, figure, number, problems, silent
from grafana.panels import Built, Query, Size, figures
from grafana.promql import (
    ABOUT,
    BELOW_THRESHOLD,
    SWITCHES,
    TEAM,
    newest,
    of_team,
    phones,
    recorded,
    registered_share,
    select,
    verdict,
)
from grafana.tables import Column, Label, rows
from grafana.words import Word

_BALANCE = of_team(recorded("switch_tenant:softswitch_tenant_balance:last", SWITCHES))
_SPENT = recorded("switch_tenant:softswitch_tenant_spending:rate5m", SWITCHES, over="1h1s")
_RATIO = "switch_tenant:softswitch_tenant_registered:ratio"
_SHARE = f"max by (switch, tenant) ({of_team(recorded(_RATIO, SWITCHES))})"
# VictoriaMetrics keeps the metric name in max_over_time; the aggregation removes it.
_BEST = f"max by (switch, tenant) (max_over_time({recorded(_RATIO, SWITCHES, over='1h1s')}))"


def _balance_below(severity: str) -> str:
    threshold = recorded(
        "switch_tenant_severity:softswitch_tenant_balance_threshold:last", f'severity="{severity}"', SWITCHES
    )
    return f"({_BALANCE} < on (switch, tenant) group_right () {threshold})"


_BELOW = partial(verdict, "switch, tenant", compared=BELOW_THRESHOLD, matchers=SWITCHES)
BALANCE_VERDICT = _BELOW(
    newest(catalogue.TENANT_BALANCE, SWITCHES), threshold=catalogue.TENANT_BALANCE_THRESHOLD
)
PHONES_VERDICT = _BELOW(_SHARE, threshold=catalogue.TENANT_REGISTERED_RATIO_THRESHOLD)
_LOST = f"bottomk(10, {_SHARE} < 0.9 * {_BEST} or {_SHARE} and ({PHONES_VERDICT} > 0))"


def _listed(found: str, clear: str, *, constant: float = words.NO_DATA) -> str:
    """Return the tenants at risk, and the switches whose tenants are unknown."""
    return f"{problems(found, clear)} or {silent(constant=constant)}"


def tenants_at_risk() -> list[Built]:
    """Return the panels of the row."""
    place = [Label("tenant"), Label("switch")]
    balances = all_clear(rules=RECORDS, queries="balance")
    critical, warning = _balance_below("critical"), _balance_below("warning")
    size = Size(8, 12)
    return [
        rows(
            "Balance runs out first",
            "At the spending of the last hour. The ten shortest within a week. Colors: the hours of "
            "SoftswitchBalanceRunningOut.",
            place,
            [
                Column(
                    "lasts",
                    _listed(
                        f"bottomk(10, ({_BALANCE} > 0) / (avg_over_time({_SPENT}) > 0) / 3600 < {7 * 24})",
                        balances,
                    ),
                    "suffix:hours",
                    1,
                    words=words.NONE_FOUND,
                    steps=words.LOW_BALANCE,
                )
            ],
            size=size,
            order=[("lasts", False)],
        ),
        rows(
            "Balance below its threshold",
            "The ten lowest balances that are below a configured threshold.",
            [*place, Label("severity", words=words.SEVERITIES)],
            [
                Column(
                    "balance",
                    _listed(
                        f"max by (switch, tenant, severity) (bottomk(10, {critical} or "
                        f"({warning} unless on (switch, tenant) {critical})))",
                        balances,
                        constant=words.BALANCE_UNKNOWN,
                    ),
                    "none",
                    2,
                    words={**words.NONE_FOUND, words.BALANCE_UNKNOWN: words.UNKNOWN[words.NO_DATA]},
                )
            ],
            size=size,
            order=[("balance", False)],
        ),
        rows(
            "Registrations lost",
            "Share of registered phones below a threshold, or down by 10 % in an hour: the ten lowest.",
            place,
            [
                Column(
                    "registered",
                    _listed(_LOST, all_clear(rules=RECORDS, queries="registrations")),
                    "percentunit",
                    0,
                    words=words.NONE_FOUND,
                ),
                Column("thresholds", f"{PHONES_VERDICT} and {_LOST}", words=words.BELOW),
                Column(
                    "maximum of the hour",
                    f"{_BEST} and {_LOST}",
                    "percentunit",
                    0,
                ),
            ],
            size=size,
            order=[("registered", False)],
        ),
    ]


_BY = "switch, tenant"
_CHOSEN = f"max by ({_BY}) ({select(catalogue.TENANT_INFO, SWITCHES, TEAM)})"
_NAMED = f"max by ({_BY}, team, name) ({select(catalogue.TENANT_INFO, SWITCHES, TEAM)})"
_OF_TENANTS = 'scope="tenant"'
_OF_PHONES = 'scope="switch",query="registrations"'
_FAILING = f"sum by ({_BY}) (1 - {newest(catalogue.QUERY_SUCCESS, SWITCHES, _OF_TENANTS)})"
_WORST = of_team(worst(f'{ABOUT},tenant!=""', _BY))


def _verdict() -> str:
    """Return the worst alert of each tenant. If it has none, return whether it is known to be fine."""
    listed = newest(catalogue.QUERY_SUCCESS, SWITCHES, _OF_PHONES)
    responding = f"({newest(catalogue.UP, SWITCHES)} == 1 unless on (switch) ({listed} == 0))"

    def each(value: float) -> str:
        return f"0 * {_CHOSEN} + {value}"

    return (
        f"{_WORST} or ({each(words.NO_RULES)} unless on () ({ALERTS})) "
        f"or ({each(words.INCOMPLETE)} unless on (switch) {responding}) "
        f"or ({each(words.INCOMPLETE)} and on ({_BY}) ({_FAILING} > 0)) or {each(words.CLEAR)} "
        f"or {silent(constant=words.STATE_UNKNOWN)}"
    )


def _summary() -> Built:
    clear = all_clear(rules=ALERTS)
    failing = f"count by ({_BY}) ({newest(catalogue.QUERY_FAILURE, SWITCHES, _OF_TENANTS)})"
    return figures(
        "Tenants",
        "Tenants of the selected switches and teams, with firing alerts, and with failing queries.",
        Query(figure(f"count({_CHOSEN})"), "tenants"),
        Query(number(f"count({_WORST} == 2)", clear), "with a critical alert"),
        Query(number(f"count({_WORST} == 1)", clear), "with warnings only"),
        # Not of softswitch_query_success, which has many series: the trend would be slow.
        Query(number(f"count({of_team(failing)})", all_clear()), "with failing queries"),
        size=Size(24, 4),
        words=dict.fromkeys("BCD", words.NONE_FOUND),
        steps={"B": words.ANY_IS_CRITICAL, "C": words.ANY_IS_WARNING, "D": words.ANY_IS_WARNING},
    )


def _table() -> Built:
    limit = newest(catalogue.TENANT_CHANNELS_LIMIT, SWITCHES)
    used = f"{newest(catalogue.TENANT_CHANNELS, SWITCHES)} / ({limit} > 0)"
    share = registered_share(_BY, SWITCHES)
    unregistered = phones(_BY, SWITCHES, 'state="unregistered"')
    return rows(
        "All tenants",
        "Worst first. Click a heading to sort, its funnel to filter, a tenant for its dashboard. "
        "ok: no alert fires, the rules are loaded, and every query succeeds. Unknown values are empty.",
        [Label("tenant"), Label("name"), Label("team"), Label("switch")],
        [
            Column(
                "state",
                _verdict(),
                words={
                    **words.WORST,
                    words.STATE_UNKNOWN: words.UNKNOWN[words.NO_DATA],
                    words.CLEAR: Word("ok", words.GOOD),
                },
            ),
            Column("named", _NAMED, hidden=True),
            Column("balance", of_team(newest(catalogue.TENANT_BALANCE, SWITCHES)), decimals=2),
            Column("balance threshold", of_team(BALANCE_VERDICT), words=words.BELOW),
            Column("phones registered", of_team(f"({share})"), "percentunit", 0),
            Column("phone threshold", of_team(PHONES_VERDICT), words=words.BELOW),
            Column("phones off", of_team(unregistered)),
            Column("calls", of_team(newest(catalogue.TENANT_CALLS, SWITCHES))),
            Column(
                "channel usage",
                of_team(f"({used})"),
                "percentunit",
                0,
                steps=words.TENANT_FULL,
            ),
            Column(
                "failing queries", of_team(_FAILING), words=words.NONE_OF_THEM, steps=words.ANY_IS_WARNING
            ),
        ],
        size=Size(24, 22),
        order=[("state", True), ("tenant", False)],
        filterable=True,
    )


def all_tenants() -> models.Dashboard:
    """Return the dashboard of all tenants."""
    return board(
        "Tenants",
        "All tenants, worst first. Needs the rules in alerts/.",
        [job(), switches(), team()],
        [Row("", [_summary(), _table()])],
        alerts=[ABOUT, 'tenant!=""'],
    )
