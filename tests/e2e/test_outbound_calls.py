"""Toll fraud, from the call history of a switch to the pager: real exporter, Prometheus and Alertmanager.

The durations of the shipped rules are divided by 120. There is no week of history, so 50 calls are the limit.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.e2e.accelerated_rules import FACTOR, accelerated_switch, start_accelerated_prometheus
from tests.e2e.alertmanager import example, start_alertmanager
from tests.e2e.full_configuration import configuration
from tests.e2e.programs import running_programs, start_exporter, start_simulator, wait_until
from tests.e2e.receiver import Notification, receiving

_COUNTER = "softswitch_tenant_call_records_total"
_LABELS = {
    "alertname": "SoftswitchOutboundCallsUnusual",
    "severity": "critical",
    "scope": "tenant",
    "switch": "north",
    "tenant": "ACME",
    "team": "voice",
}


def test_the_alert_arrives_and_resolves(tmp_path: Path, require_program: Callable[[str, str], str]) -> None:
    """60 outbound calls outside business hours page the team of the tenant; 60 inbound calls page nobody."""
    prometheus = require_program("prometheus", "prometheus")
    alertmanager = require_program("prometheus-alertmanager", "prometheus-alertmanager")
    hours = {"timezone": "UTC", "days": [_day_after_tomorrow()], "from": "10:00", "to": "10:01"}
    tenants = [
        {"code": code, "labels": {"team": "voice"}, "business_hours": hours} for code in ("ACME", "BOREAL")
    ]
    records = {"interval": "2s", "timezone": "UTC", "delay": "2s"}
    with receiving() as receiver, running_programs(tmp_path) as run:
        simulator = start_simulator(run, "--tenants=2", "--extensions=1", "--option=call_recorded=start")
        # In each window, so that an empty one means that there were no calls.
        simulator.change_world(
            freeze=True,
            tenants={
                "BOREAL": {
                    "balance": 500,
                    "add_calls": {"number": 1200, "seconds": 600, "direction": "LOCAL"},
                },
                "ACME": {"balance": 500},
            },
        )
        switch = accelerated_switch(
            "north", simulator.url, tenants=tenants, queries={"call_records": records}
        )
        exporter = start_exporter(run, tmp_path / "config.yaml", configuration(switch))
        manager = start_alertmanager(run, alertmanager, tmp_path, example(FACTOR, receiver.base_url))
        server = start_accelerated_prometheus(run, prometheus, tmp_path, exporter, manager.address)
        wait_until(lambda: len(server.series(_COUNTER)) >= 30, 60, "counters that start at zero")

        def notified(status: str) -> bool:
            expected = Notification("voice-on-call", status, frozenset(_LABELS.items()))
            return expected in receiver.notifications

        burst = {"number": 60, "seconds": 3}
        simulator.change_world(
            tenants={
                "ACME": {"add_calls": {**burst, "direction": "OUT"}},
                "BOREAL": {"add_calls": {**burst, "direction": "IN"}},
            }
        )
        wait_until(lambda: notified("firing"), 60, f"the alert; received: {receiver.notifications}")
        wait_until(lambda: notified("resolved"), 120, "the alert to resolve an hour, 30 s here, later")
        assert {
            labels
            for one in receiver.notifications
            if one.alert == "OutboundCallsUnusual"
            for labels in [one.labels]
        } == {frozenset(_LABELS.items())}
        simulator.assert_no_forbidden_requests()


def _day_after_tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=2)).strftime("%a").lower()
