"""Where memory runs out the daemon ends, and says why: its supervisor starts it again."""

import re
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.everything import configuration
from tests.e2e.programs import Exporter

_LINE = 'msg="out of memory: ending, to be started again"'
_STATUS = 3


def _text(url: str, tenants: int) -> str:
    """Return a configuration whose size grows with the number of tenants, and that asks for little."""
    off = {name: {"tenant_interval": "off"} for name in ("balance", "registrations", "channels", "calls")}
    switch: dict[str, Any] = {"name": "pbx", "url": url, "key": "demo-admin", "queries": off}
    watch = [str(1000 + number) for number in range(100)]
    return configuration({**switch, "tenants": [{"code": f"T{n}", "watch": watch} for n in range(tenants)]})


def _limit_to_little_more(exporter: Exporter, mebibytes: int) -> None:
    """Let a running exporter have so much more address space than it has."""
    pid = exporter.program.process.pid
    found = re.search(r"VmSize:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    limit = int(found[1]) * 1024 + mebibytes * 2**20
    resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))


@pytest.mark.parametrize("mebibytes", [1, 20])
def test_at_work(
    mebibytes: int, run_simulator: StartSimulator, run_exporter: StartExporter, tmp_path: Path
) -> None:
    """Whether a thread cannot begin or a configuration does not fit: one line, and status 3."""
    url = run_simulator("--tenants=1").url
    exporter = run_exporter(_text(url, 1), "--web.enable-lifecycle")
    _limit_to_little_more(exporter, mebibytes)
    (tmp_path / "config-1.yaml").write_text(_text(url, 400))
    exporter.program.process.send_signal(signal.SIGHUP)
    assert exporter.program.process.wait(60) == _STATUS, exporter.program.text()
    assert _LINE in exporter.program.text()
