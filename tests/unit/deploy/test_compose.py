"""The files of the compose demo are valid; tests/e2e/test_image.py starts it."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from exporter.config import load

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
SERVICES = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def test_every_mounted_file_exists() -> None:
    """Docker would create an empty directory in place of a missing file."""
    mounted = [entry.split(":")[0] for service in SERVICES.values() for entry in service.get("volumes", [])]
    paths = [source for source in mounted if source.startswith(".")]
    assert paths
    assert [path for path in paths if not (DEPLOY / path).exists()] == []


def test_every_image_is_pinned() -> None:
    """Images that are not built here have a full version."""
    images = [service["image"] for service in SERVICES.values() if "build" not in service]
    assert images
    assert [image for image in images if not re.search(r":v?\d+\.\d+\.\d+$", image)] == []


@pytest.mark.parametrize(
    ("service", "program"), [("prometheus", "prometheus"), ("alertmanager", "prometheus-alertmanager")]
)
def test_pinned_versions_are_tested(
    service: str, program: str, require_newest: Callable[[str, str], str]
) -> None:
    """The end-to-end tests use the same minor versions of Prometheus and Alertmanager."""
    done = subprocess.run(
        [require_newest(program, program), "--version"], capture_output=True, text=True, check=True
    )
    [tested] = re.findall(r"version (\d+\.\d+)\.", (done.stdout + done.stderr).splitlines()[0])
    pinned = SERVICES[service]["image"].partition(":v")[2]
    assert pinned.startswith(f"{tested}."), f"pin the tested version: {tested}"


def test_prometheus_accepts_its_configuration(
    tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    """It is valid with the rules in the mounted paths."""
    promtool = require_program("promtool", "prometheus")
    for entry in SERVICES["prometheus"]["volumes"]:
        source, target, *_ = entry.split(":")
        if source.startswith("."):
            shutil.copy(DEPLOY / source, tmp_path / Path(target).name)
    command = [promtool, "check", "config", str(tmp_path / "prometheus.yaml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("rules found") == 2


def test_the_exporter_accepts_its_configuration(tmp_path: Path) -> None:
    """It polls the simulator by the name and port of its service, and finds its key."""
    text = (DEPLOY / "compose/exporter/config.yaml").read_text()
    key = "/run/secrets/switch-key"
    assert key in text
    file = tmp_path / "config.yaml"
    file.write_text(text.replace(key, str(DEPLOY / "compose/switch.key")))
    [switch] = load(file, {}).switches
    assert switch.url == "http://simulator:10391/pbx/proxyapi.php"
    assert "--listen=0.0.0.0:10391" in SERVICES["simulator"]["command"]


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    """The data source is the Prometheus service, and the provider uses the mounted dashboards."""
    mounted = {entry.split(":")[1]: DEPLOY / entry.split(":")[0] for entry in SERVICES["grafana"]["volumes"]}
    folder = "/etc/grafana/provisioning"
    [sources] = [yaml.safe_load(file.read_text()) for file in mounted[f"{folder}/datasources"].glob("*.yaml")]
    [boards] = [yaml.safe_load(file.read_text()) for file in mounted[f"{folder}/dashboards"].glob("*.yaml")]
    assert [source["url"] for source in sources["datasources"]] == ["http://prometheus:9090"]
    [path] = [provider["options"]["path"] for provider in boards["providers"]]
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (mounted[path] / home.relative_to(path)).is_file()
