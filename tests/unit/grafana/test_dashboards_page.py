"""docs/dashboards.md and the provisioning files."""

import re
import shlex
import struct

import pytest
import yaml

from grafana.preview.__main__ import parser
from tests.dashboard_files import DASHBOARDS
from tests.documents import ROOT, blocks

PAGE = ROOT / "docs/dashboards.md"
TEXT = PAGE.read_text("utf-8")
PROVISIONING = ROOT / "grafana/provisioning"


def test_every_dashboard_is_on_the_page() -> None:
    """The table lists each title and uid."""
    rows = re.findall(r"^\| (\w+) \|.*\| `([\w-]+)` \|$", TEXT, re.MULTILINE)
    titles = {uid: dashboard["title"].removeprefix("Soft-switch / ") for uid, dashboard in DASHBOARDS.items()}
    assert {uid: title for title, uid in rows} == titles


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_every_preview_exists_and_is_labeled(uid: str) -> None:
    """The image is below 200 kB and 1,500 pixels wide; its caption calls it a preview."""
    file = f"images/{uid.removeprefix('softswitch-')}-preview.png"
    (caption,) = re.findall(rf"!\[([^\]]+)\]\({file}\)", TEXT)
    assert caption.startswith("Preview of ")
    assert "not drawn by Grafana" in caption
    picture = (PAGE.parent / file).read_bytes()
    assert len(picture) < 200_000
    assert struct.unpack(">I", picture[16:20]) == (1500,)


def test_the_provider_uses_the_mounted_files() -> None:
    """Its path is the dashboard directory of the compose example."""
    [compose] = blocks(PAGE, "yaml")
    volumes = [volume.split(":") for volume in yaml.safe_load(compose)["services"]["grafana"]["volumes"]]
    places = {source.removeprefix("./"): target for source, target, _ in volumes}
    assert all((ROOT / source).is_dir() for source in places)
    [provider] = yaml.safe_load((PROVISIONING / "dashboards/softswitch.yaml").read_text())["providers"]
    assert places["grafana/dashboards"] == provider["options"]["path"]
    assert provider["type"] == "file"
    assert not provider["allowUiUpdates"]


def test_the_data_source_matches_the_scrapes() -> None:
    """It is a Prometheus with the scrape interval of the README, which determines rate intervals."""
    [source] = yaml.safe_load((PROVISIONING / "datasources/softswitch.yaml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    assert source["url"] in TEXT
    assert f"scrape_interval: {source['jsonData']['timeInterval']}" in (ROOT / "README.md").read_text()


def test_the_commands_are_valid() -> None:
    """``make`` has the targets, and the preview accepts the arguments."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in (line for block in blocks(PAGE, "sh") for line in block.splitlines()):
        program, *arguments = shlex.split(line)
        if program == "make":
            assert targets.issuperset(arguments)
        else:
            assert arguments[:2] == ["-m", "grafana.preview"]
            assert parser().parse_args(arguments[2:]).dashboard.name.removesuffix(".json") in DASHBOARDS
