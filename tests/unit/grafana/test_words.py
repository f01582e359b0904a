"""Fixed thresholds of colors."""

import re

import pytest

from grafana.words import CRITICAL, LOW_BALANCE, NODE_FULL, TENANT_FULL, UNKNOWN, WARNING, Steps
from tests.rule_files import ALERTS


def _thresholds(alert: str, severity: str) -> set[float]:
    """Return the numbers, in hours if they are durations, that an alert compares with."""
    of_severity = [
        rule["expr"]
        for rule in ALERTS
        if rule["alert"] == alert and rule["labels"].get("severity") == severity
    ]
    assert of_severity
    numbers = re.findall(r"[<>] ([\d.]+)(?: \* (3600))?(?![\d.])", " ".join(of_severity))
    return {float(number) / (3600 if not hour and float(number) >= 3600 else 1) for number, hour in numbers}


@pytest.mark.parametrize(
    ("steps", "alert", "colour", "severity"),
    [
        (NODE_FULL, "SoftswitchNodeChannelsNearLimit", WARNING, "warning"),
        (NODE_FULL, "SoftswitchNodeChannelsNearLimit", CRITICAL, "critical"),
        (TENANT_FULL, "SoftswitchTenantChannelsNearLimit", WARNING, "warning"),
    ],
)
def test_a_value_turns_its_color_where_the_alert_fires(
    steps: Steps, alert: str, colour: str, severity: str
) -> None:
    """The minimum of the color is the threshold of the rule."""
    (minimum,) = (minimum for minimum, of_step in steps if of_step == colour)
    assert minimum in _thresholds(alert, severity)


def test_a_low_balance_turns_its_color_where_the_alert_fires() -> None:
    """Below the first step it is critical, below the second one a warning: the hours of the rules."""
    (_, critical), (first, warning), (second, _) = LOW_BALANCE
    assert (critical, warning) == (CRITICAL, WARNING)
    assert first in _thresholds("SoftswitchBalanceRunningOut", "critical")
    assert second in _thresholds("SoftswitchBalanceRunningOut", "warning")


def test_constants_for_what_is_unknown_never_look_good() -> None:
    """They are negative, differ, have a word each, and none is green."""
    assert all(-0.01 < value < 0 for value in UNKNOWN)
    assert len({word.text for word in UNKNOWN.values()}) == len(UNKNOWN)
    assert "green" not in {word.colour for word in UNKNOWN.values()}
