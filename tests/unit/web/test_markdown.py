import re
from pathlib import Path

import pytest

from exporter import shipped
from exporter.web.markdown import fill, html, runbook_link, usable
from tests.documents import ROOT, anchors

_VALUES = {"switch": "s.1", "tenant": "T_2", "node": "n-3", "extension": "42"}


def _links(text: str) -> list[str]:
    return re.findall(r'href="([^"]*)"', html(text, {"SoftswitchApiDown"}))


@pytest.mark.parametrize(
    ("written", "link"),
    [
        ("SoftswitchApiDown.md", "./SoftswitchApiDown"),
        ("SoftswitchApiDown.md#fix", "./SoftswitchApiDown#fix"),
        ("README.md", "./"),
        ("#fix", "#fix"),
        ("../alerting.md#routes", f"{shipped.REPOSITORY}/docs/alerting.md#routes"),
        ("../../alerts/softswitch.rules.yaml", f"{shipped.REPOSITORY}/alerts/softswitch.rules.yaml"),
        ("NoSuchRunbook.md", f"{shipped.RUNBOOKS}/NoSuchRunbook.md"),
        ("https://prometheus.io/docs", "https://prometheus.io/docs"),
        ("http://127.0.0.1:10390/api/v1/status", "../api/v1/status"),
        ("//evil.example/SoftswitchApiDown.md", f"{shipped.RUNBOOKS}/evil.example/SoftswitchApiDown.md"),
    ],
)
def test_links_work_below_the_exporter(written: str, link: str) -> None:
    """Runbooks and the exporter's own pages stay there, and other files are in the repository."""
    assert _links(f"[text]({written})") == [link]


def test_nothing_of_a_page_is_code() -> None:
    """HTML is text, a script is no link, and there is no inline style."""
    text = html("<script>1</script> <img src=x> [a](javascript:alert(1))\n\n| a |\n|--:|\n| b |\n", ())
    assert not re.search(r"<script|<img|href|style=", text)
    assert "&lt;script&gt;" in text


def test_the_title_can_be_left_out() -> None:
    """Headings have the anchors of GitHub."""
    assert (
        html("# Name\n\n## False alarm\n", (), without_title=True)
        == '<h2 id="false-alarm">False alarm</h2>\n'
    )


@pytest.mark.parametrize("name", ["README", *shipped.runbooks()])
def test_every_link_of_a_runbook_leads_somewhere(name: str) -> None:
    """To another runbook, a file of the repository with this heading, or the exporter."""
    source = shipped.runbooks().get(name) or shipped.index_of_runbooks()
    for link in re.findall(r'href="([^"]*)"', html(source, shipped.runbooks())):
        if link.startswith(shipped.REPOSITORY):
            file, _, anchor = link.removeprefix(f"{shipped.REPOSITORY}/").partition("#")
            assert (ROOT / file).is_file()
            assert not anchor or anchor in anchors(ROOT / file)
        else:
            assert link in {"./", "../", "../api/v1/status"} or Path(link).name in shipped.runbooks(), link


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
