"""How the command line reports a configuration: all errors together, the plan, warnings with a fix."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.cli import main
from tests.e2e.programs import run_command

_ROOT = Path(__file__).parents[2]

Check = Callable[[str], str]
"""Checks a configuration, which must be valid, and returns the plan."""


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Run --config.check in this process: no start of Python for each configuration."""

    def run(configuration: str) -> str:
        file = tmp_path / "config.yaml"
        file.write_text(configuration, encoding="utf-8")
        status = main([f"--config.file={file}", "--config.check"])
        plan, errors = capsys.readouterr()
        assert (status, errors) == (0, "")
        return plan

    return run


TEN_ERRORS = """\
switches:
  - name: pbx-eu
    url: ftp://pbx.example.com/pbx/proxyapi.php
    key_file: not-there
    timeout: 60
    max_concurrency: 0
    colour: blue
    queries:
      peers: {interval: every minute}
      calls: {empty: nothing}
    tenants:
      - code: ACME
        labels: {job: sales}
        business_hours: {timezone: Mars/Olympus, days: [mon], from: "09:00", to: "18:00"}
      - code: ACME
"""

# The path of each error, and a part of its message.
ERRORS = {
    "switches[0].url": "http",
    "switches[0].key_file": "cannot be read",
    "switches[0].timeout": "30s",
    "switches[0].max_concurrency": "1 or more",
    "switches[0].colour": "unknown key",
    "switches[0].queries.peers.interval": "30s",
    "switches[0].queries.calls.empty": "zero or error",
    "switches[0].tenants[0].labels.job": "choose another name",
    "switches[0].tenants[0].business_hours.timezone": "Mars/Olympus",
    "switches[0].tenants[1].code": "already used by switches[0].tenants[0]",
}


@pytest.mark.parametrize("command", ["--web.listen-address=127.0.0.1:0", "--config.check"])
def test_all_errors_are_reported_together(command: str, tmp_path: Path) -> None:
    """With their paths, in the order of the file, on standard error; the exit status is 2."""
    file = tmp_path / "config.yaml"
    file.write_text(TEN_ERRORS)

    finished = run_command(f"--config.file={file}", command)

    assert finished.returncode == 2
    assert finished.stdout == ""
    *problems, summary = finished.stderr.splitlines()
    assert summary == "10 errors found; nothing was started"
    places, errors = zip(*(problem.split(": ", 1) for problem in problems), strict=True)
    assert [re.fullmatch(rf"{re.escape(str(file))}:\d+:\d+", place) is not None for place in places] == [
        True
    ] * 10
    found = [error.split(": ", 1) for error in errors]
    assert [path for path, _ in found] == list(ERRORS)
    assert [message for path, message in found if ERRORS[path] not in message] == []


def test_the_example_is_valid(check: Check) -> None:
    """The plan has a row for each enabled query, the rates and the series, and no warning."""
    example = (_ROOT / "config.example.yaml").read_text(encoding="utf-8")

    plan = check(example.replace("replace-with-your-key", "the-key"))

    rows = re.findall(r"^  (\w+) +(switch|tenant) +\d+ +\S+ +\S+$", plan, re.MULTILINE)
    assert {("peers", "switch"), ("calls", "tenant"), ("balance", "tenant")} <= set(rows)
    assert re.search(r"requests per second: [\d.]+ required, [\d.]+ planned", plan)
    assert re.search(r"series: about \d+", plan)
    assert "warning" not in plan


def _configuration(*, rate: float = 1.0, intervals: dict[str, str] | None = None) -> str:
    """Return a configuration with 500 tenants."""
    chosen = {"channels": "2m", "calls": "2m", "balance": "5m", "registrations": "5m", **(intervals or {})}
    queries = ", ".join(f"{query}: {{tenant_interval: {interval}}}" for query, interval in chosen.items())
    tenants = "\n".join(f"      - code: T{number}" for number in range(500))
    return f"""\
switches:
  - name: pbx
    url: http://127.0.0.1:1/api
    key: demo-admin
    max_requests_per_second: {rate}
    queries: {{{queries}}}
    tenant_defaults: {{extensions: ["100"]}}
    tenants:
{tenants}
"""


def test_either_fix_of_a_rate_limit_that_is_too_low_works(check: Check) -> None:
    """A higher rate or longer intervals, exactly as suggested, leave no warning."""
    plan = check(_configuration())

    (rate,) = re.findall(r"raise it to (\d+) if the switch", plan)
    intervals = dict(re.findall(r"set queries\.(\w+)\.tenant_interval to (\w+)", plan))
    assert set(intervals) == {"channels", "calls", "balance", "registrations"}
    assert "queries.registrations.source to one with fewer requests, such as blf" in plan
    assert "warning" not in check(_configuration(rate=float(rate)))
    assert "warning" not in check(_configuration(intervals=intervals))


def test_without_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2; the message has the missing flag, and the command that works without it."""
    with pytest.raises(SystemExit, match="2"):
        main([])
    errors = capsys.readouterr().err
    assert "--config.file" in errors
    assert "demo" in errors


def test_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2 and one line with path and reason."""
    assert main([f"--config.file={tmp_path / 'none.yaml'}", "--config.check"]) == 2
    problem, _ = capsys.readouterr().err.splitlines()
    assert problem.startswith(f"{tmp_path / 'none.yaml'}: cannot be read (No such file or directory)")
