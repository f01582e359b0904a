"""The daemon and the shipped rules agree on random scenarios; ``make differential`` plays a thousand."""

import random
from collections.abc import Callable

import pytest

from tests.differential.mutants import DAEMONS, mutant
from tests.differential.play import Scenario, play
from tests.differential.promtool import NAMES, compare, disagreements, rule_file, unit_tests
from tests.rule_files import RULES
from tests.rule_mutants import mutants

SEED = 0
SCENARIOS = 50
COMPARED = 25
"""Scenarios that two versions of promtool evaluate in half a minute."""


@pytest.fixture(scope="module")
def scenarios() -> list[Scenario]:
    """Play the scenarios, once."""
    return play(SEED, range(SCENARIOS))


def test_the_daemon_and_prometheus_agree(
    scenarios: list[Scenario], require_each: Callable[[str, str], str]
) -> None:
    """At every minute the same alerts are pending and firing, with the same texts."""
    assert compare(require_each("promtool", "prometheus"), scenarios[:COMPARED]) == ""


def test_a_long_gap_ends_what_went_on_firing(require_each: Callable[[str, str], str]) -> None:
    """Of 40 minutes values count for 15, and their alert ends another 15 later."""
    promtool, long_gaps = require_each("promtool", "prometheus"), play(SEED, [671, 718])

    assert disagreements(promtool, rule_file(), unit_tests(long_gaps)) == ""


def test_every_alert_fires(scenarios: list[Scenario]) -> None:
    """The scenarios cause all of them, so that no comparison is empty."""
    found = [alert for scenario in scenarios for alerts in scenario.alerts for alert in alerts or ()]

    assert {alert.labels["alertname"] for alert in found if alert.state == "firing"} == set(NAMES)


def test_a_changed_rule_is_noticed(
    scenarios: list[Scenario], require_program: Callable[[str, str], str]
) -> None:
    """With one change in a rule of each alert, promtool reports each of them."""
    chance = random.Random(SEED)  # noqa: S311 -- a sample, not a secret
    positions = {rule["alert"]: position for position, rule in enumerate(RULES) if rule.get("alert") in NAMES}
    changed = {
        position: chance.choice(list(mutants(RULES[position]))).rule for position in positions.values()
    }

    reported = disagreements(
        require_program("promtool", "prometheus"), rule_file(changed), unit_tests(scenarios[:18])
    )

    assert [name for name in NAMES if f'"{name}"' not in reported] == []


@pytest.mark.parametrize("change", DAEMONS, ids=lambda change: f"{change[0]} {change[2]}")
def test_a_changed_daemon_is_noticed(change: tuple[str, str, str], scenarios: list[Scenario]) -> None:
    """With one change in the daemon, some scenario has other alerts."""
    with mutant(*change) as package:
        assert any(
            play(SEED, [number], package)[0].alerts != scenario.alerts
            for number, scenario in enumerate(scenarios)
        )
