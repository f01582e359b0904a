import re
from functools import partial
from pathlib import Path

import pytest
import yaml

from exporter.alerting import monitoring_rules, queue_rules, rules
from exporter.alerting.engine import Alert, Now, State
from exporter.alerting.groups import COVERED_BY, Groups, Sources, grouped
from exporter.alerting.rule import Rule
from tests.unit.alerting.conftest import alert

_LOST, _LOW, _BALANCE = rules.TENANT_REGISTRATIONS_LOST, rules.TENANT_REGISTRATIONS_LOW, rules.BALANCE_LOW
_NOW = Now(1200.0, 0.0)


def _grouped(*alerts: Alert) -> Groups:
    groups = Groups()
    list(grouped(alerts, groups, Sources()))
    return groups


def _kinds(*alerts: Alert) -> list[tuple[str, str, str, int]]:
    return sorted((g.name, g.severity, g.state.value, g.count) for g in _grouped(*alerts).groups)


def test_alerts_of_a_kind_are_a_group() -> None:
    """Of one name, severity, state and switch; ended ones and the watchdog are in none."""
    elsewhere = Alert((_LOST, (("switch", "other"), ("tenant", "ACME"))), State.FIRING, 0.0, 0.0, 20.0)
    found = _kinds(
        alert(_LOST, State.FIRING),
        alert(_LOST, State.FIRING, "BOREAL"),
        alert(_LOST, State.PENDING, "CINDER"),
        alert(_LOST, State.RESOLVED, "DELTA"),
        alert(monitoring_rules.WATCHDOG, State.FIRING),
        elsewhere,
    )

    assert found == [
        (_LOST.name, "critical", "firing", 1),
        (_LOST.name, "critical", "firing", 2),
        (_LOST.name, "critical", "pending", 1),
    ]


def test_the_count_is_right_beyond_what_is_listed() -> None:
    """Ten alerts of a group are shown, and all are counted; it yields while it counts."""
    groups = Groups()
    alerts = [alert(_LOST, State.FIRING, f"T{number:04}") for number in range(2500)]

    yields = len([*grouped(alerts, groups, Sources())])

    (group,) = groups.shown(_NOW)["groups"]
    assert (group["count"], len(group["alerts"])) == (2500, 10)
    assert yields >= 6


def test_a_worse_alert_covers_others_on_the_same_subject() -> None:
    """As the inhibition rules of the example: a critical one its warning, and lost phones the few phones."""
    assert _kinds(
        alert(_BALANCE, State.FIRING, "ACME", "warning"),
        alert(_BALANCE, State.FIRING, "ACME", "critical"),
        alert(_BALANCE, State.FIRING, "BOREAL", "warning"),
        alert(_LOST, State.FIRING, "ACME"),
        alert(_LOW, State.FIRING, "ACME", "critical"),
        alert(_LOW, State.FIRING, "BOREAL", "critical"),
        alert(queue_rules.UNATTENDED, State.FIRING),
        alert(queue_rules.WAITING_LONG, State.FIRING),
    ) == [
        (_BALANCE.name, "critical", "firing", 1),
        (_BALANCE.name, "warning", "firing", 1),
        (queue_rules.UNATTENDED.name, "critical", "firing", 1),
        (_LOST.name, "critical", "firing", 1),
        (_LOW.name, "critical", "firing", 1),
    ]


def test_a_pending_alert_covers_none_that_fires() -> None:
    """What fires is shown even if a worse alert may follow."""
    assert len(
        _kinds(
            alert(_BALANCE, State.FIRING, "ACME", "warning"),
            alert(_BALANCE, State.PENDING, "ACME", "critical"),
        )
    ) == 2  # fmt: skip


def test_a_pending_alert_covers_pending_ones() -> None:
    """Otherwise a problem would be listed twice until it fires."""
    assert _kinds(
        alert(_BALANCE, State.PENDING, "ACME", "warning"),
        alert(_BALANCE, State.PENDING, "ACME", "critical"),
    ) == [(_BALANCE.name, "critical", "pending", 1)]  # fmt: skip


def _over(rule: Rule, tenant: str = "ACME", severity: str = "", value: float = 0.5) -> Alert:
    found = alert(rule, State.FIRING, tenant, severity)
    found.ending_since, found.value = 1020.0, value
    return found


def test_alerts_whose_condition_is_no_longer_met_are_a_group() -> None:
    """They recovered three minutes ago and end 12 minutes from now. They are no alerts of their tenants."""
    groups = _grouped(_over(_LOST), alert(_LOST, State.FIRING, "BOREAL"))

    firing, over = sorted(groups.shown(_NOW)["groups"], key=lambda group: str(group["state"]))
    assert (firing["state"], firing["recovered_age_seconds"], firing["changes_at_seconds"]) == (
        "firing", None, None,
    )  # fmt: skip
    assert (over["state"], over["recovered_age_seconds"]) == ("recovered", 180.0)
    assert over["changes_at_seconds"] == _NOW.wall + 15 * 60 - 180
    assert groups.named["pbx"] == {"ACME": (), "BOREAL": ((_LOST.name, "critical"),)}
    (one,) = groups.alerts_of("pbx", "ACME", _NOW)
    assert (one["state"], one["changes_at_seconds"]) == ("recovered", over["changes_at_seconds"])


def test_an_alert_that_has_recovered_covers_only_those_that_have_recovered() -> None:
    """And it is covered by an alert on the same subject that has not."""
    low = alert(_LOW, State.FIRING, severity="warning")
    low.value = 0.5
    assert _kinds(_over(_LOST), low) == [(_LOW.name, "warning", "firing", 1)]
    assert _kinds(_over(_LOST), _over(_LOW)) == [(_LOST.name, "critical", "recovered", 1)]
    assert _kinds(_over(_LOW, severity="critical"), alert(_LOW, State.PENDING, severity="warning")) == [
        (_LOW.name, "warning", "pending", 1)
    ]


def test_a_pending_group_says_when_the_first_alert_fires() -> None:
    """Pending for 12 minutes of ten; it fires in the next evaluation, which is now."""
    (due,) = _grouped(alert(_BALANCE, State.PENDING, severity="critical")).shown(_NOW)["groups"]
    assert due["changes_at_seconds"] == _NOW.wall

    early = Now(600.0, 7000.0)
    (group,) = _grouped(alert(_BALANCE, State.PENDING, severity="critical")).shown(early)["groups"]
    assert group["changes_at_seconds"] == 7000.0 + 600 - 120


def test_a_tenant_without_phones_is_listed_once() -> None:
    """For a lost registration or a ratio of 0: the worst one, and the firing one of equally bad ones."""
    low = partial(alert, _LOW, State.FIRING, severity="critical")
    assert _kinds(low(), alert(_LOST, State.PENDING)) == [(_LOW.name, "critical", "firing", 1)]
    warning = alert(_LOW, State.FIRING, severity="warning")
    groups = _grouped(warning, alert(_LOST, State.PENDING))
    assert [group.name for group in groups.groups] == [_LOST.name]
    assert groups.covered == 1

    few = low(tenant="BOREAL")
    few.value = 0.2
    assert sorted((group.has_no_phones, group.count) for group in _grouped(low(), few).groups) == [
        (False, 1), (True, 1),
    ]  # fmt: skip


def _balance(tenant: str, value: float, threshold: float = 10.0) -> Alert:
    identity = _BALANCE, (("switch", "pbx"), ("tenant", tenant), ("severity", "critical"))
    return Alert(identity, State.FIRING, 1140.0, value, threshold)


def test_the_worst_comes_first() -> None:
    """The farthest below its threshold; among values above theirs, the highest."""
    (group,) = _grouped(_balance("A", 5), _balance("B", -12), _balance("C", 8, threshold=100)).groups
    assert [dict(one.identity[1])["tenant"] for one in group.worst] == ["C", "B", "A"]

    waits = [
        Alert((queue_rules.WAITING_LONG, (("switch", "pbx"), ("tenant", code), ("queue", "1"))), State.FIRING,
              0.0, value, 60.0)
        for code, value in (("A", 70.0), ("B", 700.0))
    ]  # fmt: skip
    (group,) = _grouped(*waits).groups
    assert [dict(one.identity[1])["tenant"] for one in group.worst] == ["B", "A"]


def test_the_age_includes_the_time_before_an_alert_fired() -> None:
    """The condition was met for ten minutes before the alert fired, a minute ago: eleven in all."""
    (group,) = _grouped(_balance("A", 5)).shown(_NOW)["groups"]
    assert group["age_seconds"] == group["alerts"][0]["age_seconds"] == 660.0
    assert (group["alerts"][0]["value"], group["alerts"][0]["threshold"]) == (5, 10.0)

    (pending,) = _grouped(alert(_BALANCE, State.PENDING, severity="critical")).shown(_NOW)["groups"]
    assert pending["age_seconds"] == 720.0


def test_an_alert_that_cannot_be_rendered_hides_no_other() -> None:
    """It has no texts."""
    broken = Alert((_BALANCE, (("switch", "pbx"),)), State.FIRING, 0.0, 1.0, 2.0)
    groups = _grouped(broken, alert(_LOST, State.FIRING)).shown(_NOW)["groups"]

    assert [bool(group["alerts"][0]["annotations"]) for group in groups] == [False, True]


def test_the_alerts_of_a_tenant() -> None:
    """Firing and critical ones come first; covered ones are left out, so that they match the groups."""
    groups = _grouped(
        alert(rules.TENANT_CHANNELS_NEAR_LIMIT, State.FIRING, "ACME"),
        alert(_BALANCE, State.FIRING, "ACME", "warning"),
        alert(_BALANCE, State.FIRING, "ACME", "critical"),
        alert(_LOST, State.PENDING, "ACME"),
        alert(_LOST, State.FIRING, "BOREAL"),
    )

    assert [(one["state"], one["labels"]["severity"]) for one in groups.alerts_of("pbx", "ACME", _NOW)] == [
        ("firing", "critical"), ("firing", "warning"), ("pending", "critical"),
    ]  # fmt: skip
    assert groups.alerts_of("pbx", "NOBODY", _NOW) == groups.alerts_of("other", "ACME", _NOW) == []
    assert groups.shown(_NOW)["of_tenants"]["pbx"]["BOREAL"] == ((_LOST.name, "critical"),)


_EXAMPLE = Path(__file__).parents[3] / "alerts/alertmanager.example.yaml"


def _matches(matchers: list[str], name: str) -> bool:
    """Return whether one of the matchers names an alert."""
    patterns = [re.fullmatch(r'alertname =~? "(.+)"', matcher) for matcher in matchers]
    return any(re.fullmatch(found[1], name) for found in patterns if found)


@pytest.mark.parametrize(
    ("target", "source", "equal"),
    [(target, *each) for target, sources in COVERED_BY.items() for each in sources],
)
def test_what_covers_an_alert_inhibits_it_in_the_example(
    target: str, source: str, equal: tuple[str, ...]
) -> None:
    """The page hides no alert that Alertmanager would send with the example."""
    inhibit_rules = yaml.safe_load(_EXAMPLE.read_text())["inhibit_rules"]

    assert [
        rule
        for rule in inhibit_rules
        if _matches(rule["source_matchers"], source)
        and _matches(rule["target_matchers"], target)
        and set(equal) <= set(rule["equal"])
    ]
