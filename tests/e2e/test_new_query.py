"""A new query takes one module and a few lines elsewhere.

The test adds them to a copy of the package and runs real programs from it.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import exporter
from tests.e2e.full_configuration import configuration, switch
from tests.e2e.programs import (
    EXPORTER,
    Exporter,
    Simulator,
    get,
    get_json,
    running_programs,
    wait_until,
)

MODULE = '''\
"""Voicemails of a tenant: INFO voicemails, a bare number."""

from exporter.decode.values import count_of, read_number
from exporter.fields import Interval, Section
from exporter.metrics import catalogue
from exporter.model import Failure, Number, Query
from exporter.queries.spec import PER_TENANT, Endpoint, QuerySpec, every, number_into
from exporter.request import Operation


class VoicemailsQuery(Section):
    """Per tenant only."""

    tenant_interval: Interval = every("7m", PER_TENANT)


def _read(text: str, _: VoicemailsQuery) -> Number | Failure:
    return read_number(text, count_of, "a number of voicemails")


SPEC = QuerySpec(
    query=Query.VOICEMAILS,
    summary="Voicemails of a tenant (INFO voicemails).",
    section=VoicemailsQuery,
    tenant=Endpoint(
        operation=Operation.VOICEMAILS, value=_read, fills=number_into(catalogue.TENANT_VOICEMAILS)
    ),
    start=0.91,
)
'''

_METRIC = (
    'TENANT_VOICEMAILS = _tenant("softswitch_tenant_voicemails", "Voicemails of a tenant.", '
    'unit="voicemails", source="INFO voicemails")'
)
LINES: tuple[tuple[str, str, str], ...] = (
    ("model.py", '    BALANCE = "balance"', '    VOICEMAILS = "voicemails"'),
    (
        "request.py",
        '    BALANCE = "reqtype=INFO&info=balance", Scope.TENANT',
        '    VOICEMAILS = "reqtype=INFO&info=voicemails", Scope.TENANT',
    ),
    ("queries/__init__.py", "    tenants,", "    voicemails,"),
    ("queries/__init__.py", "    tenants.SPEC,", "    voicemails.SPEC,"),
    ("metrics/catalogue.py", "# Each tenant.", _METRIC),
    # The simulated switch implements the API independently.
    (
        "simulator/request.py",
        '    "INFO balance": {"tenant", "info"},',
        '    "INFO voicemails": {"tenant", "info"},',
    ),
    (
        "simulator/responses.py",
        '    "INFO balance": (_balance, True),',
        '    "INFO voicemails": (lambda _: "7", True),',
    ),
)
"""File, the existing line, and the line to add after it."""

SECRET = "PASSWORD-MUST-NOT-SHOW"
_SERIES = "softswitch_tenant_voicemails"
_OF = {"switch": "pbx", "tenant": "ACME"}


@dataclass(frozen=True)
class Changed:
    """The running programs of the changed copy, and the environment to start others."""

    environment: Mapping[str, str]
    simulator: Simulator
    exporter: Exporter
    file: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python with the copy."""
        return subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def status(self) -> dict[str, object]:
        """Return the status of the query."""
        [of_switch] = get_json(f"{self.exporter.base_url}/api/v1/status")["switches"]
        [query] = [query for query in of_switch["queries"] if query["query"] == "voicemails"]
        found: dict[str, object] = query
        return found


def _add(package: Path) -> None:
    (package / "queries" / "voicemails.py").write_text(MODULE)
    for name, before, line in LINES:
        file = package / name
        text = file.read_text()
        assert text.count(f"\n{before}\n") == 1, f"{name}: expected this line once: {before}"
        file.write_text(text.replace(f"\n{before}\n", f"\n{before}\n{line}\n"))


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changed]:
    """Run simulator and exporter from the copy, with the new query every second."""
    directory = tmp_path_factory.mktemp("copy")
    [package] = exporter.__path__
    shutil.copytree(package, directory / "exporter", ignore=shutil.ignore_patterns("__pycache__"))
    _add(directory / "exporter")
    # The copy is first in the path, and the working directory is not in it.
    paths = os.pathsep.join([str(directory), str(Path(package).parent)])
    environment = {
        "PYTHONPATH": paths,
        "PYTHONSAFEPATH": "1",
        # Compile once for all programs.
        "PYTHONPYCACHEPREFIX": str(directory / "compiled"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    with running_programs(directory) as run:
        program = run(*EXPORTER, "simulate", "--listen=127.0.0.1:0", "--tenants=2", **environment)
        simulator = Simulator(program, program.wait_for(r"(http://127\.0\.0\.1:\d+)/", 100)[1])
        of_switch = switch(
            "pbx",
            simulator.url,
            tenants=[{"code": "ACME"}],
            queries={"voicemails": {"tenant_interval": "1s"}},
            stale_after=2,
        )
        file = directory / "config.yaml"
        file.write_text(configuration(of_switch))
        flags = (f"--config.file={file}", "--web.listen-address=127.0.0.1:0", "--log.level=debug")
        program = run(*EXPORTER, *flags, **environment)
        address = program.wait_for(r"address=(127\.0\.0\.1:\d+)", 100)[1]
        started = Exporter(program, f"http://{address}")
        yield Changed(environment, simulator, started, file)
        simulator.assert_no_forbidden_requests()


def test_a_new_query_is_polled_and_served(changed: Changed) -> None:
    """Its request is sent, and its value is in `/metrics` and in the status."""
    wait_until(lambda: changed.exporter.value(_SERIES, **_OF) == 7, 60, "its value")
    sent = [request["parameters"] for request in changed.simulator.requests()["requests"]]
    assert {"reqtype": "INFO", "info": "voicemails", "tenant": "ACME"} in sent
    labels = {"query": "voicemails", "scope": "tenant", **_OF}
    assert changed.exporter.value("softswitch_query_success", **labels) == 1
    assert (
        changed.exporter.value(
            "softswitch_query_interval_seconds", switch="pbx", query="voicemails", scope="tenant"
        )
        == 1
    )
    wait_until(lambda: changed.status()["freshness"] == "fresh", 60, "the status to be fresh")
    assert b"voicemails" in get(f"{changed.exporter.base_url}/")


def test_a_new_query_is_documented(changed: Changed) -> None:
    """The generated references of configuration and metrics contain it."""
    keys = changed.run("-m", "tests.config_docs").stdout
    assert "Voicemails of a tenant (INFO voicemails)." in keys
    assert "`switches[].queries.voicemails`" in keys
    assert "`7m`" in keys
    assert f"## {_SERIES}\n\nVoicemails of a tenant.\n" in changed.run("-m", "tests.metrics_docs").stdout


def test_the_configuration_of_a_new_query_is_checked(changed: Changed) -> None:
    """``--config.check`` plans it, and reports an unknown key."""
    check = ("-m", "exporter", "--config.check")
    planned = changed.run(*check, f"--config.file={changed.file}")
    assert planned.returncode == 0, planned.stderr
    [row] = [line.split() for line in planned.stdout.splitlines() if line.split()[:1] == ["voicemails"]]
    assert row == ["voicemails", "tenant", "1", "1s", "1s"]

    wrong = changed.file.with_name("wrong.yaml")
    wrong.write_text(changed.file.read_text().replace('"voicemails": {', '"voicemails": {"interval": "1m", '))
    failed = changed.run(*check, f"--config.file={wrong}")
    assert failed.returncode == 2
    assert "switches[0].queries.voicemails.interval" in failed.stderr


def test_a_new_query_is_probed(changed: Changed) -> None:
    """``probe`` sends it, alone and with all others, and shows its sample."""
    probe = ("-m", "exporter", "probe", f"--config.file={changed.file}")
    for flags in (["--query=voicemails"], ["--tenant=ACME"]):
        probed = changed.run(*probe, *flags)
        assert f'{_SERIES}{{switch="pbx",tenant="ACME"}} 7\n' in probed.stdout, probed


def test_a_new_query_becomes_stale_and_leaks_no_response(changed: Changed) -> None:
    """An invalid response is quoted nowhere, and after a while the series is absent."""
    wait_until(lambda: changed.exporter.value(_SERIES, **_OF) == 7, 60, "its value")
    changed.simulator.inject_fault(kind="body", info="voicemails", text=f"voicemail-7 {SECRET} 12")
    failing = {"query": "voicemails", "scope": "tenant", **_OF}
    wait_until(lambda: changed.exporter.value("softswitch_query_success", **failing) == 0, 60, "a failure")
    wait_until(lambda: changed.exporter.value(_SERIES, **_OF) is None, 60, "its series to be absent")

    probed = changed.run(
        "-m", "exporter", "probe", f"--config.file={changed.file}", "--query=voicemails", "--tenant=ACME"
    )
    changed.simulator.clear_faults()
    seen = {
        path: get(f"{changed.exporter.base_url}{path}").decode()
        for path in ("/", "/api/v1/status", "/metrics")
    }
    seen |= {"log": changed.exporter.program.text(), "probe": probed.stdout + probed.stderr}
    assert probed.returncode == 1
    assert re.search("^verdict   (decode|rejected): ", probed.stdout, re.MULTILINE), probed.stdout
    assert [name for name, text in seen.items() if SECRET in text or "voicemail-7" in text] == []
    wait_until(lambda: changed.exporter.value(_SERIES, **_OF) == 7, 60, "its value again")
