"""From a URL and a key to values, with the commands of README.md, word for word."""

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from exporter.cli.probe_arguments import SKIPPABLE
from tests.documents import ROOT
from tests.e2e.conftest import Start, StartSimulator
from tests.e2e.programs import EXPORTER, Simulator, samples, wait_until
from tests.e2e.programs import get as fetch

README = (ROOT / "README.md").read_text()
URL = "https://pbx.example.com/pbx/proxyapi.php"
KEY = "demo-admin"


def _blocks(language: str) -> list[str]:
    section = README.partition("## Point it at your switch")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def _commands(url: str) -> list[list[str]]:
    """Return the commands of the section, with the program and the URL of this test."""
    lines = [shlex.split(line.replace(URL, url)) for block in _blocks("sh") for line in block.splitlines()]
    return [[*EXPORTER, *words] for program, *words in lines if program == "softswitch-exporter"]


def _without_numbers(text: str) -> str:
    return re.sub(r"\d[\d.,]*", "N", text)


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_the_commands_of_the_readme(
    tmp_path: Path, run_simulator: StartSimulator, run_program: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They write a configuration, check it, and serve values of every kind."""
    simulator = run_simulator()
    simulator.change_world(freeze=True)  # at 60 times the speed, phones change between two requests
    (tmp_path / "pbx-eu.key").write_text(f"{KEY}\n")
    write, check, start = _commands(simulator.url)

    written = _run(write, tmp_path)
    assert written.returncode == 0, written.stdout + written.stderr
    [summary] = _blocks("text")
    assert _without_numbers(summary) in _without_numbers(written.stdout)
    text = (tmp_path / "config.yaml").read_text()
    [excerpt] = [block for block in _blocks("yaml") if block.startswith("switches:")]
    excerpt = excerpt.replace(URL, simulator.url)
    assert [line for line in excerpt.splitlines() if line not in text.splitlines()] == []
    assert KEY not in written.stdout + text
    sent = simulator.requests()["requests"]
    assert len(sent) <= int(re.search(r"At most (\d+) requests", written.stdout)[1])  # type: ignore[index]  # else it fails
    assert {request["in_flight"] for request in sent} == {0}
    assert sent[-1]["time"] - sent[0]["time"] >= (len(sent) - 1) / 4 * 0.9  # four a second

    checked = _run(check, tmp_path)
    assert checked.returncode == 0
    assert checked.stdout.startswith("config.yaml is valid.\n")
    assert "warning" not in checked.stdout

    # The first values of all queries would take half a minute at the intervals of a real switch.
    (tmp_path / "config.yaml").write_text(re.sub(r"(?<=interval: )\w+", "2s", text))
    monkeypatch.chdir(tmp_path)
    program = run_program(*start[:-1], "--web.listen-address=127.0.0.1:0")
    assert start[-1] == "--web.listen-address=127.0.0.1:10390"
    port = program.wait_for(r'address"?[=:]\s*"?127\.0\.0\.1:(\d+)')[1]
    wanted = {
        "softswitch_up",
        "softswitch_license_remaining_seconds",
        "softswitch_node_present",
        "softswitch_tenant_balance",
        "softswitch_tenant_extensions",
        "softswitch_extension_registered",
    }
    wait_until(
        lambda: wanted <= {name for name, _ in samples(fetch(f"http://127.0.0.1:{port}/metrics").decode())},
        60,
        f"all of {wanted}",
    )


def _write_config(simulator: Simulator, target: str, *flags: str) -> tuple[str, ...]:
    key = ("--key-env=PBX_KEY", "--name=pbx", *flags)
    return (
        sys.executable,
        "-m",
        "exporter",
        "probe",
        f"--url={simulator.url}",
        f"--write-config={target}",
        *key,
    )


def test_standard_output(
    tmp_path: Path, run_simulator: StartSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With -, it has nothing but the configuration; a dry run sends nothing."""
    simulator = run_simulator("--tenants=1")
    monkeypatch.setenv("PBX_KEY", KEY)
    dry = _run(list(_write_config(simulator, "-", "--dry-run")), tmp_path)
    assert (dry.returncode, dry.stdout) == (0, "")
    assert simulator.requests()["requests"] == []
    skip = [f"--skip={name}" for name in SKIPPABLE]
    done = _run(list(_write_config(simulator, "-", *skip)), tmp_path)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["switches"][0]["key_env"] == "PBX_KEY"
    assert done.stderr.startswith("Survey of ")
    assert list(tmp_path.glob("*.yaml")) == []


def test_an_interrupt_leaves_no_file(
    tmp_path: Path, run_simulator: StartSimulator, run_program: Start
) -> None:
    """Ctrl-C while the switch hangs ends it with status 130 and no traceback."""
    simulator = run_simulator("--tenants=2")
    simulator.inject_fault(kind="hang", reqtype="COUNTPEERS")
    program = run_program(*_write_config(simulator, str(tmp_path / "config.yaml")), PBX_KEY=KEY)
    program.wait_for("COUNTPEERS .* waiting, at most 1m")
    assert program.stop(signal.SIGINT) == 130
    assert "Traceback" not in program.text()
    assert list(tmp_path.glob("*.yaml")) == list(tmp_path.glob(".config*")) == []
