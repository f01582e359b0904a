"""The instructions of docs/security.md, followed from top to bottom."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest

from exporter import cli
from tests.certificates import Authority
from tests.e2e.conftest import Start
from tests.e2e.programs import start_exporter

_PAGE = (Path(__file__).parents[2] / "docs/security.md").read_text(encoding="utf-8")
_PROGRAM = "softswitch-exporter"
_PASSWORD = "example"
_CONFIGURATION = "switches: [{name: pbx, url: 'http://127.0.0.1:1/', key: k, tenants: [{code: ACME}]}]"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)


def _commands(word: str) -> list[str]:
    """Return the command lines that contain a word."""
    return [line for block in _blocks("sh") for line in block.splitlines() if word in line]


@pytest.fixture
def directory(tmp_path: Path, authority: Authority) -> Path:
    """Create the certificates, with the commands of the page, and its web configuration."""
    assert authority.openssl
    for command in _commands("openssl req"):
        subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True)  # noqa: S602 -- as a user types it
    web, _ = _blocks("yaml")
    (tmp_path / "web.yml").write_text(web)
    (tmp_path / "config.yaml").write_text(_CONFIGURATION)
    return tmp_path


def test_the_configuration_works(
    directory: Path,
    run_program: Start,
    require_program: Callable[[str, str], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With --config.check, the daemon, curl and healthcheck; only the port differs."""
    require_program("curl", "curl")
    monkeypatch.chdir(directory)
    check, run, health = _commands(_PROGRAM)
    assert cli.main(check.split()[1:]) == 0
    expected = "web.yml is valid: HTTPS, client certificates: RequireAndVerifyClientCert, users: 1.\n"
    assert capsys.readouterr().out.startswith(expected)

    assert run.split()[1:] == ["--config.file=config.yaml", "--web.config.file=web.yml"]
    running = start_exporter(run_program, Path("config.yaml"), _CONFIGURATION, "--web.config.file=web.yml")
    port = running.base_url.rpartition(":")[2]
    (curl,) = _commands("curl")
    response = subprocess.run(curl.replace("10390", port).split(), capture_output=True, check=True)
    assert b"softswitch_exporter_build_info" in response.stdout
    wrong = curl.replace("10390", port).replace(f":{_PASSWORD}", ":wrong").split()
    assert b"401" in subprocess.run([*wrong, "--show-error"], capture_output=True, check=False).stderr
    assert cli.main([*health.split()[1:], f"--web.listen-address=127.0.0.1:{port}"]) == 0
    assert capsys.readouterr().out == "softswitch-exporter is healthy.\n"


def test_the_scrape_configuration_is_valid(
    directory: Path, require_program: Callable[[str, str], str]
) -> None:
    """With the files of the page, promtool accepts it."""
    _, scrape = _blocks("yaml")
    (directory / "prometheus.yml").write_text(scrape)
    (directory / "prometheus.password").write_text(_PASSWORD)
    promtool = require_program("promtool", "prometheus")
    checked = subprocess.run(
        [promtool, "check", "config", "prometheus.yml"], cwd=directory, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("program", ["htpasswd", "python"])
def test_the_commands_print_a_password_hash(
    program: str, run_program: Start, require_program: Callable[[str, str], str]
) -> None:
    """In a terminal, each prints a hash of cost 10, and so is the one on the page."""
    (command,) = _commands("getpass" if program == "python" else program)
    if program == "htpasswd":
        require_program("htpasswd", "apache2-utils")
    command = command.replace(".venv/bin/python", sys.executable)
    terminal = [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", "sh", "-c", command]
    with subprocess.Popen(terminal, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as typed:
        assert typed.stdin
        assert typed.stdout
        output = b""
        while part := typed.stdout.read(1):
            output += part
            if output.endswith(b"assword: "):
                typed.stdin.write(f"{_PASSWORD}\n".encode())
                typed.stdin.flush()
    hashes = [
        found.encode() for found in re.findall(r"\$2[by]\$10\$\S{53}", output.decode() + _blocks("yaml")[0])
    ]
    assert len(hashes) == 2, output
    assert all(bcrypt.checkpw(_PASSWORD.encode(), found) for found in hashes)
