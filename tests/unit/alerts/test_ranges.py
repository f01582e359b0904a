"""No rule depends on a sample exactly on the boundary of its range, or uses a range that is too short."""

import re

import pytest

from tests.rule_files import GROUPS, RULES, Rule, name_of, queries
from tests.rule_ranges import SLOWEST_SCRAPES, fragile, seconds

_SPENDING = "switch_tenant:softswitch_tenant_spending"


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_no_rule_has_a_fragile_range(rule: Rule) -> None:
    """Expression and annotations select the same samples in Prometheus 2.x and 3."""
    assert [problem for expression in queries(rule) for problem in fragile(expression)] == []


def test_every_query_of_an_annotation_is_checked() -> None:
    """The check finds as many queries as the annotations contain."""
    asked = [text for rule in RULES for text in rule.get("annotations", {}).values() if "| query" in text]
    assert len(asked) == sum(len(queries(rule)) - 1 for rule in RULES)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("avg_over_time(softswitch_calls[5m])", "[5m] is not"),
        ("avg_over_time(softswitch_calls[5m1s] offset 1w)", None),
        ('max_over_time(softswitch_calls{a="[5m]"}[301s])', None),
        ("last_over_time(softswitch_calls[4m1s])", None),
        ("last_over_time(softswitch_calls[5.5m])", "cannot parse"),
        ("last_over_time(softswitch_calls[3m1s])", "softswitch_calls is sampled every 120 s: 181 s"),
        ("increase(softswitch_request_failures_total[5m1s])", "301 s is not longer than 4 times"),
        ("rate(softswitch_request_failures_total[$__rate_interval])", None),
        (f"max_over_time({_SPENDING}:rate5m[1d1s:5m])", "sampled every 300 s: 300 s"),
        (f"max_over_time(last_over_time({_SPENDING}:rate5m[10m1s])[1d1s:5m])", None),
        (f"max_over_time(last_over_time({_SPENDING}:rate5m[10m1s])[1d:5m])", "[1d] is not"),
        (f"{_SPENDING}:rate1h", "sampled every 300 s: 300 s"),
        (f"last_over_time({_SPENDING}:busy[15m1s])", "sampled every 1800 s: 901 s"),
        ("switch:softswitch_up:last == 0 unless on (switch) softswitch_up", None),
    ],
)
def test_fragile_ranges_are_found(expression: str, complaint: str | None) -> None:
    """Ranges that are a multiple of the interval, or cover less than two samples, are reported."""
    found = list(fragile(expression))
    assert bool(found) is bool(complaint)
    assert complaint is None or complaint in found[0]


def test_failures_of_every_group_are_detected() -> None:
    """The ranges of SoftswitchRuleFailures cover an interval of each group and two scrapes."""
    (rule,) = (rule for rule in RULES if name_of(rule) == "SoftswitchRuleFailures")
    found = re.findall(
        r'rule_group=~"([^"]+)"(?:,rule_group!~"([^"]+)")?\}\[(\w+)\](?: offset (\w+))?', rule["expr"]
    )
    assert len(found) == 3
    for group in GROUPS:
        name, interval = f"/etc/rules.yaml;{group['name']}", seconds(group["interval"])
        looks = [
            (seconds(reach), seconds(offset))
            for of, but, reach, offset in found
            if re.fullmatch(of, name) and not (but and re.fullmatch(but, name))
        ]
        assert looks, name
        assert all(reach > interval + 2 * SLOWEST_SCRAPES for reach, _ in looks), name
        # A single failure leaves the range before `for` ends, or the previous evaluation must have failed.
        assert min(reach for reach, _ in looks) < seconds(rule["for"]) or (
            {offset for _, offset in looks} == {0, interval}
        ), name
