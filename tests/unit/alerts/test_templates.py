"""The templates for Alertmanager, rendered with amtool in both versions."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alert_messages import ALERTS_DIRECTORY, EXAMPLE, TEMPLATES, URL, alert, commented_receivers, data
from tests.rule_files import ALERT_NAMES

Json = dict[str, Any]
Render = Callable[..., str]

_HTML = ("email.html", "telegram")
_BODIES = ("email.html", "email.text", "slack", "teams", "telegram")
_EVIL = '<!channel> [a](http://evil) <b>"&\u202e\n*_`'


@pytest.fixture
def render(require_each: Callable[[str, str], str], tmp_path: Path) -> Render:
    """Return a function that renders a template for alerts."""
    amtool = require_each("amtool", "prometheus-alertmanager")
    file = tmp_path / "data.json"

    def run(template: str, *alerts: Json) -> str:
        file.write_text(json.dumps(data(*alerts)))
        command = [amtool, "template", "render", f"--template.glob={TEMPLATES}", f"--template.data={file}"]
        form = "html" if template in _HTML else "text"
        text = f'{{{{ template "softswitch.{template}" . }}}}'
        done = subprocess.run(
            [*command, f"--template.type={form}", f"--template.text={text}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def _node(status: str = "firing", **labels: str) -> Json:
    made = alert(status=status)
    del made["labels"]["tenant"]
    made["labels"] |= {"alertname": "SoftswitchNodeMissing", **labels}
    made["annotations"]["summary"] = "A node of a soft-switch is missing."
    return made


@pytest.mark.parametrize(
    ("alerts", "title"),
    [
        ([alert()], "CRITICAL: A tenant's balance is low (pbx_eu, tenant ACME)"),
        ([_node(node="pbx2")], "CRITICAL: A node of a soft-switch is missing (pbx_eu, node pbx2)"),
        ([alert(severity="warning")], "WARNING: A tenant's balance is low (pbx_eu, tenant ACME)"),
        (
            [alert("A", severity="warning"), alert("B"), alert("C", severity="warning")],
            "CRITICAL: A tenant's balance is low (pbx_eu, 3 alerts)",
        ),
        (
            [alert("A"), alert("B", status="resolved")],
            "CRITICAL: A tenant's balance is low (pbx_eu, tenant A)",
        ),
        ([alert(status="resolved")], "RESOLVED: A tenant's balance is low (pbx_eu, tenant ACME)"),
        ([alert(), _node(node="pbx2")], "CRITICAL: Soft-switch problems (pbx_eu, 2 alerts)"),
        ([_node(switch="", instance="10.0.0.1:10390")],
         "CRITICAL: A node of a soft-switch is missing (10.0.0.1:10390)"),
        ([_node(switch="", severity="none")], "INFO: A node of a soft-switch is missing (soft-switches)"),
    ],
)  # fmt: skip
def test_the_title_says_how_bad_it_is_what_and_where(alerts: list[Json], title: str, render: Render) -> None:
    """On one line, for the lock screen of a phone."""
    assert render("title", *alerts) == title


@pytest.mark.parametrize("template", _BODIES)
def test_a_message_says_what_to_do(template: str, render: Render) -> None:
    """One line per problem, the first step, and links to the runbook and to the page of the tenant."""
    text = render(template, alert(), alert("BOREAL", status="resolved"))
    assert re.search("The balance of ACME on pbx_eu is 1.50, below 10".replace("_", r"\\?_"), text)
    assert "2026-12-01 03:12 UTC" in text
    assert "If the balance dropped quickly, rule out fraud." in text
    assert f"{URL}/runbooks/SoftswitchBalanceLow" in text
    assert re.search(f"{re.escape(URL)}/tenant.switch=pbx_eu&(amp;)?tenant=ACME", text)
    before, _, after = text.partition("Resolved")
    assert "ACME" in before
    assert "BOREAL" not in before
    assert "2026-12-01 03:12 to 2026-12-01 03:20 UTC" in after


@pytest.mark.parametrize("template", _BODIES)
def test_only_resolved_alerts(template: str, render: Render) -> None:
    """Nothing is to be done."""
    text = render(template, alert(status="resolved"))
    assert "What to do" not in text
    assert "Resolved" in text


@pytest.mark.parametrize("template", _BODIES)
def test_many_alerts_are_bounded(template: str, render: Render) -> None:
    """The first ten are listed, in Telegram five, and the others are counted."""
    listed = 5 if template == "telegram" else 10
    text = render(template, *(alert(f"T{number:03}", severity="warning") for number in range(47)))
    assert len(re.findall(r"balance of T\d+", text)) == listed
    assert f"and {47 - listed} more" in text


@pytest.mark.parametrize("template", _BODIES)
def test_different_severities_are_named(template: str, render: Render) -> None:
    """In each line, if they differ."""
    text = render(template, alert("A"), alert("B", severity="warning"))
    assert re.search("critical: The balance of A", text)
    assert re.search("warning: The balance of B", text)
    assert "critical: " not in render(template, alert("A"), alert("B"))


@pytest.mark.parametrize("template", [*_BODIES, "title"])
def test_names_from_a_switch_are_escaped(template: str, render: Render) -> None:
    """They are no markup, notify nobody, and do not break the line."""
    text = render(template, alert(_EVIL))
    assert "<!channel>" not in text or template == "email.text"
    assert "<b>" not in text.replace("<b>What", "").replace("<b>CRIT", "") or template == "email.text"
    assert "[a](http://evil)" not in text or template not in {"teams", "title"}
    assert "\u202e" not in text
    assert "evil)\n" not in text


def test_a_telegram_message_is_short(render: Render) -> None:
    """Alertmanager 0.25 cuts it after 4,096 letters, within a tag. Whatever the names, it has fewer."""
    for sign in "\"x&'":
        firing = [alert(sign * 2000) for _ in range(40)]
        for one in firing:
            one["labels"] |= {"trunk": sign * 500, "queue": sign * 500, "node": sign * 500}
        text = render("telegram", *firing, *(alert(sign * 2000, status="resolved") for _ in range(40)))
        assert len(text) <= 4096
        assert text.count("<b>") == text.count("</b>") == 3


@pytest.mark.parametrize(
    "text",
    [
        *(sign * 2000 for sign in ('"', "x", "&", "'", "+", "é", "xxx+")),
        *("&" * n + "x" * 2000 for n in (7, 19)),
    ],
)
def test_a_telegram_message_of_other_rules_is_short(text: str, render: Render) -> None:
    """Also if the rules of the operator have long summaries, severities and names in all labels."""
    names = ("switch", "node", "tenant", "trunk", "queue", "extension", "query")
    link = f"https://x/{'&' * 29}{'x' * 261}"
    alerts = [_node(status) for status in ("firing", "resolved") for _ in range(40)]
    for number, one in enumerate(alerts):
        one["labels"] |= dict.fromkeys(names, text) | {"severity": f"{text}{number}"}
        one["annotations"] |= {"summary": text, "description": text, "runbook_url": link}
        one["generatorURL"] = link
    message = render("telegram", *alerts)
    assert len(message) <= 4096
    assert message.count("<b>") == message.count("</b>") == 3
    assert message.count("<a ") == message.count("</a>") == 2


@pytest.mark.parametrize("path", ["x" * 300, "&" * 40, "é"])
def test_a_link_that_may_be_long_in_html_is_left_out_of_telegram(path: str, render: Render) -> None:
    """The link to the runbook, as any other."""
    other = alert()
    other["annotations"]["runbook_url"] = f"https://x/{path}"
    assert "Runbook" not in render("telegram", other)
    assert "Runbook" in render("slack", other)


@pytest.mark.parametrize("template", _BODIES)
def test_an_alert_without_description_and_severity(template: str, render: Render) -> None:
    """Its summary is shown, else its name, and without a severity no colon before it."""
    bare = alert("A")
    del bare["annotations"]["description"], bare["labels"]["severity"]
    lines = render(template, bare, alert("B", severity="warning")).splitlines()
    assert [
        line for line in lines if re.match("(<p [^>]*>|[-•] )A tenant('|&#39;)s balance is low($| |<)", line)
    ]
    del bare["annotations"]["summary"]
    for status in ("firing", "resolved"):
        lines = render(template, bare | {"status": status}, alert("B", severity="warning")).splitlines()
        assert [line for line in lines if re.match("(<p [^>]*>|[-•] )SoftswitchBalanceLow($| |<)", line)]


def test_a_summary_in_a_title_is_short_and_on_one_line(render: Render) -> None:
    """Whatever the rules of the operator say."""
    long = alert()
    long["annotations"]["summary"] = "two\nlines\u202e " + "x" * 500
    assert render("title", long).startswith("CRITICAL: two lines xxx")
    assert len(render("title", long)) < 170


def test_a_long_link_is_left_out_of_telegram(render: Render) -> None:
    """Prometheus's links contain the expression."""
    long = alert() | {"generatorURL": f"http://prometheus:9090/graph?g0.expr={'x' * 2000}"}
    assert "Details" not in render("telegram", long)
    assert "Details" in render("slack", long)


@pytest.mark.parametrize("name", ALERT_NAMES)
def test_every_alert_has_a_first_step(name: str) -> None:
    """Except the watchdog, which is no problem."""
    known = re.findall(r'eq \. "(\w+)" }}(\S.*)', TEMPLATES.read_text())
    steps = dict(known)
    assert len(steps) == len(known)
    assert (name in steps) is (name != "SoftswitchWatchdog")
    assert set(steps) <= {*ALERT_NAMES, "SoftswitchTestAlert"}


def test_no_first_step_is_known(render: Render) -> None:
    """For an alert of the operator, or different alerts: the runbook."""
    assert "Follow the runbook." in render("email.text", _node(alertname="Mine", node="pbx2"))
    assert "Follow the runbook." in render("email.text", alert(), _node(node="pbx2"))


@pytest.mark.parametrize("color", [("good", "resolved", "critical"), ("danger", "firing", "critical"),
                                   ("warning", "firing", "warning")], ids="-".join)  # fmt: skip
def test_the_color_in_slack(color: tuple[str, str, str], render: Render) -> None:
    """Of the worst problem."""
    name, status, severity = color
    assert render("slack.color", alert(status=status, severity=severity)) == name


def test_alertmanager_accepts_the_receivers_in_the_comments(
    require_each: Callable[[str, str], str], tmp_path: Path
) -> None:
    """Mail, Slack and Telegram in each version, and Teams in the newest."""
    amtool = require_each("amtool", "prometheus-alertmanager")
    version = subprocess.run([amtool, "--version"], capture_output=True, text=True, check=True)
    receivers = commented_receivers()
    assert list(receivers) == ["email_configs", "slack_configs", "telegram_configs", "msteamsv2_configs"]
    if " 0.25." in version.stdout + version.stderr:
        del receivers["msteamsv2_configs"]
    configuration = yaml.safe_load(EXAMPLE.read_text())
    configuration["receivers"].append({"name": "more", **receivers})
    configuration["templates"] = [str(ALERTS_DIRECTORY / each) for each in configuration["templates"]]
    file = tmp_path / "alertmanager.yaml"
    file.write_text(yaml.safe_dump(configuration))
    done = subprocess.run([amtool, "check-config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 templates" in done.stdout


def test_every_template_in_the_example_exists() -> None:
    """Each name between the quotes is defined."""
    named = set(re.findall(r'template "([\w.]+)"', EXAMPLE.read_text()))
    defined = set(re.findall(r'define "([\w.]+)"', TEMPLATES.read_text()))
    assert named <= defined
    assert {f"softswitch.{name}" for name in (*_BODIES, "title")} <= named
