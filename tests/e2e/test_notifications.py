"""The templates in a real Alertmanager, which sends them to an SMTP server, chat services and a webhook."""

import html
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alert_messages import TEMPLATES, URL, alert, commented_receivers
from tests.documents import ROOT, blocks
from tests.e2e.alertmanager import Alertmanager, start_alertmanager
from tests.e2e.browser import running_browser
from tests.e2e.message_receivers import Chats, Mailbox, chats, mailbox
from tests.e2e.programs import running_programs, wait_until

Json = dict[str, Any]
FindProgram = Callable[[str, str], str]

_EVIL = '<img src=x onerror=alert(1)> & "'
_MAIL = "email_configs"
_PATHS = {
    "slack_configs": "/slack",
    "telegram_configs": "/bot123456:XXX/sendMessage",
    "msteamsv2_configs": "/teams",
    "webhook_configs": "/webhook",
}


@dataclass(frozen=True)
class Site:
    """A running Alertmanager, and what received its messages about firing and then resolved alerts."""

    firing: EmailMessage
    resolved: EmailMessage
    chats: Chats

    def text(self, receiver: str, number: int = 0) -> str:
        """Return the text of a message of a chat service."""
        message = self.chats.messages[_PATHS[receiver]][number]
        if receiver == "slack_configs":
            [attachment] = message["attachments"]
            return f"{attachment['title']}\n{attachment['text']}"
        if receiver == "telegram_configs":
            return str(message["text"])
        return "\n".join(block["text"] for block in message["attachments"][0]["content"]["body"])


@pytest.fixture(scope="module")
def site(require_each: FindProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Let an Alertmanager send twelve alerts, one of a tenant with a hostile name, and then their end."""
    executable = require_each("prometheus-alertmanager", "prometheus-alertmanager")
    directory: Path = tmp_path_factory.mktemp("alertmanager")
    with ExitStack() as stack:
        box, chat = stack.enter_context(mailbox()), stack.enter_context(chats())
        run = stack.enter_context(running_programs(directory))
        receivers = _receivers(box, chat, is_oldest="newer-programs" not in executable)
        alertmanager = start_alertmanager(run, executable, directory, _configuration(receivers))
        alerts = [_new(alert(_EVIL)), *(_new(alert(f"T{number:02}")) for number in range(11))]
        _send(alertmanager, alerts, box, chat, len(receivers))
        ended = datetime.now(UTC).isoformat()
        _send(alertmanager, [{**one, "endsAt": ended} for one in alerts], box, chat, 2 * len(receivers))
        firing, resolved = box.mails
        yield Site(firing, resolved, chat)


def _receivers(box: Mailbox, chat: Chats, *, is_oldest: bool) -> Json:
    """Return the receivers in the comments of the example, with addresses on this machine, and a webhook."""
    receivers = {**commented_receivers(), "webhook_configs": [{}]}
    if is_oldest:
        del receivers["msteamsv2_configs"]
    receivers[_MAIL][0] |= {"smarthost": f"127.0.0.1:{box.port}", "require_tls": False}
    receivers["slack_configs"][0] |= {"api_url": f"{chat.base_url}/slack"}
    receivers["telegram_configs"][0] |= {"api_url": chat.base_url}
    receivers["webhook_configs"][0] |= {"url": f"{chat.base_url}/webhook"}
    if "msteamsv2_configs" in receivers:
        receivers["msteamsv2_configs"][0] |= {"webhook_url": f"{chat.base_url}/teams"}
    return receivers


def _configuration(receivers: Json) -> str:
    times = {"group_wait": "1s", "group_interval": "1s", "repeat_interval": "1h"}
    return yaml.safe_dump(
        {
            "templates": [str(TEMPLATES)],
            "route": {"receiver": "all", "group_by": ["alertname", "switch"], **times},
            "receivers": [{"name": "all", **receivers}],
        }
    )


def _new(one: Json) -> Json:
    """Return an alert that begins now. Alertmanager would not wait for others after an older one."""
    return {name: one[name] for name in ("labels", "annotations", "generatorURL")}


def _send(alertmanager: Alertmanager, alerts: list[Json], box: Mailbox, chat: Chats, expected: int) -> None:
    alertmanager.post(alerts)
    wait_until(
        lambda: len(box.mails) + sum(map(len, chat.messages.values())) >= expected,
        60,
        lambda: (
            f"{expected} messages: {len(box.mails)} mails, {chat.messages}\n{alertmanager.program.text()}"
        ),
    )


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_the_mail(site: Site) -> None:
    """Its subject says how bad it is, what and where; both bodies list ten problems and what to do."""
    assert site.firing["Subject"] == "CRITICAL: A tenant's balance is low (pbx_eu, 12 alerts)"
    for kind in ("plain", "html"):
        body = html.unescape(_body(site.firing, kind))
        assert body.count("The balance of") == 10
        assert "and 2 more" in body
        assert "If the balance dropped quickly, rule out fraud." in body
        assert f"{URL}/runbooks/SoftswitchBalanceLow" in body
        assert f"{URL}/tenant?switch=pbx_eu&tenant=T01" in body
    assert "<img" not in _body(site.firing, "html")
    assert _EVIL in _body(site.firing, "plain")


def test_the_mail_about_the_end(site: Site) -> None:
    """It has no step to do."""
    assert site.resolved["Subject"] == "RESOLVED: A tenant's balance is low (pbx_eu, 12 alerts)"
    assert "Resolved:\n- The balance of" in _body(site.resolved, "plain").replace("\r", "")
    assert "What to do" not in _body(site.resolved, "html")


def test_the_mail_in_a_browser(site: Site, require_program: FindProgram, tmp_path: Path) -> None:
    """On a phone, it is as wide as the screen, also with long names, and needs nothing from the network."""
    with running_browser(require_program("chromium", "chromium")) as browser:
        page = browser.new_page(viewport={"width": 390, "height": 844})
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        page.set_content(_body(site.firing, "html"))
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.get_by_role("link", name="Details").count() == 10
        assert page.locator("h1").inner_text() == site.firing["Subject"]
        assert requested == []
        page.screenshot(path=tmp_path / "mail.png", full_page=True)


def test_the_messages_of_chat_services(site: Site) -> None:
    """Each begins with the title, lists problems and escapes names; the second message is about the end."""
    services = {name for name, path in _PATHS.items() if path in site.chats.messages} - {"webhook_configs"}
    assert {"slack_configs", "telegram_configs"} <= services
    for service in services:
        text = site.text(service)
        title, _, rest = html.unescape(text.removeprefix("<b>")).partition("\n")
        assert title.removesuffix("</b>") == site.firing["Subject"]
        assert "What to do:" in rest
        assert "&lt;img" in text
        assert "<img" not in text
        assert "RESOLVED: " in site.text(service, 1)


def test_a_webhook_receives_the_alerts_as_they_are(site: Site) -> None:
    """Alertmanager has no template for it: the page on alerting shows the JSON."""
    message = site.chats.messages["/webhook"][0]
    [documented] = map(json.loads, blocks(ROOT / "docs/alerting.md", "json"))
    # A newer version adds fields.
    assert documented.keys() <= message.keys()
    assert documented["alerts"][0].keys() <= message["alerts"][0].keys()
    assert documented["commonAnnotations"].keys() <= documented["alerts"][0]["annotations"].keys()
    assert len(message["alerts"]) == 12
