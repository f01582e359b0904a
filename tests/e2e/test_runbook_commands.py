"""The commands of the runbooks, run against a simulated switch: they work as they stand."""

import shlex
from pathlib import Path

import pytest

from exporter.cli import main
from tests.documents import shell_lines
from tests.e2e.conftest import StartSimulator

OF_THE_EXPORTER = sorted({line for _, line in shell_lines() if line.startswith("softswitch-exporter ")})

CONFIGURATION = """\
switches:
  - name: pbx-eu
    url: {url}
    key: demo-admin
    tenants:
      - code: ACME
        extensions: ["100"]
"""


def test_every_command_of_the_exporter_works(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    run_simulator: StartSimulator,
) -> None:
    """Each exits with 0, and each probe asks something and gets a value."""
    simulator = run_simulator("--tenants=3")
    simulator.world(tenants={"ACME": {"calls": 4}})  # an idle tenant gives an empty answer, which is no value
    (tmp_path / "config.yaml").write_text(CONFIGURATION.format(url=simulator.url))
    monkeypatch.chdir(tmp_path)
    assert OF_THE_EXPORTER
    for line in OF_THE_EXPORTER:
        status = main(shlex.split(line)[1:])
        told = capsys.readouterr().out
        assert status == 0, f"{line}\n{told}"
        assert ("verdict   " in told) == (" probe " in line)
