import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from exporter import shipped
from exporter.cli import main
from tests.unit.alerting.conftest import FakeAlertmanager, fake

__all__ = ["fake"]

_GONE = "http://127.0.0.1:9"
Write = Callable[..., str]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a configuration with these Alertmanagers, and returns the flag."""

    def run(*urls: str) -> str:
        file = tmp_path / "config.yaml"
        alerting = {"labels": {"site": "lab"}, "alertmanagers": [{"url": url} for url in urls]}
        switches = [{"name": "pbx", "url": "http://127.0.0.1:9/api", "key": "k"}]
        file.write_text(json.dumps({"switches": switches, **({"alerting": alerting} if urls else {})}))
        return f"--config.file={file}"

    return run


async def _test_alert(*flags: str) -> int:
    return await asyncio.to_thread(main, ["test-alert", "--hold=0.1", *flags])


async def test_alert_fires_and_is_resolved(fake: FakeAlertmanager, write: Write, capsys: Captured) -> None:
    """It has the configured labels and the severity. One Alertmanager that accepts it is enough."""
    assert await _test_alert(write(fake.url, _GONE), "--severity=critical") == 0

    firing, resolved = fake.taken
    assert firing["labels"] == {
        "alertname": "SoftswitchTestAlert",
        "severity": "critical",
        "scope": "monitoring",
        "site": "lab",
    }
    assert "nothing is wrong" in firing["annotations"]["summary"]
    now = datetime.now().astimezone()
    assert datetime.fromisoformat(resolved["endsAt"]) <= now < datetime.fromisoformat(firing["endsAt"])
    assert resolved["labels"] == firing["labels"]
    assert capsys.readouterr().out.splitlines() == [
        f"{fake.url}  accepted the alert",
        f"{_GONE}  did not accept the alert: no connection: Connection refused",
        f"{fake.url}  accepted the resolved alert",
    ]


async def test_the_links_of_the_test_alert(fake: FakeAlertmanager, write: Write) -> None:
    """With the external URL, the exporter's runbooks and page; else the runbooks of the repository."""
    assert await _test_alert(write(fake.url), "--web.external-url=https://exporter.example.com/") == 0

    links = {(sent["annotations"]["runbook_url"], sent["generatorURL"]) for sent in fake.taken}
    assert links == {("https://exporter.example.com/runbooks/", "https://exporter.example.com/")}

    assert await _test_alert(write(fake.url)) == 0
    assert fake.taken[-1]["annotations"]["runbook_url"] == f"{shipped.RUNBOOKS}/README.md"


async def test_no_alertmanager_accepts_it(fake: FakeAlertmanager, write: Write, capsys: Captured) -> None:
    """The exit status is 1, and the reason is printed."""
    fake.status = 401

    assert await _test_alert(write(fake.url)) == 1
    assert capsys.readouterr().out == f"{fake.url}  did not accept the alert: HTTP 401: an error\n"


async def test_clock_skew(fake: FakeAlertmanager, write: Write, capsys: Captured) -> None:
    """It is reported, and the alert still carries the times of this machine."""
    fake.date = "Fri, 31 Dec 9999 23:59:59 GMT"
    assert await _test_alert(write(fake.url)) == 0

    printed = capsys.readouterr().out.splitlines()
    assert [line.partition("  ")[2][:16] for line in printed] == [
        "accepted the ale",
        "clock skew: its ",
        "accepted the res",
        "clock skew: its ",
    ]
    assert " s ahead of this one; synchronize both" in printed[1]
    begins = datetime.fromisoformat(fake.taken[0]["startsAt"])
    assert 0 <= (datetime.now().astimezone() - begins).total_seconds() - 3600 < 60


def test_nothing_to_send_to(write: Write, capsys: Captured) -> None:
    """A missing section and a missing file are errors."""
    assert main(["test-alert", write()]) == 1
    assert "no section `alerting`" in capsys.readouterr().err
    assert main(["test-alert"]) == 1
    assert "--config.file" in capsys.readouterr().err
