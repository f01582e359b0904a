from datetime import datetime

import pytest

from exporter.alerting import rules
from exporter.alerting.alerts import Alert, State
from exporter.alerting.messages import Now, message

_WALL = 1_700_000_000.0
_NODE = (rules.NODE_MISSING, (("switch", "pbx"), ("node", "pbx1")))


def _ago(text: str) -> float:
    return _WALL - datetime.fromisoformat(text).timestamp()


def _firing() -> Alert:
    return Alert(_NODE, State.FIRING, 600.0, 0.0, 0.0, fired_at=600.0)


def test_what_fires_ends_unless_it_is_told_again() -> None:
    """It began when it began to fire, and ends in four minutes."""
    told = message(_firing(), {}, Now(660.0, _WALL))

    assert (_ago(told["startsAt"]), _ago(told["endsAt"])) == (60, -240)
    assert told["labels"] == {
        "alertname": "SoftswitchNodeMissing",
        "severity": "critical",
        "scope": "node",
        "switch": "pbx",
        "node": "pbx1",
    }
    assert told["annotations"].keys() == {"summary", "description", "runbook_url"}


def test_what_ended_has_its_end() -> None:
    """Both times are in the past."""
    alert = Alert(_NODE, State.RESOLVED, 720.0, 0.0, 0.0, fired_at=600.0)
    told = message(alert, {}, Now(780.0, _WALL))

    assert (_ago(told["startsAt"]), _ago(told["endsAt"])) == (180, 60)


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
def test_a_stepped_clock_moves_both_times(step: float) -> None:
    """Whatever the wall clock shows, it began before it ends, and as long ago as it was."""
    told = message(_firing(), {}, Now(660.0, _WALL + step))

    assert (_ago(told["startsAt"]) + step, _ago(told["endsAt"]) + step) == (60, -240)


def test_a_moment_that_is_yet_to_come_is_now() -> None:
    """Moments are whole intervals: a message may be a little ahead of one, and begins now at the latest."""
    assert _ago(message(_firing(), {}, Now(590.0, _WALL))["startsAt"]) == 0


def test_configured_labels_are_added_and_override_nothing() -> None:
    """As external_labels in Prometheus; an empty one is none, for Alertmanager would drop it."""
    labels = message(_firing(), {"site": "eu", "node": "mine", "empty": ""}, Now(660.0, _WALL))["labels"]

    assert (labels["site"], labels["node"], "empty" in labels) == ("eu", "pbx1", False)
