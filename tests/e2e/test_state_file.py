"""The state file of alerting on a failing disk, with a real exporter and Alertmanager."""

import resource
import signal
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
    get_json,
    running_programs,
    samples,
    start_simulator,
    wait_until,
)
from tests.e2e.test_lifecycle import LEFTOVERS

SPEED = 300
"""One evaluation every 0.2 s."""

TENANTS = 100
SMALL = 4096
"""Bytes: more than the log, less than the state of this many tenants."""

PATIENCE = 20.0
BROKEN = "the state file cannot be used: starting without it"
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


@contextmanager
def _a_directory(_: Exporter, file: Path) -> Iterator[None]:
    """Replace the file with a directory."""
    file.unlink()
    file.mkdir()
    yield
    file.rmdir()


def _errors(exporter: Exporter) -> float:
    return samples(exporter.metrics())["softswitch_alerting_state_file_errors_total", frozenset()]


def _watchdog(exporter: Exporter) -> float:
    """Return for how many seconds the watchdog has been firing; 0 before the first evaluation."""
    alerts = get_json(f"{exporter.base_url}/api/v1/status")["alerts"]
    ages = {alert["labels"]["alertname"]: alert["age_seconds"] for alert in alerts}
    return float(ages.get("SoftswitchWatchdog", 0))


def test_write_errors_do_not_delay_alerts(site: Site) -> None:
    """A problem is logged when it begins and when it ends, and every failed write is counted.

    The last complete file is kept, and replaced when writing works again.
    """
    exporter = site.start()
    site.wait_until_written()
    wait_until(lambda: site.file.stat().st_size > 2 * SMALL, PATIENCE, "the state of all tenants")
    for number, problem in enumerate((_full, _gone, _a_directory), 1):
        before = _errors(exporter)
        with problem(exporter, site.file):
            site.simulator.change_world(nodes={"pbx2": False})
            site.wait_until_notified("pbx2", fires=True)
            wait_until(lambda: _errors(exporter) > before + 5, PATIENCE, f"{problem} to be counted")  # noqa: B023 -- called at once
        wait_until(lambda: exporter.program.text().count(WELL) == number, PATIENCE, "the end to be logged")  # noqa: B023 -- called at once
        after = _errors(exporter)
        site.wait_until_written()
        site.simulator.change_world(nodes={"pbx2": True})
        site.wait_until_notified("pbx2", fires=False)
        assert _errors(exporter) == after
        assert exporter.program.text().count(FAILING) == number
    assert exporter.program.stop() == 0
    assert not [word for word in LEFTOVERS if word in exporter.program.text()]
    assert [file.name for file in site.file.parent.iterdir()] == ["state.json"]


def test_a_kill_during_a_write(site: Site) -> None:
    """The incomplete file is ignored: alerts continue from the previous one."""
    exporter = site.start()
    wait_until(lambda: _watchdog(exporter) > 1, PATIENCE, "the watchdog to fire for a while")
    site.wait_until_written()
    exporter.program.stop(signal.SIGKILL)
    whole = site.file.read_bytes()
    site.file.with_name("state.json.new").write_bytes(whole[: len(whole) // 2])

    exporter = site.start()

    age = wait_until(lambda: _watchdog(exporter), PATIENCE, "the first evaluation")
    assert age > 1
    assert _errors(exporter) == 0


def test_an_invalid_file(site: Site) -> None:
    """The exporter logs once that it starts without it, and sends alerts."""
    exporter = site.start()
    site.wait_until_written()
    exporter.program.stop(signal.SIGKILL)
    whole = site.file.read_bytes()
    site.file.write_bytes(whole[: len(whole) // 2])
    site.simulator.change_world(nodes={"pbx2": False})

    exporter = site.start()
    site.wait_until_notified("pbx2", fires=True)

    assert exporter.program.text().count(BROKEN) == 1
    site.wait_until_written()
    assert len(site.file.read_bytes()) > len(whole) / 2


def test_a_hanging_disk(site: Site) -> None:
    """Neither alerts nor a stop wait for a write that never returns."""
    exporter = site.start(".new")
    site.simulator.change_world(nodes={"pbx2": False})
    site.wait_until_notified("pbx2", fires=True)
    assert _errors(exporter) > 1
    assert exporter.program.text().count(FAILING) == 1

    assert exporter.program.stop(seconds=5) == 0
    assert not [word for word in LEFTOVERS if word in exporter.program.text()]


def test_a_hanging_disk_at_the_start(site: Site) -> None:
    """The start does not wait for the file. A stop soon after neither waits nor overwrites it."""
    exporter = site.start()
    site.wait_until_written()
    exporter.program.stop(signal.SIGKILL)
    kept = site.file.read_bytes()

    exporter = site.start("state.json")  # and its lock file

    assert exporter.program.stop(seconds=5) == 0
    assert BROKEN not in exporter.program.text()
    assert not [word for word in LEFTOVERS if word in exporter.program.text()]
    assert site.file.read_bytes() == kept


def test_two_exporters_with_one_file(site: Site) -> None:
    """The second one does not write to the file until the first one has stopped."""
    first = site.start()
    site.wait_until_written()
    second = site.start()
    wait_until(
        lambda: FAILING in second.program.text(), PATIENCE, "the second exporter to find the file in use"
    )
    assert "in use by another exporter" in second.program.text()
    assert _errors(first) == 0
    assert first.program.stop() == 0
    wait_until(lambda: WELL in second.program.text(), PATIENCE, "the second exporter to write")
    assert second.program.stop() == 0
    assert [file.name for file in site.file.parent.iterdir()] == ["state.json"]
