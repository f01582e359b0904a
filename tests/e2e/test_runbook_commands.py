"""The commands in runbooks and pages for operators, run against a simulated switch."""

import re
import shlex
from pathlib import Path

import pytest

from exporter.cli import main
from tests.documents import MARKDOWN, ROOT, lines
from tests.e2e.conftest import StartSimulator

COMMANDS = sorted(
    {
        line
        for page in MARKDOWN
        if page.is_relative_to(ROOT / "docs")
        for line in lines(page)
        if re.match(r"softswitch-exporter (probe |.*--config\.check)", line)
    }
)
"""Commands of the exporter that end by themselves."""

CONFIGURATION = """\
switches:
  - name: pbx-eu
    url: {url}
    key: demo-admin
    tenants:
      - code: ACME
        extensions: ["100"]
"""


def test_every_command_works(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    run_simulator: StartSimulator,
) -> None:
    """Each exits with status 0, and each probe gets a value."""
    simulator = run_simulator("--tenants=3")
    # The response about an idle tenant is empty and has no value.
    simulator.change_world(tenants={"ACME": {"calls": 4}})
    (tmp_path / "config.yaml").write_text(CONFIGURATION.format(url=simulator.url))
    monkeypatch.chdir(tmp_path)
    assert COMMANDS
    for line in COMMANDS:
        status = main(shlex.split(line)[1:])
        output = capsys.readouterr().out
        assert status == 0, f"{line}\n{output}"
        assert ("verdict   " in output) == (" probe " in line)
