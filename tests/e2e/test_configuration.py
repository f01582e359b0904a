"""What the command line says of a configuration: every mistake at once, the plan, and how to mend it."""

import re
from pathlib import Path

import pytest

from tests.e2e.programs import run_command

_ROOT = Path(__file__).parents[2]

TEN_MISTAKES = """\
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

# Where each stands, and a word that says what is wrong there or what to do.
MISTAKES = {
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
def test_ten_mistakes_are_told_at_once(command: str, tmp_path: Path) -> None:
    """All of them with their paths, in the order of the file, on stderr; exit status 2 and no traceback."""
    file = tmp_path / "config.yaml"
    file.write_text(TEN_MISTAKES)

    finished = run_command(f"--config.file={file}", command)

    assert finished.returncode == 2
    assert finished.stdout == ""
    *problems, summary = finished.stderr.splitlines()
    assert summary == "10 error(s): nothing was started"
    told = [problem.removeprefix(f"{file}: ").split(": ", 1) for problem in problems]
    assert [place for place, _ in told] == list(MISTAKES)
    assert [what for place, what in told if MISTAKES[place] not in what] == []


def test_the_example_is_valid_and_its_plan_is_told(tmp_path: Path) -> None:
    """Exit status 0, a row for each query that is on, the rates and the series; no warning."""
    file = tmp_path / "config.yaml"
    example = (_ROOT / "config.example.yaml").read_text(encoding="utf-8")
    file.write_text(example.replace("replace-with-your-key", "the-key"), encoding="utf-8")

    finished = run_command(f"--config.file={file}", "--config.check")

    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    rows = re.findall(r"^  (\w+) +(switch|tenant) +\d+ +\S+ +\S+$", finished.stdout, re.MULTILINE)
    assert {("peers", "switch"), ("calls", "tenant"), ("balance", "tenant")} <= set(rows)
    assert re.search(r"requests per second: [\d.]+ required, [\d.]+ planned", finished.stdout)
    assert re.search(r"series: about \d+", finished.stdout)
    assert "warning" not in finished.stdout


def _check(tmp_path: Path, *, rate: float = 1.0, intervals: dict[str, str] | None = None) -> str:
    """Check a configuration with 500 tenants and return what is said."""
    chosen = {"channels": "2m", "calls": "2m", "balance": "5m", "registrations": "5m", **(intervals or {})}
    queries = ", ".join(f"{query}: {{tenant_interval: {interval}}}" for query, interval in chosen.items())
    tenants = "\n".join(f"      - code: T{number}" for number in range(500))
    file = tmp_path / "config.yaml"
    file.write_text(f"""\
switches:
  - name: pbx
    url: http://127.0.0.1:1/api
    key: demo-admin
    max_requests_per_second: {rate}
    queries: {{{queries}}}
    tenant_defaults: {{extensions: ["100"]}}
    tenants:
{tenants}
""")
    finished = run_command(f"--config.file={file}", "--config.check")
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout


def test_a_rate_that_cannot_meet_the_intervals_is_warned_of_with_the_mend(tmp_path: Path) -> None:
    """Each of the two mends that are named, followed to the letter, silences the warnings."""
    told = _check(tmp_path)

    (rate,) = re.findall(r"raise it to (\d+) if the switch", told)
    intervals = dict(re.findall(r"set queries\.(\w+)\.tenant_interval to (\w+)", told))
    assert set(intervals) == {"channels", "calls", "balance", "registrations"}
    assert "registrations.source to extensions" in told
    assert "warning" not in _check(tmp_path, rate=float(rate))
    assert "warning" not in _check(tmp_path, intervals=intervals)


def test_without_a_configuration_it_is_told_what_is_missing() -> None:
    """Exit status 2 and the flag; and what works without one."""
    finished = run_command()

    assert finished.returncode == 2
    assert "--config.file" in finished.stderr
    assert "demo" in finished.stderr


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    """Exit status 2, one line with path and reason."""
    finished = run_command(f"--config.file={tmp_path / 'none.yaml'}")

    assert finished.returncode == 2
    problem, _ = finished.stderr.splitlines()
    assert problem.startswith(f"{tmp_path / 'none.yaml'}: file: cannot be read (No such file or directory)")
