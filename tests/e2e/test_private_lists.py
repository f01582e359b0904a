"""No output has a credential of a trunk, or a caller, from the lists that contain them."""

from pathlib import Path
from typing import Any

import pytest

from exporter.cli import main
from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.full_configuration import configuration, switch
from tests.e2e.programs import Exporter, Simulator, get, wait_until

SECRETS = {
    "reqtype=MANAGEDB&object=sipregs&action=list&format=json": ("MUST-NOT-SHOW", "account-"),
    "reqtype=INFO&info=simplecdrs&tenant=%25": ("CALLER-MUST-NOT-SHOW", "+999007"),
}
"""Parts of every password and user name, and of names and outside numbers of callers, by the request."""

PEER = "backup-line/account-3"
"""It is configured, so it is shown."""

FAULTS: tuple[dict[str, str], ...] = (
    {},
    {"kind": "truncate"},
    {"kind": "php_warning"},
    {"kind": "sentence", "text": f"{SECRETS} cannot be listed"},
    {},
)
_ZONE = "Asia/Kolkata"
_OPTIONS = (
    "call_recorded=start",
    f"time_zone={_ZONE}",
    "trunks_as_peers=yes",
    "trunk_fields=sr_name=line,sr_state=condition,te_code=owner",
    "trunk_tenant=id",
)
_CALLS = {"number": 3600, "seconds": 3600, "ago": 1200}
"""In each second of the last 20 minutes and of the next 40."""


def _configuration(simulator: Simulator, fields: dict[str, list[str]], zone: str) -> str:
    off = {query: {"interval": "off"} for query in ("peers", "channels", "calls")}
    queries: dict[str, Any] = {
        **off,
        "call_records": {"interval": "1s", "delay": "1s", "timezone": zone},
        "trunks": {"interval": "1s", **fields},
        "watched_peers": {"interval": "1s", "tenant_interval": "1s"},
    }
    tenants = [{"code": "ACME", "watch_peers": ["acme-trunk"]}]
    discover = {"enabled": True}
    return configuration(
        switch(
            "pbx",
            simulator.url,
            watch_peers=["northwind", PEER],
            tenants=tenants,
            discover_tenants=discover,
            queries=queries,
        )
    )


def _wait_for_responses(simulator: Simulator) -> None:
    """Wait until each list was requested twice: the response to the first request is known."""
    first = len(simulator.requests()["requests"])

    def polled() -> bool:
        sent = [request["parameters"] for request in simulator.requests()["requests"][first:]]
        lists = [(each.get("info"), each.get("object")) for each in sent]
        return min(lists.count(("simplecdrs", None)), lists.count((None, "sipregs"))) >= 2

    wait_until(polled, 60, "two requests of each list")


def _pages(exporter: Exporter) -> dict[str, str]:
    return {path: get(f"{exporter.base_url}{path}").decode() for path in ("/", "/api/v1/status", "/metrics")}


def test_no_output_has_a_secret(
    run_simulator: StartSimulator,
    run_exporter: StartExporter,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither metrics, status, log nor probe, for valid and for damaged lists, and with wrong settings."""
    simulator = run_simulator("--tenants=8", "--extensions=2", *(f"--option={each}" for each in _OPTIONS))
    simulator.change_world(
        tenants={"ACME": {"add_calls": {**_CALLS, "direction": "OUT"}}},
        trunks={"northwind": False, "acme-trunk": False, "backup-line": True},
    )
    fields = {"name_fields": ["line"], "state_fields": ["condition"], "tenant_fields": ["owner"]}
    right, wrong = _configuration(simulator, fields, _ZONE), _configuration(simulator, {}, "UTC")
    exporter = run_exporter(right, "--log.level=debug")
    for request, secrets in SECRETS.items():
        body = get(f"{simulator.url}?key=demo-admin&{request}").decode()
        assert all(secret in body for secret in secrets)
    texts: dict[str, str] = {}
    for number, fault in enumerate(FAULTS):
        simulator.clear_faults()
        if fault:
            simulator.inject_fault(object="sipregs", **fault)
            simulator.inject_fault(info="simplecdrs", **fault)
        _wait_for_responses(simulator)
        texts |= {f"{path} {number}": text for path, text in _pages(exporter).items()}
        file = tmp_path / "probed.yaml"
        for name, settings in (("right", right), ("wrong", wrong)):
            file.write_text(settings)
            for query in ("trunks", "watched_peers", "call_records"):
                main(["probe", f"--config.file={file}", f"--query={query}"])
                texts[f"{query} {name} {number}"] = "".join(capsys.readouterr())
    exporter.program.stop()
    texts["log"] = exporter.program.text()

    assert "valid list of 6" in texts["trunks right 0"]
    assert "- condition" in texts["trunks wrong 0"]
    assert "northwind is unreachable" in texts["watched_peers right 0"]
    assert f"the time zone {_ZONE} fits" in texts["call_records right 0"]
    assert "at UTC+05:30 now" in texts["call_records wrong 0"]
    assert "query failing" in texts["log"]
    shown = {name: text.replace(PEER, "") for name, text in texts.items()}
    parts = [part for secrets in SECRETS.values() for part in secrets]
    assert [name for name, text in shown.items() if any(part in text for part in parts)] == []
