"""A real Alertmanager with the example configuration of ``alerts/``, with divided durations."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.programs import Program, Start, free_port, get, get_json, send, wait_until
from tests.e2e.scaled_rules import scaled

EXAMPLE = Path(__file__).parents[2] / "alerts/alertmanager.example.yaml"
_ALWAYS = [{"weekdays": ["sunday:saturday"]}]


@dataclass(frozen=True)
class Alertmanager:
    """A running Alertmanager."""

    program: Program
    address: str

    def post(self, alerts: list[dict[str, Any]]) -> None:
        """Send alerts, as Prometheus does."""
        send(f"http://{self.address}/api/v2/alerts", alerts)

    def alerts(self) -> list[dict[str, Any]]:
        """Return its alerts with their labels and status."""
        response: Any = get_json(f"http://{self.address}/api/v2/alerts")
        alerts: list[dict[str, Any]] = response
        return alerts


def example(factor: float, receivers: str) -> str:
    """Return the example with divided durations, and with all receivers at this URL.

    Its time intervals become unlimited, so that tests do not depend on the time of day.
    """
    text = re.sub(r"http://127\.0\.0\.1:\d+/", receivers, EXAMPLE.read_text())
    configuration = yaml.safe_load(text)
    _accelerate(configuration["route"], factor)
    for interval in configuration["time_intervals"]:
        interval["time_intervals"] = _ALWAYS
    return yaml.safe_dump(configuration)


def _accelerate(route: dict[str, Any], factor: float) -> None:
    for key in ("group_wait", "group_interval", "repeat_interval"):
        if key in route:
            route[key] = scaled(route[key], factor)
    for further in route.get("routes", []):
        _accelerate(further, factor)


def start_alertmanager(
    run: Start,
    executable: str,
    directory: Path,
    configuration: str,
    *flags: str,
    address: str = "",
) -> Alertmanager:
    """Start an Alertmanager and wait until it is ready.

    ``flags`` make it part of a cluster. Without ``address``, it listens on a free port.
    """
    file = directory / "alertmanager.yaml"
    file.write_text(configuration)
    address = address or f"127.0.0.1:{free_port()}"
    program = run(
        executable,
        f"--config.file={file}",
        f"--storage.path={directory / 'alertmanager-data'}",
        f"--web.listen-address={address}",
        *(flags or ["--cluster.listen-address="]),
    )

    def ready() -> bool:
        assert program.process.poll() is None, program.text()
        return get(f"http://{address}/-/ready") is not None

    wait_until(ready, 60, "Alertmanager to be ready")
    return Alertmanager(program, address)
