"""The commands as a person uses them: demo, probe, simulate, help and version."""

import re
import signal
from pathlib import Path

import pytest

from exporter import __version__
from tests.e2e.conftest import Start, StartSimulator
from tests.e2e.programs import EXPORTER, Simulator, finish, get, wait_until

SECRET = "PASSWORD-MUST-NOT-SHOW"
"""How the simulator marks each credential in its lists."""


_FLAGS = (
    "--config.file --config.check --web.listen-address --web.telemetry-path "
    "--log.level --log.format --version probe simulate demo"
)


def test_the_demo_shows_live_values(run_program: Start) -> None:
    """Without a configuration: pages that open, values that change within 30 s, an end with status 0."""
    demo = run_program(*EXPORTER, "demo", "--port", "0", "--simulator-port", "0")
    demo.wait_for("Live values follow")
    urls = re.findall(r"http://127\.0\.0\.1:\d+\S*", demo.text())
    assert [re.sub(r".*:\d+", "", url) for url in urls] == ["/metrics", "/", "/api/v1/status", "/"]
    for url in urls:
        assert get(url)
    assert Path(re.findall(r"The configuration is (.+)", demo.text())[0]).exists()

    def shown() -> list[dict[str, str]]:
        lines = re.findall(r"^\d\d:\d\d:\d\d  (up .+)$", demo.text(), re.MULTILINE)
        return [dict(value.rsplit(" ", 1) for value in line.split("  ")) for line in lines]

    def changed() -> bool:
        every = [values for values in shown() if len(values) == 8]
        return len({tuple(values.items()) for values in every}) > 1

    wait_until(changed, 30, "values that change")
    last = shown()[-1]
    assert last["up"] == "1"
    assert int(last["peers"]) > 0
    assert int(last["registered"]) > 0
    assert demo.stop(signal.SIGINT) == 0
    assert "Traceback" not in demo.text()
    # Standard error stands in the same file: nothing went wrong on the way.
    assert "level=" not in demo.text()


@pytest.mark.parametrize("flag", ["--port", "--simulator-port"])
def test_the_demo_says_which_port_is_taken(flag: str, run_simulator: StartSimulator) -> None:
    """Exit status 1 and one sentence that names the address and the reason."""
    port = run_simulator().base_url.rpartition(":")[2]
    ports = {"--port": "0", "--simulator-port": "0", flag: port}

    finished = finish("demo", *(f"{name}={value}" for name, value in ports.items()))

    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert f"127.0.0.1:{port}" in line
    assert "address already in use" in line.lower()


def test_version() -> None:
    """The program, its version and Python's."""
    finished = finish("--version")

    assert finished.returncode == 0
    assert re.fullmatch(
        rf"softswitch-exporter {re.escape(__version__)} \(Python 3\.\d+\.\d+\)\n", finished.stdout
    )


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ((), _FLAGS),
        (("probe",), "--config.file --switch --query --tenant --extension"),
        (("simulate",), "--listen --tenants --nodes --extensions --seed"),
        (("demo",), "--port --simulator-port"),
    ],
)
def test_help_names_every_flag(command: tuple[str, ...], expected: str) -> None:
    """What is pinned for the command line (design, section 7) and built is in its help."""
    finished = finish(*command, "--help", COLUMNS="200")

    assert finished.returncode == 0
    words = set(re.findall(r"--[\w.-]+|\b\w+\b", finished.stdout))
    assert set(expected.split()) - words == set()


@pytest.fixture
def simulator(run_simulator: StartSimulator) -> Simulator:
    """Start a switch that stands still, in which something is to be seen."""
    started = run_simulator()
    started.world(freeze=True, license_days=45, tenants={"ACME": {"calls": 3, "balance": 12.5}})
    return started


@pytest.fixture
def configuration(simulator: Simulator, tmp_path: Path) -> str:
    """Return the flag that names a configuration for this switch."""
    file = tmp_path / "config.yaml"
    file.write_text(f"switches: [{{name: pbx, url: '{simulator.url}', key: demo-admin}}]")
    return f"--config.file={file}"


Block = dict[str, list[str]]


def _blocks(output: str) -> list[Block]:
    """Return what ``probe`` printed of each request: the texts under each heading."""
    blocks: list[Block] = []
    for paragraph in output.strip().split("\n\n"):
        block: Block = {}
        heading = ""
        for line in paragraph.splitlines():
            heading = line[:10].strip() or heading
            block.setdefault(heading, []).append(line[10:])
        blocks.append(block)
    return blocks


def _asked(block: Block) -> str:
    (url,) = block["request"]
    assert url.endswith("&key=***")
    return " ".join(re.findall(r"[?&](?:reqtype|info|action)=(\w+)", url))


def test_probe_of_the_whole_installation(configuration: str) -> None:
    """Each query in turn: request without key, time, answer, verdict, samples."""
    finished = finish("probe", configuration, "--switch=pbx")

    assert finished.returncode == 0, finished.stdout
    blocks = {_asked(block): block for block in _blocks(finished.stdout)}
    assert list(blocks) == ["COUNTPEERS", "COUNTCHANNELS", "COUNTCALLS", "LICENSEDAYS", "MANAGEDB list"]
    for block in blocks.values():
        assert re.fullmatch(r"\d+\.\d{3} s", block["time"][0])
        assert re.fullmatch(r"HTTP 200, \d+ bytes", block["answer"][0])
        assert len(block["verdict"]) == 1
    assert blocks["LICENSEDAYS"]["sample"] == ['softswitch_license_remaining_seconds{switch="pbx"} 3888000']
    assert any(
        s.startswith('softswitch_node_peers{switch="pbx",node="pbx1"} ')
        for s in blocks["COUNTPEERS"]["sample"]
    )
    assert blocks["MANAGEDB list"]["verdict"] == ["a list of 22"]
    assert "demo-admin" not in finished.stdout + finished.stderr
    assert SECRET not in finished.stdout + finished.stderr


def test_probe_of_a_tenant(configuration: str) -> None:
    """The same for everything that can be asked about one tenant."""
    finished = finish("probe", configuration, "--tenant=ACME")

    assert finished.returncode == 0, finished.stdout
    blocks = {_asked(block): block for block in _blocks(finished.stdout)}
    assert list(blocks) == [
        "COUNTPEERS", "COUNTCHANNELS", "COUNTCALLS", "INFO balance", "INFO config", "INFO extensions",
    ]  # fmt: skip
    assert blocks["INFO balance"]["sample"] == ['softswitch_tenant_balance{switch="pbx",tenant="ACME"} 12.5']
    assert blocks["COUNTCALLS"]["sample"] == ['softswitch_tenant_calls{switch="pbx",tenant="ACME"} 3']
    assert blocks["INFO config"]["sample"] == [
        'softswitch_tenant_channels_limit{switch="pbx",tenant="ACME"} 10'
    ]
    assert blocks["INFO extensions"]["verdict"] == ["a list of 10"]
    assert SECRET not in finished.stdout + finished.stderr


def test_probe_of_one_phone(configuration: str) -> None:
    """The word of the switch and the state it stands for."""
    finished = finish("probe", configuration, "--tenant=ACME", "--extension=101")

    assert finished.returncode == 0, finished.stdout
    (block,) = _blocks(finished.stdout)
    assert _asked(block) == "INFO regstate"
    assert block["verdict"] in (
        ["registered (the switch says 'Registered')"],
        ["unregistered (the switch says 'Unregistered')"],
    )


def test_probe_of_what_fails(configuration: str, simulator: Simulator) -> None:
    """Reason and detail, exit status 1, and no sample; what works beside it is shown all the same."""
    simulator.fault(kind="html", info="balance")

    finished = finish("probe", configuration, "--tenant=ACME")

    assert finished.returncode == 1
    blocks = {_asked(block): block for block in _blocks(finished.stdout)}
    assert blocks["INFO balance"]["verdict"][0].startswith("decode: an HTML page came")
    assert "sample" not in blocks["INFO balance"]
    assert "sample" in blocks["COUNTCALLS"]


def test_probe_of_a_switch_that_is_down(configuration: str, simulator: Simulator) -> None:
    """The reason, exit status 1, and no answer."""
    assert simulator.program.stop(signal.SIGTERM) == 0

    finished = finish("probe", configuration, "--query=license")

    assert finished.returncode == 1
    (block,) = _blocks(finished.stdout)
    assert block["verdict"][0].startswith("connect: ")
    assert "answer" not in block


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--switch=other"], "--switch must be one of: pbx, second"),
        ([], "--switch must be one of: pbx, second"),
        (["--switch=second"], "there is no key for this: switch second has no admin key"),
        (["--switch=second", "--tenant=FJORD"], "and tenant FJORD none of its own"),
        (["--switch=pbx", "--query=registrations"], "add --tenant=CODE --extension=NUMBER"),
        (["--switch=pbx", "--query=balance"], "this cannot be asked"),
        (["--switch=pbx", "--query=license", "--tenant=ACME"], "this cannot be asked"),
    ],
    ids=" ".join,
)
def test_probe_of_what_cannot_be_asked(flags: list[str], sentence: str, tmp_path: Path) -> None:
    """One clear sentence and exit status 1, before anything is sent."""
    file = tmp_path / "two.yaml"
    file.write_text("""\
switches:
  - {name: pbx, url: http://127.0.0.1:1/, key: demo-admin}
  - {name: second, url: http://127.0.0.1:1/, tenants: [{code: ACME, key: demo-tenant-ACME}]}
""")

    finished = finish("probe", f"--config.file={file}", *flags)

    assert finished.returncode == 1
    assert finished.stdout == ""
    (line,) = finished.stderr.splitlines()
    assert line.startswith("softswitch-exporter: ")
    assert sentence in line


def test_probe_without_a_configuration() -> None:
    """It says which flag it needs."""
    finished = finish("probe")

    assert finished.returncode == 1
    assert finished.stderr == "softswitch-exporter: probe needs --config.file=FILE\n"


def test_a_second_simulator_on_the_same_port(run_simulator: StartSimulator) -> None:
    """Exit status 1 and one sentence that names address, reason and flag."""
    address = run_simulator().base_url.removeprefix("http://")

    finished = finish("simulate", f"--listen={address}")

    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr == (
        f"Cannot listen on {address}: Address already in use. Choose another address with --listen.\n"
    )
