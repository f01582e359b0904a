import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from exporter.cli import main
from tests.unit.alerting.conftest import FakeAlertmanager, fake

__all__ = ["fake"]

_GONE = "http://127.0.0.1:9"
Write = Callable[..., str]


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


async def test_an_alert_and_its_end(
    fake: FakeAlertmanager, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both say that they are a test, with the configured labels and the severity; one taker is enough."""
    assert await _test_alert(write(fake.url, _GONE), "--severity=critical") == 0

    firing, ended = fake.taken
    assert firing["labels"] == {
        "alertname": "SoftswitchTestAlert",
        "severity": "critical",
        "scope": "monitoring",
        "site": "lab",
    }
    assert "nothing is wrong" in firing["annotations"]["summary"]
    now = datetime.now().astimezone()
    assert datetime.fromisoformat(ended["endsAt"]) <= now < datetime.fromisoformat(firing["endsAt"])
    assert ended["labels"] == firing["labels"]
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"{fake.url}  accepted the alert"
    assert told[1] == f"{_GONE}  did not accept the alert: no connection: Connection refused"
    assert told[2:] == [f"{fake.url}  accepted its end"]


async def test_nobody_took_it(
    fake: FakeAlertmanager, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit status is 1, and it is said why."""
    fake.status = 401

    assert await _test_alert(write(fake.url)) == 1
    assert capsys.readouterr().out == f"{fake.url}  did not accept the alert: HTTP 401: an error\n"


async def test_a_clock_skew(fake: FakeAlertmanager, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said, with what to do; the alert is sent with the times of this machine all the same."""
    fake.date = "Fri, 31 Dec 9999 23:59:59 GMT"
    assert await _test_alert(write(fake.url)) == 0

    told = capsys.readouterr().out.splitlines()
    assert [line.partition("  ")[2][:16] for line in told] == [
        "accepted the ale",
        "clock skew: its ",
        "accepted its end",
        "clock skew: its ",
    ]
    assert " s ahead of ours; synchronize both clocks" in told[1]
    begins = datetime.fromisoformat(fake.taken[0]["startsAt"])
    assert 0 <= (datetime.now().astimezone() - begins).total_seconds() - 3600 < 60


def test_nobody_to_tell(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the section it says that there is nobody; without a file that it needs one."""
    assert main(["test-alert", write()]) == 1
    assert "no section `alerting`" in capsys.readouterr().err
    assert main(["test-alert"]) == 1
    assert "--config.file" in capsys.readouterr().err
