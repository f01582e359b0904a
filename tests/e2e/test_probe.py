"""``probe`` as an operator uses it, in front of a switch that nobody has seen."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.cli import main
from exporter.model import Query
from exporter.queries import QUERIES
from tests.e2e.conftest import Start, StartSimulator
from tests.e2e.programs import EXPORTER, Simulator, run_command, running_programs, start_simulator

SECRET = "PASSWORD-MUST-NOT-SHOW"
"""How the simulator marks each credential in its lists."""

Block = dict[str, list[str]]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Start a switch that stands still, in which something is to be seen."""
    with running_programs(tmp_path_factory.mktemp("switch")) as run:
        started = start_simulator(run, "--tenants=6")
        started.change_world(freeze=True, license_days=45, tenants={"ACME": {"calls": 3, "balance": 12.5}})
        yield started
        started.assert_no_forbidden_requests()


@pytest.fixture
def simulator(shared: Simulator) -> Simulator:
    """Give the switch without any fault."""
    shared.clear_faults()
    return shared


@pytest.fixture
def configuration(simulator: Simulator, tmp_path: Path) -> str:
    """Return the flag that names the smallest configuration for this switch, but for a higher rate."""
    file = tmp_path / "config.yaml"
    rate = "max_requests_per_second: 200"
    file.write_text(f"switches: [{{name: pbx, url: '{simulator.url}', key: demo-admin, {rate}}}]")
    return f"--config.file={file}"


def _blocks(output: str) -> list[Block]:
    """Return what was printed of each request: the texts under each heading."""
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


class Probed:
    """What a probe printed, and how it ended."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *flags: str) -> None:
        self.status = main(["probe", *flags])
        self.text, errors = capsys.readouterr()
        assert errors == ""
        assert "demo-admin" not in self.text
        assert SECRET not in self.text
        self.blocks = {_asked(block): block for block in _blocks(self.text) if "request" in block}

    def lines(self, heading: str) -> str:
        """Return the newest text under a heading of the end, as one line."""
        return " ".join(_blocks(self.text)[-1].get(heading, []))

    def settings(self) -> Any:
        """Return the one piece of configuration that the end says can be pasted."""
        lines = _blocks(self.text)[-1]["configure"]
        return yaml.safe_load("\n".join(lines[1:]))


def test_everything_about_a_new_switch(configuration: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each query that is on, with a tenant and an extension that are said, and a summary."""
    probed = Probed(capsys, configuration)
    assert probed.status == 0, probed.text
    assert list(probed.blocks) == [
        "COUNTPEERS", "COUNTCHANNELS", "COUNTCALLS", "LICENSEDAYS", "MANAGEDB list",
        "INFO balance", "INFO extensions", "INFO regstate", "CHANSIPPEERS",
    ]  # fmt: skip
    for block in probed.blocks.values():
        assert re.fullmatch(r"\d+\.\d{3} s", block["time"][0])
        assert re.fullmatch(r"HTTP 200, \d+ bytes", block["response"][0])
        assert len(block["verdict"]) == 1
    license_days = probed.blocks["LICENSEDAYS"]
    assert license_days["sample"] == ['softswitch_license_remaining_seconds{switch="pbx"} 3888000']
    assert 'softswitch_node_peers{switch="pbx",node="pbx1"}' in probed.text
    assert probed.blocks["INFO balance"]["sample"] == [
        'softswitch_tenant_balance{switch="pbx",tenant="ACME"} 12.5'
    ]
    assert probed.blocks["MANAGEDB list"]["verdict"] == ["a list of 8"]
    assert "tenant    ACME, the first of the switch's list" in probed.text
    assert "extension 100 of tenant ACME" in probed.text
    assert "the configured source, regstate, parameter ext, works" in probed.text
    assert "13 requests" in probed.lines("summary")
    assert probed.lines("configure") == "nothing certain"
    assert "peers (per tenant), limits (per tenant)" in probed.lines("disabled")
    assert "attach to a bug report" in probed.lines("note")


def test_it_is_sparing(simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each thing is asked once, one after the other, within the rate limit."""
    file = tmp_path / "config.yaml"
    file.write_text(f"switches: [{{name: pbx, url: '{simulator.url}', key: demo-admin}}]")
    before = simulator.requests()["next"]
    assert Probed(capsys, f"--config.file={file}").status == 0
    sent = simulator.requests(before)["requests"]
    assert len(sent) == 13
    assert len({str(sorted(request["parameters"].items())) for request in sent}) == 13
    assert {request["in_flight"] for request in sent} == {0}
    times = [request["time"] for request in sent]
    assert times[-1] - times[0] >= 12 / 10 * 0.9  # ten a second


def test_a_tenant(configuration: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The same for one tenant alone."""
    probed = Probed(capsys, configuration, "--tenant=ACME")
    assert probed.status == 0, probed.text
    assert list(probed.blocks) == [
        "COUNTCHANNELS", "COUNTCALLS", "INFO balance", "INFO extensions", "INFO regstate", "CHANSIPPEERS",
    ]  # fmt: skip
    assert probed.blocks["COUNTCALLS"]["sample"] == ['softswitch_tenant_calls{switch="pbx",tenant="ACME"} 3']


def test_one_phone(configuration: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The word of the switch and the state it stands for, with one request."""
    probed = Probed(capsys, configuration, "--tenant=ACME", "--extension=101")
    assert probed.status == 0, probed.text
    assert list(probed.blocks) == ["INFO regstate"]
    assert probed.blocks["INFO regstate"]["verdict"][0].startswith(("registered (", "unregistered ("))
    assert "sources" not in probed.text


@pytest.mark.parametrize(("source", "asked"), [("extensions", "INFO extensions"), ("peers", "CHANSIPPEERS")])
def test_one_phone_in_a_list(
    source: str, asked: str, simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is asked as the configuration says, and the state is told, and nothing else of the list."""
    file = tmp_path / "config.yaml"
    queries = f"{{registrations: {{source: {source}}}}}"
    file.write_text(f"switches: [{{name: pbx, url: '{simulator.url}', key: demo-admin, queries: {queries}}}]")
    probed = Probed(capsys, f"--config.file={file}", "--tenant=ACME", "--extension=101")
    assert probed.status == 0
    assert list(probed.blocks) == [asked]
    assert re.search(r"extension 101 of tenant ACME: (un)?registered\n", probed.text)


def test_what_fails(configuration: str, simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """Reason, detail and advice, exit status 1, and no sample; what works beside it is shown all the same."""
    simulator.inject_fault(kind="html", info="balance")
    probed = Probed(capsys, configuration, "--tenant=ACME")
    assert probed.status == 1
    assert probed.blocks["INFO balance"]["verdict"][0].startswith("decode: got an HTML page")
    assert "/mirtapbx/proxyapi.php" in " ".join(probed.blocks["INFO balance"]["advice"])
    assert "sample" not in probed.blocks["INFO balance"]
    assert "sample" in probed.blocks["COUNTCALLS"]
    assert "balance (tenant ACME): decode" in probed.lines("fails")


ANSWERS = {
    "LICENSEDAYS": "Your license expires in 42 days",
    "COUNTPEERS": '{"pbx1": 3, "pbx2": 5, "Insgesamt": 8}',
    "COUNTCALLS": "",
    "CHANSIPPEERS": "Not for you",
}


def test_what_to_configure(
    configuration: str, simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the end says can be pasted mends what failed; what rests on a guess stands apart."""
    for reqtype, text in ANSWERS.items():
        simulator.inject_fault(kind="body", reqtype=reqtype, text=text)
    simulator.inject_fault(kind="sentence", info="regstate", text="No user specified")
    probed = Probed(capsys, configuration)
    assert probed.status == 1
    assert probed.settings() == {
        "queries": {"license": {"pattern": r"in (-?\d+) days"}, "registrations": {"source": "extensions"}}
    }
    assert "total_name: Insgesamt" in probed.lines("decide")
    assert QUERIES[Query.CALLS].probe.doubt_empty in probed.lines("unknown")

    pasted = tmp_path / "pasted.yaml"
    tree = {
        "name": "pbx",
        "url": simulator.url,
        "key": "demo-admin",
        "max_requests_per_second": 200,
    } | probed.settings()
    pasted.write_text(yaml.safe_dump({"switches": [tree]}))
    again = Probed(capsys, f"--config.file={pasted}")
    assert "42" not in again.lines("decide")
    assert again.blocks["LICENSEDAYS"]["sample"] == [
        'softswitch_license_remaining_seconds{switch="pbx"} 3628800'
    ]
    assert "the configured source, extensions, works" in again.text
    assert again.lines("configure") == "nothing certain"


@pytest.mark.parametrize("parameter", ["id", "number"])
def test_another_parameter(
    parameter: str, tmp_path: Path, run_simulator: StartSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """A switch that names an extension otherwise, and gives no lists: the parameter is found."""
    simulator = run_simulator("--tenants=2", f"--regstate-parameter={parameter}")
    simulator.inject_fault(kind="refuse_key", info="extensions")
    simulator.inject_fault(kind="refuse_key", reqtype="CHANSIPPEERS")
    file = tmp_path / "config.yaml"
    tenant = "{code: ACME, extensions: ['100']}"
    file.write_text(
        f"switches: [{{name: pbx, url: '{simulator.url}', key: demo-admin, tenants: [{tenant}]}}]"
    )
    probed = Probed(capsys, f"--config.file={file}", "--query=registrations")
    assert probed.status == 1  # not with the configuration as it stands
    assert "tenant    ACME, the first of the configuration" in probed.text
    assert f"source: regstate\n              parameter: {parameter}\n" in probed.text


def test_a_word_that_is_not_known(
    configuration: str, simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The operator is given the word, and told to decide."""
    simulator.inject_fault(kind="body", info="regstate", text="Angemeldet")
    probed = Probed(capsys, configuration, "--tenant=ACME", "--extension=100")
    assert probed.status == 1
    assert "words:" in probed.text
    assert "- Angemeldet" in probed.text


def test_a_redirect_with_the_key_in_it(
    configuration: str, simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The address to configure, without the key."""
    simulator.inject_fault(kind="redirect", location="/new/proxyapi.php?key=demo-admin#x")
    probed = Probed(capsys, configuration, "--query=license")
    assert f"url: {simulator.base_url}/new/proxyapi.php\n" in probed.text
    simulator.clear_faults()
    simulator.inject_fault(kind="redirect", location="/demo-admin/proxyapi.php")
    assert "url: " not in Probed(capsys, configuration, "--query=license").text


def test_a_refused_key_is_not_tried_for_ever(
    configuration: str, simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """After three refusals with nothing else the rest is left out, and said."""
    simulator.inject_fault(kind="refuse_key")
    before = simulator.requests()["next"]
    probed = Probed(capsys, configuration)
    assert probed.status == 1
    assert len(simulator.requests(before)["requests"]) == 3
    assert "license (installation)" in probed.lines("skipped")
    assert "the cause of a refusal" in probed.lines("unknown")


def test_a_switch_that_hangs(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After two timeouts the rest is left out; twice the time is suggested as a try."""
    simulator.inject_fault(kind="hang")
    file = tmp_path / "config.yaml"
    file.write_text(f"switches: [{{name: pbx, url: '{simulator.url}', key: demo-admin, timeout: 200ms}}]")
    probed = Probed(capsys, f"--config.file={file}")
    assert probed.status == 1
    assert len(probed.blocks) == 2
    assert "timeout: 400ms" in probed.text


def test_a_switch_that_is_down(
    tmp_path: Path, run_simulator: StartSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reason, exit status 1, and no answer."""
    simulator = run_simulator()
    assert simulator.program.stop(signal.SIGTERM) == 0
    file = tmp_path / "config.yaml"
    file.write_text(f"switches: [{{name: pbx, url: '{simulator.url}', key: demo-admin}}]")
    probed = Probed(capsys, f"--config.file={file}", "--query=license")
    assert probed.status == 1
    assert probed.blocks["LICENSEDAYS"]["verdict"][0].startswith("connect: ")
    assert "response" not in probed.blocks["LICENSEDAYS"]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--switch=other"], "--switch: expected one of pbx, second"),
        ([], "--switch: expected one of pbx, second"),
        (["--switch=second", "--query=license"], "no key: switch second has no admin key; add --tenant=CODE"),
        (["--switch=second", "--tenant=FJORD"], "no key: neither switch second nor tenant FJORD has one"),
        (["--switch=pbx", "--extension=100"], "--extension needs --tenant=CODE"),
        (["--switch=pbx", "--query=balance"], "--query=balance: "),
        (["--switch=pbx", "--query=license", "--tenant=ACME"], "--query=license: "),
    ],
    ids=" ".join,
)
def test_what_cannot_be_asked(
    flags: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear sentence and exit status 1, before anything is sent."""
    file = tmp_path / "two.yaml"
    file.write_text("""\
switches:
  - {name: pbx, url: http://127.0.0.1:1/, key: demo-admin}
  - {name: second, url: http://127.0.0.1:1/, tenants: [{code: ACME, key: demo-tenant-ACME}]}
""")
    assert main(["probe", f"--config.file={file}", *flags]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    (line,) = errors.splitlines()
    assert line.startswith("softswitch-exporter: ")
    assert sentence in line


def test_without_a_configuration() -> None:
    """It says which flag it needs."""
    finished = run_command("probe")

    assert finished.returncode == 1
    assert finished.stderr == "softswitch-exporter: probe needs --config.file=FILE\n"


def test_an_interrupt_is_no_crash(simulator: Simulator, tmp_path: Path, run_program: Start) -> None:
    """Ctrl-C while the switch hangs ends it at once, with status 130 and without a traceback."""
    simulator.inject_fault(kind="hang")
    file = tmp_path / "config.yaml"
    file.write_text(f"switches: [{{name: pbx, url: '{simulator.url}', key: demo-admin}}]")
    program = run_program(*EXPORTER, "probe", f"--config.file={file}")
    program.wait_for("COUNTPEERS")
    assert program.stop(signal.SIGINT) == 130
    assert "Traceback" not in program.text()
