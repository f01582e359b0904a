"""What really goes out: nothing that is not on the list, and nothing that changes anything on the switch."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter import __version__
from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.full_configuration import configuration, queries, switch, wait_for_rounds, wait_until_healthy
from tests.e2e.programs import (
    EXPORTER,
    Simulator,
    Start,
    get,
    running_programs,
    start_exporter,
    start_simulator,
    wait_until,
)
from tests.e2e.stub_switch import StubSwitch, stub_switch
from tests.e2e.unique_values import SHAPES, Switch

_OF_ALL = {"format": "json"}

# Each kind of request that may be sent, by what it may carry beside the key. A star stands for any value.
# Written down again here, from design, section 6: the list of the program is what is being tested.
_ALLOWED = (
    {"reqtype": "COUNTPEERS", **_OF_ALL},
    {"reqtype": "COUNTPEERS", "tenant": "*", **_OF_ALL},
    {"reqtype": "COUNTCHANNELS", **_OF_ALL},
    {"reqtype": "COUNTCHANNELS", "nodename": "*", **_OF_ALL},
    {"reqtype": "COUNTCHANNELS", "tenant": "*", **_OF_ALL},
    {"reqtype": "COUNTCALLS"},
    {"reqtype": "COUNTCALLS", "tenant": "*"},
    {"reqtype": "LICENSEDAYS"},
    {"reqtype": "INFO", "info": "balance", "tenant": "*"},
    {"reqtype": "INFO", "info": "regstate", "tenant": "*", "ext": "*", **_OF_ALL},
    {"reqtype": "INFO", "info": "regstate", "tenant": "*", "id": "*", **_OF_ALL},
    {"reqtype": "INFO", "info": "regstate", "tenant": "*", "number": "*", **_OF_ALL},
    {"reqtype": "INFO", "info": "extensions", "tenant": "*", **_OF_ALL},
    {"reqtype": "INFO", "info": "config", "tenant": "*", **_OF_ALL},
    {"reqtype": "MANAGEDB", "object": "tenant", "action": "list", **_OF_ALL},
    {"reqtype": "CHANSIPPEERS", **_OF_ALL},
)

_PARAMETERS = ("ext", "id", "number")
_TENANTS = [
    {"code": "ACME", "extensions": ["100", "101"]},
    {"code": "BOREAL", "key": "demo-tenant-BOREAL", "extensions": ["102"]},
    {"code": "CINDER"},
]


def _kind(parameters: dict[str, str]) -> int | None:
    """Return which entry of the list a request is, or None."""
    for number, allowed in enumerate(_ALLOWED):
        if parameters.keys() == allowed.keys() and all(
            wanted in {"*", parameters[name]} for name, wanted in allowed.items()
        ):
            return number
    return None


def _probes(file: Path, name: str) -> Iterator[list[str]]:
    """Yield the command lines that probe every query, of the whole and of tenants with and without a key."""
    command = [*EXPORTER, "probe", f"--config.file={file}", f"--switch={name}"]
    yield command
    yield [*command, "--query=tenants"]
    yield [*command, "--tenant=ACME"]
    yield [*command, "--tenant=BOREAL"]
    yield [*command, "--tenant=ACME", "--extension=100"]


def _run_all(run_program: Start, commands: Iterator[list[str]]) -> list[str]:
    """Run commands, a few at a time; return their outputs."""
    outputs, waiting = [], list(commands)
    while waiting:
        programs = [run_program(*command) for command in waiting[:4]]
        waiting = waiting[4:]
        for program in programs:
            program.process.wait(30)
            outputs.append(program.text())
    return outputs


@pytest.fixture(scope="module")
def everything_asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Simulator]]:
    """Poll three switches with everything on, and probe every query of one."""
    directory = tmp_path_factory.mktemp("requests")
    with running_programs(directory) as run:
        simulators = [_simulator(run, parameter) for parameter in _PARAMETERS]
        text = configuration(
            *(
                switch(
                    f"by-{parameter}",
                    simulator.url,
                    tenants=_TENANTS,
                    queries=queries(registrations={"parameter": parameter}),
                )
                for parameter, simulator in zip(_PARAMETERS, simulators, strict=True)
            )
        )
        file = directory / "config.yaml"
        wait_until_healthy(start_exporter(run, file, text))
        for simulator in simulators:
            wait_for_rounds(simulator, 1)
        for output in _run_all(run, _probes(file, "by-ext")):
            assert "verdict" in output, output
        yield simulators


def _simulator(run: Start, parameter: str) -> Simulator:
    channels = "nodes" if parameter == "ext" else "total"
    flags = (f"--regstate-parameter={parameter}", f"--channels={channels}")
    simulator = start_simulator(run, "--tenants=3", "--extensions=3", *flags)
    simulator.change_world(freeze=True, tenants={"BOREAL": {"calls": 2}})
    return simulator


def test_nothing_but_the_list_is_sent(everything_asked: list[Simulator]) -> None:
    """With everything on, each request is an entry of the list, and each entry was sent."""
    sent = [request for simulator in everything_asked for request in simulator.requests()["requests"]]
    kinds = {
        json.dumps(request["parameters"], sort_keys=True): _kind(request["parameters"]) for request in sent
    }
    assert [parameters for parameters, kind in kinds.items() if kind is None] == []
    never = [request for number, request in enumerate(_ALLOWED) if number not in kinds.values()]
    assert never == []
    for simulator in everything_asked:
        log = simulator.requests()
        assert log["forbidden"] == []
        assert not [request for request in log["requests"] if "cache" in request["parameters"]]
        assert {request["key"] for request in log["requests"]} == {"admin", "tenant"}


def test_keys_go_where_they_belong(everything_asked: list[Simulator]) -> None:
    """A tenant with a key of its own is asked with that key, and everyone else with the admin key."""
    for simulator in everything_asked:
        for request in simulator.requests()["requests"]:
            own = request["parameters"].get("tenant") == "BOREAL"
            assert request["key"] == ("tenant" if own else "admin"), request


@pytest.fixture
def replay(run_exporter: StartExporter, run_program: Start, tmp_path: Path) -> Iterator[StubSwitch]:
    """Poll and probe a switch that writes down what arrives, headers and all."""
    with stub_switch(Switch(SHAPES[0]).answer) as replay:
        text = configuration(switch("prime", replay.url, tenants=[{"code": "ACME", "extensions": ["100"]}]))
        exporter = run_exporter(text)
        wait_until_healthy(exporter)
        polled = len(replay.requests)
        file = tmp_path / "probed.yaml"
        file.write_text(text)
        _run_all(run_program, iter([[*EXPORTER, "probe", f"--config.file={file}"]]))
        wait_until(lambda: len(replay.requests) > polled, 10, "the probe")
        yield replay


def test_requests_are_plain_get(replay: StubSwitch) -> None:
    """Every request is a GET of the configured path, says who sends it, and keeps no state."""
    assert {sent.method for sent in replay.requests} == {"GET"}
    assert {sent.path for sent in replay.requests} == {"/pbx/proxyapi.php"}
    for sent in replay.requests:
        assert sent.headers["User-Agent"] == f"softswitch-exporter/{__version__}"
        assert not {"Cookie", "Referer", "Authorization", "Content-Type"} & sent.headers.keys()
        assert sent.headers.get("Content-Length", "0") == "0"
        assert _kind({name: text for name, text in sent.parameters.items() if name != "key"}) is not None


@pytest.mark.forbidden_requests_expected
@pytest.mark.parametrize(
    "request_line",
    [
        "reqtype=BALANCE&tenant=ACME&amount=1",
        "reqtype=HANGUP&channel=x",
        "reqtype=INFO&info=balance&tenant=ACME&cache=no",
        "reqtype=MANAGEDB&object=tenant&action=delete",
        "reqtype=COUNTCHANNELS&tenant=ACME&nodename=pbx1",
    ],
)
def test_the_simulator_tells_on_who_breaks_the_list(request_line: str, run_simulator: StartSimulator) -> None:
    """The check at the end of every end-to-end test can fail: the simulator refuses, and says so loudly."""
    simulator = run_simulator("--tenants=1")
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        get(f"{simulator.url}?key=demo-admin&{request_line}")
    refused.value.close()
    assert len(simulator.requests()["forbidden"]) == 1
    with pytest.raises(AssertionError, match="FORBIDDEN REQUEST"):
        simulator.assert_no_forbidden_requests()
