"""``probe`` as an operator uses it on a new switch."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.cli import main
from exporter.queries import QUERIES
from tests.e2e.conftest import StartSimulator
from tests.e2e.programs import Simulator, running_programs, start_simulator

SECRET = "PASSWORD-MUST-NOT-SHOW"
"""A part of every credential in the lists of the simulator."""

_NODES = "nodes: [pbx1, pbx2, pbx3, pbx4]"

Block = dict[str, list[str]]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Start a frozen switch with some activity."""
    with running_programs(tmp_path_factory.mktemp("switch")) as run:
        started = start_simulator(run, "--tenants=6")
        started.change_world(freeze=True, license_days=45, tenants={"ACME": {"calls": 3, "balance": 12.5}})
        yield started
        started.assert_no_forbidden_requests()


@pytest.fixture
def simulator(shared: Simulator) -> Simulator:
    """Return the switch without faults."""
    shared.clear_faults()
    return shared


@pytest.fixture
def configuration(simulator: Simulator, tmp_path: Path) -> str:
    """Return the flag for a minimal configuration of this switch, with a higher rate limit."""
    file = tmp_path / "config.yaml"
    rate = "max_requests_per_second: 200"
    file.write_text(f"switches: [{{name: pbx, url: '{simulator.url}', key: demo-admin, {rate}}}]")
    return f"--config.file={file}"


def _blocks(output: str) -> list[Block]:
    """Return the lines under each heading, for each paragraph of the output."""
    blocks: list[Block] = []
    for paragraph in output.strip().split("\n\n"):
        block: Block = {}
        heading = ""
        for line in paragraph.splitlines():
            heading = line[:10].strip() or heading
            block.setdefault(heading, []).append(line[10:])
        blocks.append(block)
    return blocks


def _query(block: Block) -> str:
    (url,) = block["request"]
    assert url.endswith("&key=***")
    return " ".join(re.findall(r"[?&](?:reqtype|info|action)=(\w+)", url))


class Probed:
    """The output and the exit status of a probe."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *flags: str) -> None:
        self.status = main(["probe", *flags])
        self.text, errors = capsys.readouterr()
        assert errors == ""
        assert "demo-admin" not in self.text
        assert SECRET not in self.text
        self.blocks = {_query(block): block for block in _blocks(self.text) if "request" in block}

    def lines(self, heading: str) -> str:
        """Return the text under a heading of the summary, as one line."""
        return " ".join(_blocks(self.text)[-1].get(heading, []))

    def settings(self) -> Any:
        """Return the settings that the summary suggests to paste."""
        lines = _blocks(self.text)[-1]["configure"]
        return yaml.safe_load("\n".join(lines[1:]))


def test_a_new_switch(configuration: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every enabled query is sent, for the first tenant and extension, and a summary follows."""
    probed = Probed(capsys, configuration)
    assert probed.status == 0, probed.text
    assert list(probed.blocks) == [
        "COUNTPEERS", "COUNTCHANNELS", "COUNTCALLS", "LICENSEDAYS", "MANAGEDB list",
        "INFO balance", "INFO extensions", "INFO regstate", "BLFS", "PEERS", "CHANSIPPEERS",
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
    assert probed.blocks["MANAGEDB list"]["verdict"] == ["valid list of 8"]
    assert "tenant    ACME, the first of the switch's list" in probed.text
    assert "extension 100 of tenant ACME" in probed.text
    assert "the configured source, regstate, parameter ext, works" in probed.text
    assert "15 requests" in probed.lines("summary")
    assert probed.blocks["COUNTPEERS"]["advice"][-1] == _NODES
    assert _blocks(probed.text)[-1]["configure"] == ["in the section of switch pbx:", _NODES]
    assert "peers (per tenant), limits (per tenant)" in probed.lines("disabled")
    assert "attach to a bug report" in probed.lines("note")


def test_a_tenant(configuration: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Only its queries are sent."""
    probed = Probed(capsys, configuration, "--tenant=ACME")
    assert probed.status == 0, probed.text
    assert list(probed.blocks) == [
        "COUNTCHANNELS", "COUNTCALLS",
        "INFO balance", "INFO extensions", "INFO regstate", "BLFS", "PEERS", "CHANSIPPEERS",
    ]  # fmt: skip
    assert probed.blocks["COUNTCALLS"]["sample"] == ['softswitch_tenant_calls{switch="pbx",tenant="ACME"} 3']


def test_a_query_of_tenants_chooses_one(
    simulator: Simulator, configuration: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is sent for the first tenant of the configuration, else of the switch's list, if none is named."""
    file = tmp_path / "tenants.yaml"
    tenants = "[{code: BOREAL, key: demo-tenant-BOREAL}]"
    file.write_text(f"switches: [{{name: pbx, url: '{simulator.url}', tenants: {tenants}}}]")
    of_tenants = [query for query, spec in QUERIES.items() if not spec.switch]
    assert len(of_tenants) > 4
    for query in of_tenants:
        for flag, chosen in (
            (configuration, "ACME, the first of the switch's list"),
            (f"--config.file={file}", "BOREAL, the first of the configuration"),
        ):
            probed = Probed(capsys, flag, f"--query={query}")
            assert f"tenant    {chosen}; use --tenant=CODE for another one" in probed.text
            assert all(block["verdict"] for block in probed.blocks.values())
            assert any(f"tenant={chosen[:4]}" in block["request"][0] for block in probed.blocks.values())


@pytest.mark.parametrize(
    ("source", "query"),
    [
        ("regstate", "INFO regstate"),
        ("extensions", "INFO extensions"),
        ("peers", "CHANSIPPEERS"),
        ("tenant_peers", "PEERS"),
        ("blf", "BLFS"),
    ],
)
def test_one_phone(
    source: str, query: str, simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One request to the configured source; nothing else of a list is printed."""
    file = tmp_path / "config.yaml"
    queries = f"{{registrations: {{source: {source}}}}}"
    file.write_text(f"switches: [{{name: pbx, url: '{simulator.url}', key: demo-admin, queries: {queries}}}]")
    probed = Probed(capsys, f"--config.file={file}", "--tenant=ACME", "--extension=101")
    assert probed.status == 0, probed.text
    assert list(probed.blocks) == [query]
    assert re.search(r"extension 101 of tenant ACME: (un)?registered\n", probed.text)


def test_sources_are_compared(
    tmp_path: Path, run_simulator: StartSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Phone by phone, with what each costs; a source that is silent about PJSIP phones is not recommended."""
    simulator = run_simulator(
        "--tenants=6", "--extensions=20", "--technologies=pjsip=0.4,custom=0.05,virtual=0.05"
    )
    simulator.change_world(freeze=True)
    file = tmp_path / "config.yaml"
    tree = {
        "name": "pbx",
        "url": simulator.url,
        "key": "demo-admin",
        "discover_tenants": {"enabled": True},
        "tenant_defaults": {"extensions": "all"},
        "queries": {"registrations": {"source": "peers"}},
    }
    file.write_text(yaml.safe_dump({"switches": [tree]}))

    text = Probed(capsys, f"--config.file={file}", "--query=registrations", "--tenant=ACME").text

    extensions = simulator.truth()["tenants"]["ACME"]["extensions"]
    able = [number for number, registered in extensions.items() if registered is not None]
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert f"cost of 6 tenants with {6 * len(able)} phones, if all have as many as ACME, every 5m" in lines
    assert f"compare extensions and blf: {len(able)} phones known to both, 0 differ" in lines
    assert any(
        line.startswith(f"blf registered knows {len(able)} of {len(able)} 6 requests") for line in lines
    )
    assert "registrations can be read from blf" in text
    assert re.search(r"peers knows only \d+ of these phones; the others may use PJSIP", text)
    assert "source: blf" in text


def test_a_redirect_with_the_key(
    configuration: str, simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The URL to configure is printed without the key."""
    simulator.inject_fault(kind="redirect", location="/new/proxyapi.php?key=demo-admin#x")
    probed = Probed(capsys, configuration, "--query=license")
    assert f"url: {simulator.base_url}/new/proxyapi.php\n" in probed.text
    simulator.clear_faults()
    simulator.inject_fault(kind="redirect", location="/demo-admin/proxyapi.php")
    assert "url: " not in Probed(capsys, configuration, "--query=license").text


def test_a_refused_key_is_sent_three_times(
    configuration: str, simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """After three refusals and no other response, the remaining queries are reported as skipped."""
    simulator.inject_fault(kind="refuse_key")
    before = simulator.requests()["next"]
    probed = Probed(capsys, configuration)
    assert probed.status == 1
    assert len(simulator.requests(before)["requests"]) == 3
    assert "license (installation)" in probed.lines("skipped")
    assert "the cause of a refusal" in probed.lines("unknown")


def test_a_hanging_switch(simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After two timeouts the remaining queries are skipped, and twice the timeout is suggested."""
    simulator.inject_fault(kind="hang")
    file = tmp_path / "config.yaml"
    file.write_text(f"switches: [{{name: pbx, url: '{simulator.url}', key: demo-admin, timeout: 200ms}}]")
    probed = Probed(capsys, f"--config.file={file}")
    assert probed.status == 1
    assert len(probed.blocks) == 2
    assert "timeout: 400ms" in probed.text


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--switch=other"], '--switch: expected "pbx" or "second", got "other"'),
        ([], '--switch is required, because several switches are configured; expected "pbx" or "second"'),
        (["--switch=second", "--query=license"], "no key: switch second has no admin key; add --tenant=CODE"),
        (["--switch=second", "--tenant=FJORD"], "no key: neither switch second nor tenant FJORD has one"),
        (
            ["--switch=pbx", "--query=balance", "--tenant=ACME", "--extension=100"],
            "--extension has no effect on --query=balance; use --query=registrations, or no --query",
        ),
        (["--switch=pbx", "--extension=100"], "--extension needs --tenant=CODE"),
        (["--switch=second", "--query=peers"], "no key: switch second has no admin key; add --tenant=CODE"),
        (["--switch=pbx", "--query=license", "--tenant=ACME"], "--query=license: this query is "),
    ],
    ids=" ".join,
)
def test_invalid_combinations_of_flags(
    flags: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1 and one line, before anything is sent."""
    file = tmp_path / "two.yaml"
    file.write_text("""\
switches:
  - {name: pbx, url: http://127.0.0.1:1/, key: demo-admin}
  - {name: second, url: http://127.0.0.1:1/, tenants: [{code: ACME, key: demo-tenant-ACME}]}
""")
    assert main(["probe"]) == 1
    needed = "probe needs --config.file=FILE, or --write-config=FILE for a first configuration"
    assert capsys.readouterr() == ("", f"softswitch-exporter: {needed}\n")
    assert main(["probe", f"--config.file={file}", *flags]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    (line,) = errors.splitlines()
    assert line.startswith("softswitch-exporter: ")
    assert sentence in line
