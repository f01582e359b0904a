"""The state file of alerting on its worst days: real exporter and Alertmanager, a disk that does not work."""

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.alertmanager import Alertmanager, start_alertmanager
from tests.e2e.conftest import Start, StartSimulator
from tests.e2e.full_configuration import TENANT_QUERIES, configuration, queries, switch
from tests.e2e.programs import Exporter, Simulator, get_json, samples, wait_until
from tests.e2e.quick_exporter import start_quick_exporter
from tests.e2e.test_lifecycle import LEFTOVERS

SPEED = 300
"""An evaluation each fifth of a second."""

TENANTS = 100
SMALL = 4096
"""Bytes. The log is shorter, the state of so many tenants is not."""

PATIENCE = 20.0
BROKEN = "the state file cannot be used: starting without it"
FAILING = "the state file cannot be written: a restart would forget alerts"
WELL = "the state file is written again"
NOBODY = "{route: {receiver: nobody}, receivers: [{name: nobody}]}"


@dataclass(frozen=True)
class Site:
    """A switch, an Alertmanager, and the state file."""

    run: Start
    directory: Path
    file: Path
    simulator: Simulator
    alertmanager: Alertmanager

    def start(self, *hanging: str) -> Exporter:
        """Start the exporter; whoever opens a file with ``hanging`` in its name waits for ever."""
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
        return start_quick_exporter(self.run, self.directory / "config.yaml", text, SPEED, *hanging)

    def wait_until_told(self, node: str, *, fires: bool) -> None:
        """Wait until Alertmanager knows whether a node is missing."""

        def is_told() -> bool:
            nodes = {alert["labels"].get("node") for alert in self.alertmanager.alerts()}
            return (node in nodes) is fires

        wait_until(is_told, PATIENCE, f"Alertmanager to be told of {node}: {fires}")

    def wait_until_written(self) -> None:
        """Wait until there is another state file than now."""
        before = self.file.stat() if self.file.exists() else None
        wait_until(
            lambda: self.file.is_file() and self.file.stat() != before, PATIENCE, "the state to be written"
        )


@pytest.fixture
def site(
    tmp_path: Path,
    memory_directory: Path,
    run_program: Start,
    run_simulator: StartSimulator,
    require_program: Callable[[str, str], str],
) -> Site:
    """Start what does not fail."""
    executable = require_program("prometheus-alertmanager", "prometheus-alertmanager")
    simulator = run_simulator(f"--tenants={TENANTS}", "--nodes=2")
    simulator.change_world(freeze=True)
    alertmanager = start_alertmanager(run_program, executable, tmp_path, NOBODY)
    file = memory_directory / "state" / "state.json"
    file.parent.mkdir()
    return Site(run_program, tmp_path, file, simulator, alertmanager)


@contextmanager
def _full(exporter: Exporter, file: Path) -> Iterator[None]:
    """Let no file of the exporter grow beyond a size: a part is written, and then no more."""
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
    """Take the directory away, as when a volume is not mounted any more."""
    away = file.parent.rename(file.parent.with_name("away"))
    yield
    away.rename(file.parent)


@contextmanager
def _a_directory(_: Exporter, file: Path) -> Iterator[None]:
    """Put a directory in the place of the file."""
    file.unlink()
    file.mkdir()
    yield
    file.rmdir()


def _errors(exporter: Exporter) -> float:
    return samples(exporter.metrics())["softswitch_alerting_state_file_errors_total", frozenset()]


def _watchdog(exporter: Exporter) -> float:
    """Return for how many seconds the watchdog has been firing: 0 before the first evaluation."""
    alerts = get_json(f"{exporter.base_url}/api/v1/status")["alerts"]
    ages = {alert["labels"]["alertname"]: alert["age_seconds"] for alert in alerts}
    return float(ages.get("SoftswitchWatchdog", 0))


def test_a_disk_that_fails_for_a_while(site: Site) -> None:
    """Alerts are told all the same; each trouble is logged twice, and counted as often as it is met.

    What was written before stays as it is, is used after a kill, and is replaced when there is room again.
    """
    exporter = site.start()
    site.wait_until_written()
    wait_until(lambda: site.file.stat().st_size > 2 * SMALL, PATIENCE, "all tenants to be known")
    for troubles, trouble in enumerate((_full, _gone, _a_directory), 1):
        before = _errors(exporter)
        with trouble(exporter, site.file):
            site.simulator.change_world(nodes={"pbx2": False})
            site.wait_until_told("pbx2", fires=True)
            wait_until(lambda: _errors(exporter) > before + 5, PATIENCE, f"{trouble} to be counted")  # noqa: B023 -- called at once
        wait_until(lambda: exporter.program.text().count(WELL) == troubles, PATIENCE, "the end to be told")  # noqa: B023 -- called at once
        after = _errors(exporter)
        site.wait_until_written()
        site.simulator.change_world(nodes={"pbx2": True})
        site.wait_until_told("pbx2", fires=False)
        assert _errors(exporter) == after
        assert exporter.program.text().count(FAILING) == troubles
    assert exporter.program.stop() == 0
    assert not [word for word in LEFTOVERS if word in exporter.program.text()]
    assert [file.name for file in site.file.parent.iterdir()] == ["state.json"]


def test_a_kill_while_it_is_written(site: Site) -> None:
    """What is half written is not looked at: alerts go on from the file before."""
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


def test_a_file_that_cannot_be_used(site: Site) -> None:
    """The exporter starts without it, says so once, and tells alerts."""
    exporter = site.start()
    site.wait_until_written()
    exporter.program.stop(signal.SIGKILL)
    whole = site.file.read_bytes()
    site.file.write_bytes(whole[: len(whole) // 2])
    site.simulator.change_world(nodes={"pbx2": False})

    exporter = site.start()
    site.wait_until_told("pbx2", fires=True)

    assert exporter.program.text().count(BROKEN) == 1
    site.wait_until_written()
    assert len(site.file.read_bytes()) > len(whole) / 2


def test_a_disk_that_hangs(site: Site) -> None:
    """Neither alerts nor the end of the program wait for a write that never returns."""
    exporter = site.start(".new")
    site.simulator.change_world(nodes={"pbx2": False})
    site.wait_until_told("pbx2", fires=True)
    assert _errors(exporter) > 1
    assert exporter.program.text().count(FAILING) == 1

    assert exporter.program.stop(seconds=5) == 0
    assert not [word for word in LEFTOVERS if word in exporter.program.text()]


def test_a_disk_that_hangs_at_the_start(site: Site) -> None:
    """The start does not wait for it; a stop within the first seconds neither waits nor writes it over."""
    exporter = site.start()
    site.wait_until_written()
    exporter.program.stop(signal.SIGKILL)
    kept = site.file.read_bytes()

    exporter = site.start("state.json")  # the lock beside it as well

    assert exporter.program.stop(seconds=5) == 0
    assert BROKEN not in exporter.program.text()
    assert not [word for word in LEFTOVERS if word in exporter.program.text()]
    assert site.file.read_bytes() == kept


def test_two_exporters(site: Site) -> None:
    """The second one sends alerts, leaves the file alone, and uses it when the first one has ended."""
    first = site.start()
    site.wait_until_written()
    second = site.start()
    wait_until(lambda: FAILING in second.program.text(), PATIENCE, "the second one to find the file in use")
    assert "in use by another exporter" in second.program.text()
    assert _errors(first) == 0
    assert first.program.stop() == 0
    wait_until(lambda: WELL in second.program.text(), PATIENCE, "the second one to write")
    assert second.program.stop() == 0
    assert [file.name for file in site.file.parent.iterdir()] == ["state.json"]
