"""Trunks: their values in Prometheus equal the truth, and no output has a credential of a trunk."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.cli import main
from tests.e2e.conftest import StartExporter, StartPrometheus
from tests.e2e.full_configuration import configuration, switch
from tests.e2e.programs import Simulator, get, running_programs, start_simulator, wait_until

SECRETS = ("MUST-NOT-SHOW", "account-")
"""A part of every password, and of every user name, in the list of trunks of the simulator."""

_FIELDS = "sr_name=line,sr_state=condition,te_code=owner"
_OWN = {"name_fields": ["line"], "state_fields": ["condition"], "tenant_fields": ["owner"]}
_OFF = {query: {"interval": "off"} for query in ("peers", "channels", "calls")}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Start a switch whose list has fields of its own, and names the tenant by id."""
    with running_programs(tmp_path_factory.mktemp("switch")) as run:
        options = ("trunks_as_peers=yes", f"trunk_fields={_FIELDS}", "trunk_tenant=id")
        flags = [f"--option={option}" for option in options]
        started = start_simulator(run, "--tenants=8", "--extensions=2", *flags)
        yield started
        started.assert_no_forbidden_requests()


@pytest.fixture
def simulator(shared: Simulator) -> Simulator:
    """Return the switch without faults, with one trunk of the installation and one of a tenant down."""
    shared.clear_faults()
    shared.change_world(trunks={"northwind": False, "acme-trunk": False, "backup-line": True})
    return shared


def _configuration(simulator: Simulator, **trunks: Any) -> str:
    return configuration(
        switch(
            "pbx",
            simulator.url,
            watch_peers=["northwind", "backup-line/account-3"],
            tenants=[{"code": "ACME", "watch_peers": ["acme-trunk"]}],
            discover_tenants={"enabled": True},
            queries={
                "trunks": {"interval": "1s", **trunks},
                "watched_peers": {"interval": "1s", "tenant_interval": "1s"},
                **_OFF,
            },
        )
    )


def _truth(simulator: Simulator) -> dict[tuple[str, str], float]:
    """Return whether each trunk is registered, by tenant and name."""
    trunks = simulator.truth()["switch"]["trunks"]
    return {(trunk["tenant"], name): float(trunk["registered"]) for name, trunk in trunks.items()}


def test_values_equal_the_truth(
    simulator: Simulator, run_exporter: StartExporter, run_prometheus: StartPrometheus
) -> None:
    """Of each trunk, of the installation and of tenants, while trunks go down and come back."""
    prometheus = run_prometheus(run_exporter(_configuration(simulator, **_OWN)))

    def registered() -> bool:
        series = prometheus.series("softswitch_trunk_registered")
        found = {
            (dict(labels).get("tenant", ""), dict(labels)["trunk"]): value
            for (_, labels), value in series.items()
        }
        return found == _truth(simulator)

    wait_until(registered, 60, "the trunks")
    assert {tenant for tenant, _ in _truth(simulator)} == {"", "ACME", "DELTA9", "GLADE"}
    simulator.change_world(trunks={"northwind": True, "acme-trunk": True, "backup-line": False})
    wait_until(registered, 60, "the changed trunks")

    def reachable() -> dict[str, float]:
        series = prometheus.series("softswitch_peer_reachable")
        return {dict(labels)["peer"]: value for (_, labels), value in series.items()}

    expected = {"northwind": 1, "backup-line/account-3": 0, "acme-trunk": 1}
    wait_until(lambda: reachable() == expected, 60, "the peers")
    truth = simulator.truth()["switch"]["trunks"]["northwind"]["round_trip_seconds"]
    times = prometheus.series('softswitch_peer_round_trip_seconds{peer="northwind"}')
    assert list(times.values()) == [truth]
    counts = prometheus.series('sum by (state) (softswitch_trunks{tenant=""})')
    assert {dict(labels)["state"]: value for (_, labels), value in counts.items()} == {
        "registered": 2,
        "unregistered": 1,
        "unknown": 0,
    }


def test_no_output_has_a_credential(
    simulator: Simulator, run_exporter: StartExporter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither metrics, status, log nor probe, for valid and for damaged lists."""
    exporter = run_exporter(_configuration(simulator, **_OWN), "--log.level=debug")
    texts: dict[str, str] = {}
    faults = [{}, {"kind": "truncate"}, {"kind": "php_warning"}, {"kind": "sentence", "text": SECRETS[0]}, {}]
    list_of_trunks = f"{simulator.url}?key=demo-admin&reqtype=MANAGEDB&object=sipregs&action=list&format=json"
    assert all(secret in get(list_of_trunks).decode() for secret in SECRETS)
    for number, fault in enumerate(faults):
        simulator.clear_faults()
        if fault:
            simulator.inject_fault(object="sipregs", **fault)
        before = len(simulator.requests()["requests"])
        wait_until(lambda: len(simulator.requests()["requests"]) > before + 6, 60, "some responses")  # noqa: B023 -- called at once
        texts[f"metrics {number}"] = exporter.metrics()
        texts[f"status {number}"] = get(f"{exporter.base_url}/api/v1/status").decode()
        texts[f"page {number}"] = get(f"{exporter.base_url}/").decode()
        file = tmp_path / "probed.yaml"
        for settings in (_OWN, {}):
            file.write_text(_configuration(simulator, **settings))
            for query in ("trunks", "watched_peers"):
                main(["probe", f"--config.file={file}", f"--query={query}"])
                texts[f"probe {number} {query} {bool(settings)}"] = "".join(capsys.readouterr())
    exporter.program.stop(signal.SIGTERM)
    texts["log"] = exporter.program.text()

    assert "valid list of 6" in texts["probe 0 trunks True"]
    assert "- condition" in texts["probe 0 trunks False"]
    assert "northwind is unreachable" in texts["probe 0 watched_peers True"]
    assert "query failing" in texts["log"]
    shown = {name: text.replace("backup-line/account-3", "") for name, text in texts.items()}  # configured
    assert [name for name, text in shown.items() for secret in SECRETS if secret in text] == []
