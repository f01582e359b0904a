from typing import Any

import pytest

from exporter.web.headline import notices


def _notices(**more: Any) -> list[dict[str, Any]]:
    return [*notices({"alerting": {"firing": 0, "delivery": "on"}, **more})]


@pytest.mark.parametrize(
    ("configuration", "texts"),
    [
        ({}, []),
        (
            {"reload_failed_age_seconds": 300.0, "errors": ["e"]},
            ["Reloading has failed for 5 min; the previous configuration is in use."],
        ),
        (
            {"file_invalid_age_seconds": 300.0, "errors": ["e"]},
            ["The file on disk has been invalid for 5 min: the exporter would not start with it."],
        ),
    ],
)
def test_a_configuration_that_cannot_be_loaded(configuration: dict[str, Any], texts: list[str]) -> None:
    """It is a notice with the errors."""
    found = _notices(configuration=configuration)

    assert [notice["text"] for notice in found] == texts
    assert all(notice == notice | {"severity": "critical", "errors": ["e"]} for notice in found)


@pytest.mark.parametrize(("delivery", "number"), [("on", 0), ("off", 1), ("dry_run", 1)])
def test_alerts_that_are_not_sent(delivery: str, number: int) -> None:
    """A notice says so; it is no problem."""
    found = _notices(alerting={"firing": 0, "delivery": delivery})

    assert [notice["severity"] for notice in found] == [""] * number


def test_alerts_that_are_not_delivered() -> None:
    """A notice names each Alertmanager with the reason."""
    alerting = {
        "firing": 0,
        "delivery": "on",
        "failing_alertmanagers": {"http://a": "HTTP 500", "http://b": "x"},
    }

    (notice,) = _notices(alerting=alerting)

    assert (notice["severity"], notice["errors"]) == ("critical", ["http://a: HTTP 500", "http://b: x"])


def test_a_standby_says_so() -> None:
    """It says since when and why, instead of a word about alerts that it does not send anyway."""
    activity = {"state": "standby", "reason": "POST /-/standby", "age_seconds": 300.0}
    (found,) = _notices(activity=activity, alerting={"firing": None, "delivery": "off"})

    assert found["severity"] == "standby"
    assert found["text"].startswith("This exporter has been standing by for 5 min: POST /-/standby.")


def test_an_active_exporter_has_no_notice() -> None:
    """That it polls is what everyone expects."""
    assert _notices(activity={"state": "active", "reason": "POST /-/activate", "age_seconds": 1.0}) == []


def test_a_lease_that_cannot_be_used() -> None:
    """An active exporter warns that it may not be the only one."""
    reason = "the Lease a/b cannot be used: HTTP 403; another exporter may poll as well"
    activity = {"state": "active", "reason": reason, "age_seconds": 1.0, "lease_reachable": False}

    assert _notices(activity=activity) == [
        {"severity": "warning", "text": f"High availability: {reason}.", "errors": []}
    ]
