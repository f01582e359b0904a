"""The requests sent: only those of the allow-list, and none that changes anything on the switch."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import StartSimulator
from tests.e2e.full_configuration import configuration, queries, switch, wait_for_rounds, wait_until_healthy
from tests.e2e.programs import (
    EXPORTER,
    Simulator,
    Start,
    get,
    running_programs,
    start_exporter,
    start_simulator,
)

_JSON = {"format": "json"}

# The parameters of each allowed request besides the key; * is any value. Copied from section 6 of the design,
# because the list in the program is under test.
_ALLOWED = (
    {"reqtype": "COUNTPEERS", **_JSON},
    {"reqtype": "COUNTPEERS", "tenant": "*", **_JSON},
    {"reqtype": "COUNTCHANNELS", **_JSON},
    {"reqtype": "COUNTCHANNELS", "nodename": "*", **_JSON},
    {"reqtype": "COUNTCHANNELS", "tenant": "*", **_JSON},
    {"reqtype": "COUNTCALLS"},
    {"reqtype": "COUNTCALLS", "tenant": "*"},
    {"reqtype": "LICENSEDAYS"},
    {"reqtype": "INFO", "info": "balance", "tenant": "*"},
    {"reqtype": "INFO", "info": "regstate", "tenant": "*", "ext": "*", **_JSON},
    {"reqtype": "INFO", "info": "regstate", "tenant": "*", "id": "*", **_JSON},
    {"reqtype": "INFO", "info": "regstate", "tenant": "*", "number": "*", **_JSON},
    {"reqtype": "INFO", "info": "extensions", "tenant": "*", **_JSON},
    {"reqtype": "INFO", "info": "config", "tenant": "*", **_JSON},
    {"reqtype": "INFO", "info": "queues", "tenant": "*", **_JSON},
    {"reqtype": "INFO", "info": "queue", "tenant": "*", "id": "*", **_JSON},
    {"reqtype": "INFO", "info": "simplecdrs", "tenant": "%", "start": "*", "end": "*", **_JSON},
    {"reqtype": "MANAGEDB", "object": "tenant", "action": "list", **_JSON},
    {"reqtype": "CHANSIPPEERS", **_JSON},
    {"reqtype": "PEERS", "tenant": "*", **_JSON},
    {"reqtype": "BLFS", "tenant": "*", **_JSON},
    {"reqtype": "MANAGEDB", "object": "sipregs", "action": "list", **_JSON},
    {"reqtype": "MANAGEDB", "object": "sipregs", "action": "list", "tenant": "*", **_JSON},
)

_PARAMETERS = ("ext", "id", "number")
_MORE = {
    "call_records": {"interval": "1s", "timezone": "UTC", "delay": "1s"},
    "trunks": {"interval": "1s"},
    "watched_peers": {"interval": "1s", "tenant_interval": "1s"},
}
_CALLS = {"number": 1200, "seconds": 600, "ago": 300}
"""In each second, so that every window has some."""

_TENANTS = [
    {
        "code": "ACME",
        "extensions": ["100", "101"],
        "watch_peers": ["acme-trunk"],
        "queries": {"trunks": {"tenant_interval": "1s"}},
    },
    {"code": "BOREAL", "key": "demo-tenant-BOREAL", "extensions": ["102"]},
    {"code": "CINDER", "queues": "all"},
]


def _allowed_entry(parameters: dict[str, str]) -> int | None:
    """Return the index of the allow-list entry of a request, or None."""
    for number, allowed in enumerate(_ALLOWED):
        if parameters.keys() == allowed.keys() and all(
            wanted in {"*", parameters[name]} for name, wanted in allowed.items()
        ):
            return number
    return None


def _probes(file: Path) -> Iterator[list[str]]:
    """Yield commands that probe every query, of the switch and of a tenant with its own key."""
    command = [*EXPORTER, "probe", f"--config.file={file}", "--switch=by-ext"]
    yield command
    yield [*command, "--query=tenants"]
    yield [*command, "--tenant=BOREAL", "--extension=102"]


@pytest.fixture(scope="module")
def polled_switches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Simulator]]:
    """Poll three switches with every query, and probe every query of one."""
    directory = tmp_path_factory.mktemp("requests")
    with running_programs(directory) as run:
        simulators = [_simulator(run, parameter) for parameter in _PARAMETERS]
        text = configuration(
            *(
                switch(
                    f"by-{parameter}",
                    simulator.url,
                    tenants=_TENANTS,
                    watch_peers=["northwind"],
                    queries={**queries(registrations={"parameter": parameter}), **_MORE},
                )
                for parameter, simulator in zip(_PARAMETERS, simulators, strict=True)
            )
        )
        file = directory / "config.yaml"
        wait_until_healthy(start_exporter(run, file, text))
        for simulator in simulators:
            wait_for_rounds(simulator, 1)
        for program in [run(*command) for command in _probes(file)]:
            program.process.wait(60)
            assert "verdict" in program.text(), program.text()
        yield simulators


def _simulator(run: Start, parameter: str) -> Simulator:
    channels = "nodes" if parameter == "ext" else "total"
    options = ("--option=call_recorded=start", "--option=trunks_as_peers=yes")
    flags = (f"--regstate-parameter={parameter}", f"--channels={channels}", *options)
    simulator = start_simulator(run, "--tenants=3", "--extensions=3", *flags)
    simulator.change_world(freeze=True, tenants={"BOREAL": {"calls": 2}, "ACME": {"add_calls": _CALLS}})
    return simulator


def test_only_allowed_requests_are_sent(polled_switches: list[Simulator]) -> None:
    """With every query on, each request is in the allow-list, and each entry is sent."""
    sent = [request for simulator in polled_switches for request in simulator.requests()["requests"]]
    entries = {
        json.dumps(request["parameters"], sort_keys=True): _allowed_entry(request["parameters"])
        for request in sent
    }
    assert [request for request, entry in entries.items() if entry is None] == []
    never = [request for number, request in enumerate(_ALLOWED) if number not in entries.values()]
    assert never == []
    for simulator in polled_switches:
        log = simulator.requests()
        assert log["forbidden"] == []
        assert not [request for request in log["requests"] if "cache" in request["parameters"]]
        assert {request["key"] for request in log["requests"]} == {"admin", "tenant"}


def test_tenants_with_a_key_are_queried_with_it(polled_switches: list[Simulator]) -> None:
    """A tenant with its own key is queried with that key, all others with the admin key."""
    for simulator in polled_switches:
        for request in simulator.requests()["requests"]:
            own = request["parameters"].get("tenant") == "BOREAL"
            assert request["key"] == ("tenant" if own else "admin"), request


@pytest.mark.forbidden_requests_expected
def test_the_simulator_reports_forbidden_requests(run_simulator: StartSimulator) -> None:
    """The check at the end of every end-to-end test can fail: the simulator refuses and logs each request."""
    simulator = run_simulator("--tenants=1")
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        get(f"{simulator.url}?key=demo-admin&reqtype=BALANCE&tenant=ACME&amount=1")
    refused.value.close()
    assert len(simulator.requests()["forbidden"]) == 1
    simulator.program.wait_for_lines("FORBIDDEN REQUEST")
    with pytest.raises(AssertionError, match="FORBIDDEN REQUEST"):
        simulator.assert_no_forbidden_requests()
