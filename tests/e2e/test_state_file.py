"""The state file of alerting on a failing disk, with a real exporter and Alertmanager."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.accelerated_exporter import start_accelerated_exporter
from tests.e2e.alertmanager import Alertmanager, start_alertmanager
from tests.e2e.conftest import Start
from tests.e2e.full_configuration import TENANT_QUERIES, configuration, queries, switch
from tests.e2e.programs import (
    Exporter,
    Simulator,
    running_programs,
    samples,
    start_simulator,
    wait_until,
)

SPEED = 300
"""One evaluation every 0.2 s."""

TENANTS = 100
SMALL = 4096
"""Bytes: more than the log, less than the state of this many tenants."""

PATIENCE = 60.0
FAILING = "the state file cannot be written: a restart would forget alerts"
WELL = "the state file can be written again"
NOBODY = "{route: {receiver: nobody}, receivers: [{name: nobody}]}"


@dataclass(frozen=True)
class Site:
    """A switch, an Alertmanager and the state file."""

    run: Start
    directory: Path
    file: Path
    simulator: Simulator
    alertmanager: Alertmanager

    def start(self, *hanging: str) -> Exporter:
        """Start the exporter. Opening a file whose name contains ``hanging`` never returns."""
        off: dict[str, Any] = {
            query: {"tenant_interval": "off"}
            for query in TENANT_QUERIES
            if query not in {"balance", "channels"}
        }
        codes = list(self.simulator.truth()["tenants"])[:TENANTS]
        pbx = switch(
            "pbx",
            self.simulator.url,
            nodes=["pbx1", "pbx2"],
            tenants=[{"code": code} for code in codes],
            thresholds={"balance": "off"},
            queries=queries(**off),
        )
        alertmanagers = [{"url": f"http://{self.alertmanager.address}"}]
        text = configuration(pbx, alerting={"alertmanagers": alertmanagers, "state_file": str(self.file)})
        return start_accelerated_exporter(self.run, self.directory / "config.yaml", text, SPEED, *hanging)

    def wait_until_notified(self, node: str, *, fires: bool) -> None:
        """Wait until the alert on a node fires in Alertmanager, or no longer does."""

        def is_notified() -> bool:
            nodes = {alert["labels"].get("node") for alert in self.alertmanager.alerts()}
            return (node in nodes) is fires

        wait_until(is_notified, PATIENCE, f"the alert on {node} to fire: {fires}")

    def wait_until_written(self) -> None:
        """Wait until the state file changes."""
        before = self.file.stat() if self.file.exists() else None
        wait_until(
            lambda: self.file.is_file() and self.file.stat() != before,
            PATIENCE,
            "the state file to be written",
        )


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Run a frozen switch."""
    with running_programs(tmp_path_factory.mktemp("switch")) as run:
        started = start_simulator(run, f"--tenants={TENANTS}", "--nodes=2")
        started.change_world(freeze=True)
        yield started
        started.assert_no_forbidden_requests()


@pytest.fixture
def site(
    tmp_path: Path,
    memory_directory: Path,
    run_program: Start,
    simulator: Simulator,
    require_program: Callable[[str, str], str],
) -> Site:
    """Start an Alertmanager, and restore the nodes of the switch."""
    executable = require_program("prometheus-alertmanager", "prometheus-alertmanager")
    simulator.change_world(nodes={"pbx2": True})
    alertmanager = start_alertmanager(run_program, executable, tmp_path, NOBODY)
    file = memory_directory / "state" / "state.json"
    file.parent.mkdir()
    return Site(run_program, tmp_path, file, simulator, alertmanager)


@contextmanager
def _full(exporter: Exporter, file: Path) -> Iterator[None]:
    """Limit the size of files of the exporter: only part of the state is written."""
    process = exporter.program.process.pid
    before = resource.prlimit(process, resource.RLIMIT_FSIZE, (SMALL, resource.RLIM_INFINITY))
    wait_until(lambda: "File too large" in exporter.program.text(), PATIENCE, "the disk to be full")
    kept = file.read_bytes()
    assert len(kept) > 2 * SMALL
    yield
    assert file.read_bytes() == kept
    resource.prlimit(process, resource.RLIMIT_FSIZE, before)


@contextmanager
def _gone(_: Exporter, file: Path) -> Iterator[None]:
    """Remove the directory, as if a volume were no longer mounted."""
    away = file.parent.rename(file.parent.with_name("away"))
    yield
    away.rename(file.parent)


def _errors(exporter: Exporter) -> float:
    return samples(exporter.metrics())["softswitch_alerting_state_file_errors_total", frozenset()]


def test_write_errors_do_not_delay_alerts(site: Site) -> None:
    """A problem is logged when it begins and when it ends, and every failed write is counted.

    The last complete file is kept, and replaced when writing works again.
    """
    exporter = site.start()
    site.wait_until_written()
    wait_until(lambda: site.file.stat().st_size > 2 * SMALL, PATIENCE, "the state of all tenants")
    for number, problem in enumerate((_full, _gone), 1):
        before = _errors(exporter)
        with problem(exporter, site.file):
            site.simulator.change_world(nodes={"pbx2": False})
            site.wait_until_notified("pbx2", fires=True)
            wait_until(lambda: _errors(exporter) > before + 5, PATIENCE, f"{problem} to be counted")  # noqa: B023 -- called at once
        exporter.program.wait_for_lines(WELL, number)
        after = _errors(exporter)
        site.wait_until_written()
        site.simulator.change_world(nodes={"pbx2": True})
        site.wait_until_notified("pbx2", fires=False)
        assert _errors(exporter) == after
        exporter.program.wait_for_lines(FAILING, number)
    assert exporter.program.stop() == 0
    exporter.program.assert_nothing_left()
    assert [file.name for file in site.file.parent.iterdir()] == ["state.json"]


def test_a_hanging_disk(site: Site) -> None:
    """Neither alerts nor a stop wait for a write that never returns."""
    exporter = site.start(".new")
    site.simulator.change_world(nodes={"pbx2": False})
    site.wait_until_notified("pbx2", fires=True)
    wait_until(lambda: _errors(exporter) > 1, PATIENCE, "the failed writes to be counted")
    exporter.program.wait_for_lines(FAILING)

    assert exporter.program.stop() == 0
    exporter.program.assert_nothing_left()
