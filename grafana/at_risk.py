"""Tenants at risk: a row of the overview."""

from functools import partial

from exporter.metrics import catalogue
from grafana.known import RECORDS, all_clear, problems, silent
from grafana.panels import Built, Size
from grafana.promql import BELOW_THRESHOLD, SWITCHES, newest, of_team, recorded, verdict
from grafana.tables import Column, Label, rows
from grafana.words import BALANCE_UNKNOWN, BELOW, LOW_BALANCE, NO_DATA, NONE_FOUND, SEVERITIES, UNKNOWN

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


def _listed(found: str, clear: str, *, constant: float = NO_DATA) -> str:
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
                    words=NONE_FOUND,
                    steps=LOW_BALANCE,
                )
            ],
            size=size,
            order=[("lasts", False)],
        ),
        rows(
            "Balance below its threshold",
            "The ten lowest balances that are below a configured threshold.",
            [*place, Label("severity", words=SEVERITIES)],
            [
                Column(
                    "balance",
                    _listed(
                        f"max by (switch, tenant, severity) (bottomk(10, {critical} or "
                        f"({warning} unless on (switch, tenant) {critical})))",
                        balances,
                        constant=BALANCE_UNKNOWN,
                    ),
                    "none",
                    2,
                    words={**NONE_FOUND, BALANCE_UNKNOWN: UNKNOWN[NO_DATA]},
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
                    words=NONE_FOUND,
                ),
                Column("thresholds", f"{PHONES_VERDICT} and {_LOST}", words=BELOW),
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
