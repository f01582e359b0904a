"""The daemon and the shipped rules agree on random scenarios; ``make differential`` takes a thousand."""

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
"""As many as two versions of promtool evaluate in half a minute."""


@pytest.fixture(scope="module")
def scenarios() -> list[Scenario]:
    """Play the scenarios, once."""
    return play(SEED, range(SCENARIOS))


def test_the_daemon_and_prometheus_say_the_same(
    scenarios: list[Scenario], require_each: Callable[[str, str], str]
) -> None:
    """At every minute the same alerts pend and fire, and those that fire have the same texts."""
    assert compare(require_each("promtool", "prometheus"), scenarios[:COMPARED]) == ""


def test_a_long_gap_ends_what_went_on_firing(require_each: Callable[[str, str], str]) -> None:
    """Away for 40 minutes: values count for 15 of them, and their alert ends another 15 later."""
    promtool, long_gaps = require_each("promtool", "prometheus"), play(SEED, [671, 718])

    assert disagreements(promtool, rule_file(), unit_tests(long_gaps)) == ""


def test_every_alert_fires(scenarios: list[Scenario]) -> None:
    """The scenarios are about all of them: none agrees because nothing ever happens."""
    judged = [alert for scenario in scenarios for alerts in scenario.alerts for alert in alerts or ()]

    assert {alert.labels["alertname"] for alert in judged if alert.state == "firing"} == set(NAMES)


def test_a_changed_rule_is_noticed(
    scenarios: list[Scenario], require_program: Callable[[str, str], str]
) -> None:
    """One thing in one rule of each alert is not as it was: promtool says so of each of them."""
    chance = random.Random(SEED)  # noqa: S311 -- a sample, not a secret
    positions = {rule["alert"]: position for position, rule in enumerate(RULES) if rule.get("alert") in NAMES}
    changed = {
        position: chance.choice(list(mutants(RULES[position]))).rule for position in positions.values()
    }

    told = disagreements(
        require_program("promtool", "prometheus"), rule_file(changed), unit_tests(scenarios[:18])
    )

    assert [name for name in NAMES if f'"{name}"' not in told] == []


@pytest.mark.parametrize("change", DAEMONS, ids=lambda change: f"{change[0]} {change[2]}")
def test_a_changed_daemon_is_noticed(change: tuple[str, str, str], scenarios: list[Scenario]) -> None:
    """One thing in the daemon is not as it was: in some scenario it says something else."""
    with mutant(*change) as package:
        assert any(
            play(SEED, [number], package)[0].alerts != scenario.alerts
            for number, scenario in enumerate(scenarios)
        )
