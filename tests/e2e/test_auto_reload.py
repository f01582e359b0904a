"""`--config.auto-reload`: each way in which a configuration is changed on disk, with a real exporter."""

from pathlib import Path

import pytest

from tests.e2e.programs import Exporter, Start, start_exporter, wait_until

pytestmark = pytest.mark.timeout(120)

_CONFIGURATION = """\
switches:
  - name: pbx
    url: http://127.0.0.1:9/pbx/proxyapi.php
    key: the-admin-key
    queries: {{peers: {{interval: {interval}}}}}
    include: [tenants/*.yaml]
"""
_INTERVAL = "softswitch_query_interval_seconds"


def _replace(file: Path, text: str) -> None:
    """Write as vim and most deployments do: a new file, renamed over the old one."""
    new = file.with_name(f"{file.name}~")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def _mount(directory: Path, version: str, files: dict[str, str]) -> None:
    """Write files as Kubernetes mounts a ConfigMap: links to a hidden directory, swapped as a whole."""
    (directory / f"..{version}").mkdir(parents=True)
    for name, text in files.items():
        (directory / f"..{version}" / name).write_text(text, encoding="utf-8")
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"..data/{name}")
    (directory / "..data_tmp").symlink_to(f"..{version}")
    (directory / "..data_tmp").replace(directory / "..data")


def _wait_for(exporter: Exporter, interval: float, *, tenants: int) -> None:
    def is_applied() -> bool:
        found = exporter.value(_INTERVAL, switch="pbx", query="peers", scope="switch")
        return found == interval and exporter.value("softswitch_tenants", switch="pbx") == tenants

    wait_until(is_applied, 60, f"an interval of {interval} s and {tenants} tenants")


def test_changes_are_applied_without_a_call(run_program: Start, tmp_path: Path) -> None:
    """Written in place, replaced, and as a mounted ConfigMap. One change of two files is applied once."""
    tenants = tmp_path / "tenants"
    _mount(tenants, "v1", {"a.yaml": "tenants: [{code: A}]"})
    file = tmp_path / "config.yaml"
    exporter = start_exporter(run_program, file, _CONFIGURATION.format(interval="1m"), "--config.auto-reload")
    _wait_for(exporter, 60, tenants=1)

    file.write_text(_CONFIGURATION.format(interval="2m"), encoding="utf-8")
    _mount(tenants, "v2", {"a.yaml": "tenants: [{code: A}, {code: B}]"})
    _wait_for(exporter, 2 * 60, tenants=2)

    _replace(file, _CONFIGURATION.format(interval="3m"))
    (tenants / "c.yaml").write_text("tenants: [{code: C}]", encoding="utf-8")
    _wait_for(exporter, 3 * 60, tenants=3)
    exporter.program.wait_for_lines("configuration loaded", 2)
