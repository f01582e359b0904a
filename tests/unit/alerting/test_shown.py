from pathlib import Path

import pytest

from exporter.alerting import rules
from exporter.alerting.alerts import State
from exporter.alerting.messages import Now
from exporter.alerting.overview import Overview
from exporter.alerting.shown import shown
from exporter.config import AlertingConfiguration
from exporter.config.sections import Surroundings
from tests.unit.alerting.conftest import alert, made_of

_CONFIGURATION = AlertingConfiguration.model_validate(
    {"alertmanagers": [{"url": "http://127.0.0.1:9093"}], "labels": {"site": "eu"}},
    context=Surroundings(Path("/"), {}),
)
_NOW = Now(600.0, 1_700_000_000.0)


def test_what_fires_and_pends_is_counted() -> None:
    """What ended is not, nor is the watchdog, which is listed."""
    lost = rules.TENANT_REGISTRATIONS_LOST
    told = shown(
        _CONFIGURATION,
        made_of(
            alert(lost, State.PENDING, "CINDER"),
            alert(lost, State.FIRING),
            alert(lost, State.FIRING, "BOREAL"),
            alert(lost, State.RESOLVED, "DELTA"),
            alert(rules.WATCHDOG, State.FIRING),
        ),
        _NOW,
    )

    assert told["alerting"] == {"dry_run": False, "firing": 2, "pending": 1}
    assert [one["labels"]["alertname"] for one in told["alerts"]].count(rules.WATCHDOG.name) == 1


@pytest.mark.parametrize(("speed", "age"), [(1.0, 120.0), (60.0, 2.0)])
def test_an_alert(speed: float, age: float) -> None:
    """Its labels with the configured ones, its texts, and for how long it has been in its state."""
    lost = alert(rules.TENANT_REGISTRATIONS_LOST, State.FIRING)

    (told,) = shown(_CONFIGURATION, made_of(lost), Now(600.0, 0.0, speed))["alerts"]

    assert told["state"] == "firing"
    assert told["labels"] == {"site": "eu", **lost.labels}
    assert told["annotations"]["description"] == "None of the 20 extensions of ACME on pbx is registered."
    assert told["age_seconds"] == age


def test_before_the_first_evaluation_nothing_is_known() -> None:
    """That nothing fires is not said before anything was judged; after it, it is."""
    told = shown(_CONFIGURATION, None, _NOW)
    assert told == {"alerting": {"dry_run": False, "firing": None, "pending": None}, "alerts": []}

    told = shown(_CONFIGURATION, Overview(), _NOW)
    assert told == {"alerting": {"dry_run": False, "firing": 0, "pending": 0}, "alerts": []}
