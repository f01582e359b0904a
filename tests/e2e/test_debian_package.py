"""The Debian package: its checker accepts it, and an empty Debian installs, upgrades and purges it."""

import re
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import exporter
from exporter.shipped import assets
from tests.e2e.conftest import Start
from tests.e2e.debian import Machine, build_package, empty_machine, next_release
from tests.e2e.programs import Simulator, get, print_result, samples, start_simulator, wait_until

NAME = "softswitch-exporter"
CONFIG = "/etc/softswitch-exporter"
FLAGS = "/etc/default/softswitch-exporter"
STATE = "/var/lib/softswitch-exporter"
OURS = 'ARGS="--storage.path=/var/lib/softswitch-exporter --web.listen-address=127.0.0.1:0"\n'


# On a busy machine, lintian alone may take a minute.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package."""
    return build_package(tmp_path_factory.mktemp("package"), "1+deb12")


def test_lintian_finds_nothing(package: Path, require_program: Callable[[str, str], str]) -> None:
    """Nor does it find an override that is not needed."""
    lintian = require_program("lintian", "lintian")
    command = [lintian, "--allow-root", "--fail-on=error,warning", str(package)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_install_start_upgrade_remove_purge(
    package: Path, tmp_path_factory: pytest.TempPathFactory, run_program: Start
) -> None:
    """The service polls as its own user; an upgrade keeps what root has changed; a purge leaves nothing."""
    with empty_machine(tmp_path_factory.mktemp("machine")) as machine:
        simulator = start_simulator(run_program)
        before = machine.files()
        started = time.monotonic()
        assert f"systemctl start {NAME}" in machine.install(package)
        _polls(machine, simulator, run_program)
        print_result(f"from dpkg --install to live values: {time.monotonic() - started:.1f} s")
        _is_complete(machine)
        _upgrades(machine, next_release(package))
        _leaves_nothing(machine, before)


def _polls(machine: Machine, simulator: Simulator, run_program: Start) -> None:
    """Configure it as the package says, and run what systemd would, as the user that it would."""
    machine.write(f"{CONFIG}/pbx-eu.key", "demo-admin\n", group=NAME)
    machine.write(
        f"{CONFIG}/config.yaml",
        f"switches: [{{name: pbx, url: '{simulator.url}', key_file: pbx-eu.key}}]\n",
        group=NAME,
    )
    machine.run("sh", "-c", f"cat > {FLAGS}", text=OURS)
    machine.run("install", "-d", "-m", "700", "-o", NAME, "-g", NAME, STATE)  # StateDirectory=
    running = run_program(*machine.command(*_service(machine), user=NAME))
    port = running.wait_for(r"address=127\.0\.0\.1:(\d+)")[1]

    def up() -> bool:
        scraped = samples(get(f"http://127.0.0.1:{port}/metrics").decode())
        return scraped.get(("softswitch_up", frozenset({("switch", "pbx")}))) == 1

    wait_until(up, 30, "softswitch_up 1")
    assert running.stop() == 0
    assert f"{STATE}/switches.json" in machine.files()


def _service(machine: Machine) -> list[str]:
    """Return the command line of the unit, with the flags of the administrator."""
    unit = machine.run("cat", "/lib/systemd/system/softswitch-exporter.service")
    assert f"\nUser={NAME}\nGroup={NAME}\n" in unit
    assert f"\nEnvironmentFile=-{FLAGS}\n" in unit
    assert f"\nConditionPathExists={CONFIG}/config.yaml\n" in unit
    [line] = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    [flags] = shlex.split(machine.run("cat", FLAGS).partition("=")[2])
    return shlex.split(line.replace("$ARGS", flags))


def _is_complete(machine: Machine) -> None:
    """All libraries load, all modules are compiled, and the files for other programs are in /usr/share."""
    assert machine.run(NAME, "--version").startswith(f"{NAME} {exporter.__version__} ")
    assert {name: machine.run("cat", f"/usr/share/{NAME}/{name}").encode() for name in assets()} == assets()
    assert machine.run(NAME, "assets", "--list").splitlines() == list(assets())
    libraries = machine.run("sh", "-c", f"find /usr/lib/{NAME} -name '*.so*' | xargs ldd")
    assert "libstdc++" in libraries
    assert "not found" not in libraries
    ours = {Path(name) for name in machine.files() if name.startswith(f"/usr/lib/{NAME}/exporter/")}
    sources = {path.stem for path in ours if path.suffix == ".py"}
    assert sources == {path.name.partition(".")[0] for path in ours if path.suffix == ".pyc"}


def _upgrades(machine: Machine, package: Path) -> None:
    """Replace the program; keep configuration, key, flags and memory."""
    said = machine.install(package)
    assert "0.1.0-2" in said
    assert "pbx-eu.key" not in said  # no advice for a new installation
    assert machine.run("cat", FLAGS) == OURS
    assert machine.run("stat", "--format=%U %G %a", f"{CONFIG}/pbx-eu.key") == f"root {NAME} 640\n"
    assert machine.run("stat", "--format=%U %G %a", CONFIG) == f"root {NAME} 750\n"
    assert f"{STATE}/switches.json" in machine.files()


def _leaves_nothing(machine: Machine, before: set[str]) -> None:
    """Remove the program but not the configuration; then purge everything but the user."""
    machine.run("dpkg", "--remove", NAME)
    assert {name for name in machine.files() if name.startswith(("/usr/lib/soft", "/usr/bin/soft"))} == set()
    assert {f"{CONFIG}/config.yaml", FLAGS} <= machine.files()
    machine.run("dpkg", "--purge", NAME)
    assert {name for name in machine.files() - before if "softswitch" in name} == set()
