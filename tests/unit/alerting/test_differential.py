"""The daemon and the shipped rules agree on random scenarios; ``make differential`` plays a thousand."""

import random
import re
from collections.abc import Callable
from functools import cache, partial
from itertools import takewhile

import pytest

from exporter.alerting import rules
from exporter.alerting.rule import Rule
from tests.differential.mutants import DAEMONS, mutant
from tests.differential.play import Found, Play, Scenario, play
from tests.differential.promtool import NAMES, compare, disagreements, rule_file, unit_tests
from tests.rule_files import RULES
from tests.rule_mutants import mutants

SEED = 34
"""With this seed a few scenarios are enough."""

COMPARED = 6
"""Scenarios that are compared, besides those that are needed for every alert to fire."""

SEARCHED = 200
"""Scenarios among which one causes an alert, or notices a change."""


CONDITIONAL = [rule for rule in rules.RULES if rule.condition]
_HISTORY = {"SoftswitchNodeMissing": re.compile(r"line [2-9]")}
"""Changes in lines that look into Prometheus's history, which the daemon does not have."""


@cache
def scenario(number: int) -> Scenario:
    """Play a scenario, once."""
    return play(SEED, [number])[0]


def firing(number: int) -> set[str]:
    """Return the names of the alerts that fire in a scenario."""
    found = (alert for alerts in scenario(number).alerts for alert in alerts or ())
    return {alert.labels["alertname"] for alert in found if alert.state == "firing"}


@cache
def compared() -> tuple[int, ...]:
    """Return the first scenarios, and for each alert that never fires in them one in which it does."""
    chosen = list(range(COMPARED))
    fired = set[str]().union(*map(firing, chosen))
    for number in range(COMPARED, SEARCHED):
        if fired >= set(NAMES):
            break
        if firing(number) - fired:
            chosen.append(number)
            fired |= firing(number)
    return tuple(chosen)


def test_the_daemon_and_prometheus_agree(require_each: Callable[[str, str], str]) -> None:
    """At every minute the same alerts are pending and firing, with the same texts."""
    promtool = require_each("promtool", "prometheus")

    assert compare(promtool, [scenario(number) for number in compared()]) == ""


def test_a_long_gap_ends_what_went_on_firing(require_each: Callable[[str, str], str]) -> None:
    """Of 40 minutes values count for 15, and their alert ends another 15 later."""
    promtool, long_gaps = require_each("promtool", "prometheus"), play(2, [159, 161])

    assert disagreements(promtool, rule_file(), unit_tests(long_gaps)) == ""


def test_every_alert_fires() -> None:
    """The compared scenarios cause all of them, so that no comparison is empty."""
    assert set[str]().union(*map(firing, compared())) == set(NAMES)


def _alerts_of(rule: Rule, played: Scenario) -> list[list[str]]:
    """Return the alerts of a rule minute by minute, until the exporter is down for the first time."""
    return [
        sorted(map(str, filter(partial(_is_of, rule), alerts)))
        for alerts in takewhile(lambda alerts: alerts is not None, played.alerts)
        if alerts is not None
    ]


def _is_of(rule: Rule, alert: Found) -> bool:
    labels = alert.labels
    return (labels["alertname"], labels["scope"]) == (rule.name, rule.scope) and (
        rule.severity in {"", labels["severity"]}
    )


@pytest.mark.parametrize("rule", CONDITIONAL, ids=lambda rule: f"{rule.name} {rule.severity} {rule.scope}")
def test_a_rule_needs_only_its_inputs(rule: Rule) -> None:
    """It fires without the other rules and their inputs as with them."""
    number = next(
        number
        for number in range(SEARCHED)
        if any("'firing'" in text for alerts in _alerts_of(rule, scenario(number)) for text in alerts)
    )
    assert _alerts_of(rule, Play(SEED, number, rules=[rule]).run()) == _alerts_of(rule, scenario(number))


def test_a_changed_rule_is_noticed(require_program: Callable[[str, str], str]) -> None:
    """With one change in a rule of each alert, promtool reports each of them."""
    promtool = require_program("promtool", "prometheus")
    chance = random.Random(SEED)  # noqa: S311 -- a sample, not a secret
    positions = {rule["alert"]: position for position, rule in enumerate(RULES) if rule.get("alert") in NAMES}
    changed = {
        # Evaluated every minute, an alert that is pending for 30 s waits a minute.
        position: chance.choice(
            [
                one
                for one in mutants(RULES[position])
                if one.change != "for: 30s" and not (name in _HISTORY and _HISTORY[name].match(one.change))
            ]
        ).rule
        for name, position in positions.items()
    }
    unnoticed = set(NAMES)
    for first in range(0, 5 * COMPARED, COMPARED):
        if not unnoticed:
            break
        some = [scenario(number) for number in range(first, first + COMPARED)]
        reported = disagreements(promtool, rule_file(changed, names=unnoticed), unit_tests(some))
        unnoticed -= {name for name in unnoticed if f'"{name}"' in reported}

    assert unnoticed == set()


@pytest.mark.parametrize("change", DAEMONS, ids=lambda change: f"{change[0]} {change[2]}")
def test_a_changed_daemon_is_noticed(change: tuple[str, str, str]) -> None:
    """With one change in the daemon, some scenario has other alerts."""
    with mutant(*change) as package:
        assert any(
            play(SEED, [number], package)[0].alerts != scenario(number).alerts for number in range(SEARCHED)
        )
