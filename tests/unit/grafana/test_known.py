"""What a query returns if it finds no problem, evaluated by promtool."""

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from grafana.known import ALERTS, all_clear, all_clear_of_tenant, figure, listed, number, problems, silent
from grafana.promql import targets
from grafana.words import CLEAR, INCOMPLETE, NO_DATA, NO_LIMIT, NO_RULES, NOT_POLLED

_OF = 'job="softswitch",instance="a"'
_OF_B = 'job="softswitch",instance="b"'
_RULES = {
    'ALERTS{alertname="SoftswitchWatchdog",alertstate="firing"}': "1x10",
    'switch:softswitch_up:last{switch="x"}': "1x10",
}
_UP = f'softswitch_up{{{_OF},switch="x"}}'
_SUCCESS = f'softswitch_query_success{{{_OF},switch="x",query="peers",scope="switch"}}'
_X = {
    f"softswitch_exporter_build_info{{{_OF}}}": "1x10",
    _UP: "1x10",
    f'softswitch_query_interval_seconds{{{_OF},switch="x",query="peers",scope="switch"}}': "60x10",
    _SUCCESS: "1x10",
}
_Y = {
    f"softswitch_exporter_build_info{{{_OF_B}}}": "1x10",
    f'softswitch_up{{{_OF_B},switch="y"}}': "1x10",
    f'softswitch_query_interval_seconds{{{_OF_B},switch="y",query="peers",scope="switch"}}': "60x10",
    f'softswitch_query_success{{{_OF_B},switch="y",query="peers",scope="switch"}}': "1x10",
}
_Y_IS_LOST = dict.fromkeys(_Y, "1x2 stale")
_Y_STANDS_BY = {name: "1x10" if "build_info" in name else "1x2 stale" for name in _Y} | {
    f"softswitch_exporter_active{{{_OF_B}}}": "1x2 0x8"
}
_PROBLEMS = "count(softswitch_node_present == 0)"
_Y_OF_ANOTHER = {name.replace('"b"', '"c"'): values for name, values in _Y.items()}
_MISSING = {f'softswitch_node_present{{{_OF},switch="x",node="n"}}': "0x10"}


def _evaluated(
    promtool: str, directory: Path, expression: str, series: Mapping[str, str]
) -> list[tuple[str, float]]:
    """Return the labels and values of an expression after ten minutes, from what promtool says it got."""
    plain = re.sub(r"\$\w+", ".+", expression)
    expected = [{"labels": "{unexpected='1'}", "value": 1}]
    tests = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": plain, "eval_time": "10m", "exp_samples": expected}],
    }
    file = directory / "tests.yaml"
    file.write_text(yaml.safe_dump({"tests": [tests]}))
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    got = re.search(r"got: *(.*)", done.stdout + done.stderr)
    assert got, done.stdout + done.stderr
    return sorted((labels, float(value)) for labels, value in re.findall(r"\{([^}]*)\} ([\dE.+-]+)", got[1]))


Evaluate = Callable[[str, Mapping[str, str]], list[tuple[str, float]]]


@pytest.fixture
def evaluate(require_program: Callable[[str, str], str], tmp_path: Path) -> Evaluate:
    """Return a function that evaluates an expression."""
    promtool = require_program("promtool", "prometheus")
    return lambda expression, series: _evaluated(promtool, tmp_path, expression, series)


@pytest.mark.parametrize(
    ("series", "constant"),
    [
        ({}, NO_DATA),
        (_RULES, NO_DATA),
        (_X, NO_RULES),
        (_X | dict([next(iter(_RULES.items()))]), NO_RULES),
        (_X | _RULES, CLEAR),
        (_X | _Y | _RULES, CLEAR),
        (_X | _Y_IS_LOST | _RULES, INCOMPLETE),
        (_X | _Y_STANDS_BY | _RULES, INCOMPLETE),
        (_X | _Y_STANDS_BY | _Y_OF_ANOTHER | _RULES, CLEAR),
        (_X | _RULES | {_UP: "0x10"}, INCOMPLETE),
        (_X | _RULES | {_SUCCESS: "0x10"}, INCOMPLETE),
    ],
    ids=[
        *["nothing", "rules alone", "no rules", "no records", "all", "both", "lost"],
        *["all stand by", "taken over", "down", "failing"],
    ],
)
def test_none_is_said_only_if_it_is_known(
    evaluate: Evaluate, series: dict[str, str], constant: float
) -> None:
    """Without a problem, the constant says whether that is good news. A problem is shown in any case."""
    clear = all_clear(rules=ALERTS, queries="peers")
    for query in (problems(_PROBLEMS, clear), number(_PROBLEMS, clear)):
        assert evaluate(query, series) == [("", constant)]
        assert evaluate(query, series | _MISSING) == [("", 1)]


def test_a_switch_that_was_removed_from_the_configuration_is_not_missed(evaluate: Evaluate) -> None:
    """Its exporter still runs and no longer polls it."""
    of_b = {name: ("1x10" if "build_info" in name else "1x2 stale") for name in _Y}
    assert evaluate(all_clear(rules=ALERTS), _X | of_b | _RULES) == [("", CLEAR)]


def test_a_query_that_is_off(evaluate: Evaluate) -> None:
    """It is not missing data."""
    assert evaluate(all_clear(queries="trunks"), _X) == [("", NOT_POLLED)]


def test_an_exporter_that_is_down(evaluate: Evaluate) -> None:
    """The condition that all exporters are scraped finds it, and ignores the targets of other jobs."""
    clear = all_clear(also=f"min({targets()}) == 1")
    up = {f"up{{{_OF}}}": "1x10", 'up{job="node",instance="c"}': "0x10"}
    assert evaluate(clear, _X | up) == [("", CLEAR)]
    assert evaluate(clear, _X | up | {f"up{{{_OF_B}}}": "0x10"}) == [("", INCOMPLETE)]


def test_one_target_per_switch(evaluate: Evaluate) -> None:
    """A switch that cannot be scraped is not responding, while its exporter works."""
    clear = all_clear(also=f"min({targets()}) == 1")
    up = {f"up{{{_OF}}}": "1x10", f'up{{{_OF},switch="x"}}': "1x10", f'up{{{_OF},switch="y"}}': "1x10"}
    assert evaluate(clear, _X | up) == [("", CLEAR)]

    up |= {f'up{{{_OF},switch="y"}}': "0x10", 'up{job="network",instance="c",switch="core"}': "0x10"}
    assert evaluate(clear, _X | up) == [("", INCOMPLETE)]
    assert evaluate(silent(), _X | up) == [('switch="y"', NO_DATA)]
    assert evaluate(targets(), _X | up) == [('instance="a", job="softswitch"', 1)]
    assert evaluate(targets(), _X | up | {f"up{{{_OF}}}": "0x10"}) == [('instance="a", job="softswitch"', 0)]
    del up[f"up{{{_OF}}}"]
    assert evaluate(targets(), _X | up) == [('instance="a", job="softswitch"', 1)]


def test_a_list_names_the_lost_switches(evaluate: Evaluate) -> None:
    """They are rows of it; if there is nothing at all, it says so."""
    query = listed("max by (switch) (softswitch_up)")
    assert evaluate(query, _X | _Y_IS_LOST) == [('switch="x"', 1), ('switch="y"', NO_DATA)]
    assert evaluate(query, {}) == [("", NO_DATA)]


def test_a_tenant(evaluate: Evaluate) -> None:
    """It is clear if its switch responds and its queries succeed."""
    of_x = {name.replace('"x"', '".+"'): values for name, values in _X.items()}
    tenant = f'{_OF},switch=".+",tenant=".+"'
    there = of_x | {f"softswitch_tenant_info{{{tenant}}}": "1x10"}
    success = f'softswitch_query_success{{{tenant},query="balance",scope="tenant"}}'
    clear = all_clear_of_tenant(rules=ALERTS)
    assert evaluate(clear, {}) == [("", NO_DATA)]
    assert evaluate(clear, there | {success: "1x10"}) == [("", NO_RULES)]
    assert evaluate(clear, there | _RULES | {success: "1x10"}) == [("", CLEAR)]
    assert evaluate(clear, there | _RULES | {success: "0x10"}) == [("", INCOMPLETE)]


def test_a_figure_says_why_it_is_absent(evaluate: Evaluate) -> None:
    """By the first condition that holds."""
    query = figure("max(softswitch_tenant_channels_limit)", ("count(softswitch_up == 1)", NO_LIMIT))
    assert evaluate(query, {}) == [("", NO_DATA)]
    assert evaluate(query, _X) == [("", NO_LIMIT)]
    assert evaluate(query, {"softswitch_tenant_channels_limit": "7x10"}) == [("", 7)]
