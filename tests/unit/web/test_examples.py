import re

import pytest

from exporter import shipped
from exporter.web.examples import fill, runbook_link, usable

_VALUES = {"switch": "s.1", "tenant": "T_2", "node": "n-3", "extension": "42"}


def test_whole_values_are_replaced() -> None:
    """Only after the name of their label; longer values and equal numbers stay."""
    commands = 'a{switch="pbx-eu", tenant="ACME2", node="pbx1"} * 100; x --tenant=ACME --extension=100'

    filled, left = fill(commands, _VALUES)

    assert filled == 'a{switch="s.1", tenant="ACME2", node="n-3"} * 100; x --tenant=T_2 --extension=42'
    assert left == {}


def test_examples_without_a_value_stay() -> None:
    """They are returned, so that the page can name them."""
    assert fill('a{switch="pbx-eu", tenant="ACME"}', {"switch": "s"}) == (
        'a{switch="s", tenant="ACME"}',
        {"tenant": "ACME"},
    )


@pytest.mark.parametrize(
    "text", ["", "a b", "$(reboot)", "a;b", 'a"', "a\n", "\N{GREEK SMALL LETTER ALPHA}", "x" * 101]
)
def test_a_value_that_needs_quotes_is_not_used(text: str) -> None:
    """Nor are labels that no runbook has an example for."""
    assert usable({"switch": text, "tenant": "T", "severity": "critical"}) == {"tenant": "T"}
    assert runbook_link("Name", {"switch": text, "tenant": "T"}) == "Name?tenant=T"
    assert runbook_link("Name", {"switch": text}) == "Name"


@pytest.mark.parametrize("name", shipped.runbooks())
def test_every_example_in_the_commands_of_a_runbook_can_be_replaced(name: str) -> None:
    """No command keeps an invented switch, tenant, node or extension."""
    for commands in re.findall(r"^```\w+\n(.*?)^```", shipped.runbooks()[name], re.MULTILINE | re.DOTALL):
        filled, left = fill(commands, _VALUES)
        assert left == {}
        found = re.findall(r'\b(switch|tenant|node|extension|trunk|queue)="?([\w.-]+)', filled)
        assert all(_VALUES.get(label) == value for label, value in found), found
