"""A Prometheus with the shipped rules, and a matching switch, in which a second stands for two minutes."""

from pathlib import Path
from typing import Any

from tests.e2e.full_configuration import switch
from tests.e2e.programs import Exporter, Start
from tests.e2e.prometheus import Prometheus, start_prometheus
from tests.e2e.scaled_rules import scaled, write_scaled_rules
from tests.rule_files import ALERTS_FILE, RECORDS_FILE

FACTOR = 120
PATIENCE = 60.0
"""Seconds. The longest wait is for 15 minutes of the rules, 8 s; a busy machine takes longer."""

PHONES = tuple(str(number) for number in range(100, 120))


def accelerated_switch(
    name: str, url: str, *, queries: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """Return the configuration of a switch whose intervals are divided like the durations of the rules."""
    section = {
        "peers": {"interval": "500ms"},
        "channels": {"interval": "500ms", "tenant_interval": "off"},
        "calls": {"interval": "500ms", "tenant_interval": "off"},
        "license": {"interval": "1s"},
        "balance": {"tenant_interval": "1s"},
        "registrations": {"tenant_interval": "off"},
        **(queries or {}),
    }
    return switch(name, url, timeout="1s", stale_after=3, queries=section, **more)


def start_accelerated_prometheus(
    run: Start, executable: str, directory: Path, exporter: Exporter, alertmanager: str
) -> Prometheus:
    """Start a Prometheus with the rules that scrapes this exporter and notifies this Alertmanager."""
    return start_prometheus(
        run,
        executable,
        directory,
        exporter,
        f"--query.lookback-delta={scaled('5m', FACTOR)}",
        f"--rules.alert.resend-delay={scaled('1m', FACTOR)}",
        "--rules.alert.for-grace-period=0s",
        interval=scaled("30s", FACTOR),
        rules=[write_scaled_rules(file, directory, FACTOR) for file in (RECORDS_FILE, ALERTS_FILE)],
        alertmanager=alertmanager,
    )
