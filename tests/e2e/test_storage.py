"""Restarts of a real exporter with ``--storage.path`` while a node is missing."""

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.accelerated_exporter import prepare_accelerated_exporter
from tests.e2e.conftest import Start, StartSimulator
from tests.e2e.full_configuration import configuration, switch
from tests.e2e.programs import (
    Exporter,
    Simulator,
    get_json,
    wait_until,
)

SPEED = 30
"""Two seconds stand for a minute, of which a restart may take one."""

PATIENCE = 60.0
_OLD, _NEW = 2.5, 1.0
"""Seconds: the age of the alert before a restart, and what an alert that is not new exceeds after it."""

QUERIES = {
    "peers": {"interval": "300ms", "tenant_interval": "off"},
    **{query: {"interval": "off", "tenant_interval": "off"} for query in ("channels", "calls")},
    **{query: {"tenant_interval": "off"} for query in ("balance", "registrations", "limits")},
    "license": {"interval": "off"},
}


@dataclass(frozen=True)
class Site:
    """A switch with three nodes, none of which is configured, and the directory of the exporter."""

    run: Start
    directory: Path
    simulator: Simulator

    @property
    def storage(self) -> Path:
        """The directory for ``--storage.path``."""
        return self.directory / "storage"

    def prepare(self) -> Callable[[], Exporter]:
        """Return a function that starts the exporter. It needs no section ``alerting`` to evaluate alerts."""
        text = configuration(switch("pbx", self.simulator.url, timeout="10s", queries=QUERIES))
        file = self.directory / "config.yaml"
        return prepare_accelerated_exporter(self.run, file, text, SPEED, STORAGE_PATH=str(self.storage))


@pytest.fixture
def site(tmp_path: Path, run_program: Start, run_simulator: StartSimulator) -> Site:
    """Run a frozen switch."""
    simulator = run_simulator("--tenants=1", "--nodes=3")
    simulator.change_world(freeze=True)
    made = Site(run_program, tmp_path, simulator)
    made.storage.mkdir()
    return made


def _status(exporter: Exporter) -> dict[str, Any]:
    return get_json(f"{exporter.base_url}/api/v1/status")


def _present(exporter: Exporter, node: str) -> float | None:
    return exporter.value("softswitch_node_present", switch="pbx", node=node)


def _first_present(exporter: Exporter, node: str) -> float | None:
    """Return the first value of a node after the start: with the first response, none is absent any more."""
    wait_until(lambda: _present(exporter, "pbx1") is not None, PATIENCE, "the first response")
    return _present(exporter, node)


def _missing(exporter: Exporter) -> dict[str, Any]:
    """Return the alert on the missing node, {} if there is none, as of the first evaluation or later."""
    wait_until(lambda: _status(exporter)["alerting"]["firing"] is not None, PATIENCE, "an evaluation")
    for alert in _status(exporter)["alerts"]:
        if alert["labels"]["alertname"] == "SoftswitchNodeMissing":
            assert alert["labels"]["node"] == "pbx3"
            found: dict[str, Any] = alert
            return found
    return {}


def _wait_until_older(exporter: Exporter) -> None:
    """Wait until the alert is so old that it is not new, although a restart rounds to whole minutes."""
    wait_until(lambda: _missing(exporter)["age_seconds"] > _OLD, PATIENCE, "the alert to become older")


def _kinds(exporter: Exporter) -> list[str]:
    """Return the kinds of the timeline, oldest first."""
    return [entry["kind"] for entry in reversed(_status(exporter)["timeline"])]


def _wait_until_kept(site: Site, state: str, kind: str) -> None:
    """Wait until the files have the alert in this state, and an entry of this kind in the timeline."""

    def is_kept() -> bool:
        file = site.storage / "alerts.json"
        rows = [
            row
            for line in (file.read_text().splitlines() if file.exists() else [])
            for row in json.loads(line).get("alerts", [])
        ]
        is_in_state = any(row[0][0] == "SoftswitchNodeMissing" and row[2] == state for row in rows)
        return is_in_state and kind in (site.storage / "timeline.json").read_text()

    wait_until(is_kept, PATIENCE, f"the file to have the alert as {state}")


def test_kills_while_the_alert_pends_and_while_it_fires(site: Site) -> None:
    """The node is missing at once after each restart, and its alert neither ends nor starts anew.

    The timeline has all of it, and a clean stop and start as well.
    """
    exporter = site.prepare()()
    wait_until(lambda: _present(exporter, "pbx3") == 1, PATIENCE, "the node to be seen")
    seen = site.storage / "switches.json"
    wait_until(lambda: seen.exists() and "pbx3" in seen.read_text(), PATIENCE, "the node to be kept")
    site.simulator.change_world(nodes={"pbx3": False})
    _wait_until_kept(site, "pending", "node_missing")
    start = site.prepare()
    _wait_until_older(exporter)
    exporter.program.stop(signal.SIGKILL)

    exporter = start()
    assert _first_present(exporter, "pbx3") == 0
    alert = _missing(exporter)
    assert alert["state"] == "firing" or alert["age_seconds"] > _NEW
    _wait_until_kept(site, "firing", "alert_firing")
    start = site.prepare()
    _wait_until_older(exporter)
    exporter.program.stop(signal.SIGKILL)

    exporter = start()
    assert _first_present(exporter, "pbx3") == 0
    alert = _missing(exporter)
    assert alert["state"] == "firing"
    assert alert["age_seconds"] > _NEW
    site.simulator.change_world(nodes={"pbx3": True})
    wait_until(lambda: not _missing(exporter), PATIENCE, "the alert to end")
    assert exporter.program.stop() == 0
    exporter.program.assert_nothing_left()

    exporter = site.prepare()()
    kinds = _kinds(exporter)
    # On a slow machine, the alert fires before the first kill.
    assert [kind for kind in kinds if kind.startswith("alert")] == ["alert_firing", "alert_resolved"]
    assert [kind for kind in kinds if not kind.startswith("alert")] == [
        "exporter_started",
        "node_missing",
        "exporter_started",
        "exporter_started",
        "node_back",
        "exporter_stopped",
        "exporter_started",
    ]
    texts = [entry["text"] for entry in reversed(_status(exporter)["timeline"])]
    assert [("did not stop cleanly" in text) for text in texts].count(True) == 2
    assert texts[1] == "node missing: pbx3"
    assert _status(exporter)["storage"]["error"] is None
