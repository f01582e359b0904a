"""Panels of firing alerts, now and over time."""

from grafana.known import problems
from grafana.panels import Built, Query, Size, states
from grafana.promql import SEVERE, firing, firing_since, watchdog
from grafana.tables import TO_RUNBOOK, Column, Label, rows
from grafana.words import NEUTRAL, NONE_FOUND, SEVERITIES, WORST, Numbered, Word

_SHOWN_LAST = ("severity", "alertname")
_AFFECTED: Numbered = {
    1: Word("switch", NEUTRAL),
    2: Word("node or trunk", NEUTRAL),
    3: Word("tenant", NEUTRAL),
}


def _affected(together: str, matchers: str) -> str:
    """Return the number of the word in ``_AFFECTED``, so that a silent switch is above its tenants."""
    of_others, of_no_tenant, every = (
        firing(SEVERE, matchers, *absent)
        for absent in (['tenant=""', 'node=""', 'trunk=""'], ['tenant=""'], [])
    )
    return f"max by ({together}) (1 + 0 * {of_others} or 2 + 0 * {of_no_tenant} or 3 + 0 * {every})"


def alert_table(
    title: str,
    description: str,
    together: str,
    matchers: str,
    all_clear: str,
    *,
    size: Size,
) -> Built:
    """Return a table of firing alerts. ``together``: its labels. A row counts the alerts that share them."""
    affected = []
    if "tenant" in together.split(", "):
        affected = [Column("affects", _affected(together, matchers), words=_AFFECTED)]
    labels = [name for name in together.split(", ") if name not in _SHOWN_LAST]
    return rows(
        title,
        description,
        [
            Label("severity", words=SEVERITIES),
            Label("alertname", link=TO_RUNBOOK),
            *map(Label, labels),
        ],
        [
            Column(
                "alerts",
                problems(f"count by ({together}) ({firing(SEVERE, matchers)})", all_clear),
                words=NONE_FOUND,
            ),
            Column("since", firing_since(SEVERE, matchers, by=together), unit="dateTimeFromNow"),
            *affected,
        ],
        size=size,
        order=[("severity", False), *((column.title, False) for column in affected), ("since", True)],
    )


def worst(matchers: str, by: str) -> str:
    """Return the worst alert by these labels: 2 if it is critical, 1 if it is a warning."""
    critical, warning = (firing(f'severity="{severity}"', matchers) for severity in ("critical", "warning"))
    return f"max by ({by}) (2 * {critical} or {warning})"


def alert_history(matchers: str, *, size: Size) -> Built:
    """Return the panel of when each alert fired. Its last row shows when the rules were evaluated."""
    return states(
        "Alert history",
        "When each alert fired on any of the selected, and its worst severity. Gaps in the row "
        "'rules evaluated': alerts could not fire.",
        Query(worst(matchers, "alertname"), "{{alertname}}"),
        Query(f"0 * count({watchdog()})", "rules evaluated"),
        size=size,
        missing="no rules were evaluated in this time range",
        words={**WORST, 0: Word("yes", NEUTRAL)},
    )
