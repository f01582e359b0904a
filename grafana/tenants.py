"""The dashboard of all tenants, worst first."""

from grafana_foundation_sdk.models import dashboard as models

from exporter.metrics import catalogue
from grafana.alerts import worst
from grafana.at_risk import BALANCE_VERDICT, PHONES_VERDICT
from grafana.board import Row, board, job, switches, team
from grafana.known import ALERTS, all_clear, figure, number, silent
from grafana.panels import Built, Query, Size, figures
from grafana.promql import ABOUT, SWITCHES, TEAM, newest, of_team, phones, registered_share, select
from grafana.tables import Column, Label, rows
from grafana.words import (
    ANY_IS_CRITICAL,
    ANY_IS_WARNING,
    BELOW,
    CLEAR,
    GOOD,
    INCOMPLETE,
    NO_DATA,
    NO_RULES,
    NONE_FOUND,
    NONE_OF_THEM,
    STATE_UNKNOWN,
    TENANT_FULL,
    UNKNOWN,
    WORST,
    Word,
)

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
        f"{_WORST} or ({each(NO_RULES)} unless on () ({ALERTS})) "
        f"or ({each(INCOMPLETE)} unless on (switch) {responding}) "
        f"or ({each(INCOMPLETE)} and on ({_BY}) ({_FAILING} > 0)) or {each(CLEAR)} "
        f"or {silent(constant=STATE_UNKNOWN)}"
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
        words=dict.fromkeys("BCD", NONE_FOUND),
        steps={"B": ANY_IS_CRITICAL, "C": ANY_IS_WARNING, "D": ANY_IS_WARNING},
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
                "state", _verdict(), words={**WORST, STATE_UNKNOWN: UNKNOWN[NO_DATA], CLEAR: Word("ok", GOOD)}
            ),
            Column("named", _NAMED, hidden=True),
            Column("balance", of_team(newest(catalogue.TENANT_BALANCE, SWITCHES)), decimals=2),
            Column("balance threshold", of_team(BALANCE_VERDICT), words=BELOW),
            Column("phones registered", of_team(f"({share})"), "percentunit", 0),
            Column("phone threshold", of_team(PHONES_VERDICT), words=BELOW),
            Column("phones off", of_team(unregistered)),
            Column("calls", of_team(newest(catalogue.TENANT_CALLS, SWITCHES))),
            Column(
                "channel usage",
                of_team(f"({used})"),
                "percentunit",
                0,
                steps=TENANT_FULL,
            ),
            Column("failing queries", of_team(_FAILING), words=NONE_OF_THEM, steps=ANY_IS_WARNING),
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
