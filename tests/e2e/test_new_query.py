"""A query that is not there yet: one module, and one line in each place that a new query needs.

The package is copied, the additions are made in the copy, and the real program runs from it.
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
"""Trunks of a tenant: INFO trunks, a bare number."""

from exporter.decode.values import count_of, read_number
from exporter.fields import Interval, Section
from exporter.metrics import catalogue
from exporter.model import Failure, Number, Query
from exporter.queries.spec import PER_TENANT, Endpoint, QuerySpec, every, number_into
from exporter.request import Operation


class TrunksQuery(Section):
    """Per tenant only."""

    tenant_interval: Interval = every("7m", PER_TENANT)


def _read(text: str, _: TrunksQuery) -> Number | Failure:
    return read_number(text, count_of, "a number of trunks")


SPEC = QuerySpec(
    query=Query.TRUNKS,
    summary="Trunks of a tenant (INFO trunks).",
    section=TrunksQuery,
    tenant=Endpoint(operation=Operation.TRUNKS, value=_read, fills=number_into(catalogue.TENANT_TRUNKS)),
    start=0.91,
)
'''

_METRIC = (
    'TENANT_TRUNKS = _tenant("softswitch_tenant_trunks", "Trunks of a tenant.", '
    'unit="trunks", source="INFO trunks")'
)
LINES: tuple[tuple[str, str, str], ...] = (
    ("model.py", '    BALANCE = "balance"', '    TRUNKS = "trunks"'),
    (
        "request.py",
        '    BALANCE = "reqtype=INFO&info=balance", Scope.TENANT',
        '    TRUNKS = "reqtype=INFO&info=trunks", Scope.TENANT',
    ),
    ("queries/__init__.py", "    tenants,", "    trunks,"),
    ("queries/__init__.py", "    tenants.SPEC,", "    trunks.SPEC,"),
    ("metrics/catalogue.py", "# Each tenant.", _METRIC),
    # The simulated switch reads and answers on its own.
    (
        "simulator/request.py",
        '    "INFO balance": {"tenant", "info"},',
        '    "INFO trunks": {"tenant", "info"},',
    ),
    (
        "simulator/responses.py",
        '    "INFO balance": (_balance, True),',
        '    "INFO trunks": (lambda _: "7", True),',
    ),
)
"""By file: the line after which it stands, and the line."""

SECRET = "PASSWORD-MUST-NOT-SHOW"
_SERIES = "softswitch_tenant_trunks"
_OF = {"switch": "pbx", "tenant": "ACME"}


@dataclass(frozen=True)
class Changed:
    """The copy with the additions, and what to start a program of it with."""

    environment: Mapping[str, str]
    simulator: Simulator
    exporter: Exporter
    file: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the environment of the copy."""
        return subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def status(self) -> dict[str, object]:
        """Return what the status says of the query."""
        [of_switch] = get_json(f"{self.exporter.base_url}/api/v1/status")["switches"]
        [query] = [query for query in of_switch["queries"] if query["query"] == "trunks"]
        found: dict[str, object] = query
        return found


def _add(package: Path) -> None:
    (package / "queries" / "trunks.py").write_text(MODULE)
    for name, before, line in LINES:
        file = package / name
        text = file.read_text()
        assert text.count(f"\n{before}\n") == 1, f"{name} has another form: {before}"
        file.write_text(text.replace(f"\n{before}\n", f"\n{before}\n{line}\n"))


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changed]:
    """Run the copy, simulated switch and exporter, with the new query at an interval of a second."""
    directory = tmp_path_factory.mktemp("copy")
    [package] = exporter.__path__
    shutil.copytree(package, directory / "exporter", ignore=shutil.ignore_patterns("__pycache__"))
    _add(directory / "exporter")
    # The copy comes first, and what stands in the working directory does not come at all.
    paths = os.pathsep.join([str(directory), str(Path(package).parent)])
    environment = {
        "PYTHONPATH": paths,
        "PYTHONSAFEPATH": "1",
        # Ten programs are started: the first one compiles for all of them.
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
            queries={"trunks": {"tenant_interval": "1s"}},
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


def test_it_is_polled_and_served(changed: Changed) -> None:
    """Its operation is sent with its tenant, and its answer is a series, in the text and in the status."""
    wait_until(lambda: changed.exporter.value(_SERIES, **_OF) == 7, 20, "its value")
    asked = [request["parameters"] for request in changed.simulator.requests()["requests"]]
    assert {"reqtype": "INFO", "info": "trunks", "tenant": "ACME"} in asked
    labels = {"query": "trunks", "scope": "tenant", **_OF}
    assert changed.exporter.value("softswitch_query_success", **labels) == 1
    assert (
        changed.exporter.value(
            "softswitch_query_interval_seconds", switch="pbx", query="trunks", scope="tenant"
        )
        == 1
    )
    assert changed.status()["freshness"] == "fresh"
    assert b"trunks" in get(f"{changed.exporter.base_url}/")


def test_it_is_documented(changed: Changed) -> None:
    """The reference of the configuration and that of the metrics follow from its declaration."""
    keys = changed.run("-m", "tests.config_docs").stdout
    assert "Trunks of a tenant (INFO trunks)." in keys
    assert "`switches[].queries.trunks`" in keys
    assert "`7m`" in keys
    assert f"## {_SERIES}\n\nTrunks of a tenant.\n" in changed.run("-m", "tests.metrics_docs").stdout


def test_it_is_checked(changed: Changed) -> None:
    """The plan has it, with its default; a key that it does not have is an error."""
    check = ("-m", "exporter", "--config.check")
    planned = changed.run(*check, f"--config.file={changed.file}")
    assert planned.returncode == 0, planned.stderr
    [row] = [line.split() for line in planned.stdout.splitlines() if line.split()[:1] == ["trunks"]]
    assert row == ["trunks", "tenant", "1", "1s", "1s"]

    wrong = changed.file.with_name("wrong.yaml")
    wrong.write_text(changed.file.read_text().replace('"trunks": {', '"trunks": {"interval": "1m", '))
    failed = changed.run(*check, f"--config.file={wrong}")
    assert failed.returncode == 2
    assert "switches[0].queries.trunks.interval" in failed.stderr


def test_it_is_probed(changed: Changed) -> None:
    """``probe`` asks it, alone and among all others, and shows its sample."""
    probe = ("-m", "exporter", "probe", f"--config.file={changed.file}")
    for flags in (["--query=trunks", "--tenant=ACME"], ["--tenant=ACME"], []):
        probed = changed.run(*probe, *flags)
        assert f'{_SERIES}{{switch="pbx",tenant="ACME"}} 7\n' in probed.stdout, probed
    refused = changed.run(*probe, "--query=trunks", "--tenant=")
    assert refused.returncode == 1, refused.stdout


def test_it_is_kept_private_and_becomes_stale(changed: Changed) -> None:
    """An answer that is no number is quoted nowhere, fails with its reason, and its series goes in time."""
    wait_until(lambda: changed.exporter.value(_SERIES, **_OF) == 7, 20, "its value")
    changed.simulator.inject_fault(kind="body", info="trunks", text=f"trunk-7 {SECRET} 12")
    failing = {"query": "trunks", "scope": "tenant", **_OF}
    wait_until(lambda: changed.exporter.value("softswitch_query_success", **failing) == 0, 20, "a failure")
    wait_until(lambda: changed.exporter.value(_SERIES, **_OF) is None, 20, "its series to go")

    probed = changed.run(
        "-m", "exporter", "probe", f"--config.file={changed.file}", "--query=trunks", "--tenant=ACME"
    )
    changed.simulator.clear_faults()
    seen = {
        path: get(f"{changed.exporter.base_url}{path}").decode()
        for path in ("/", "/api/v1/status", "/metrics")
    }
    seen |= {"log": changed.exporter.program.text(), "probe": probed.stdout + probed.stderr}
    assert probed.returncode == 1
    assert re.search("^verdict   (decode|rejected): ", probed.stdout, re.MULTILINE), probed.stdout
    assert [name for name, text in seen.items() if SECRET in text or "trunk-7" in text] == []
    wait_until(lambda: changed.exporter.value(_SERIES, **_OF) == 7, 30, "its value to come back")
