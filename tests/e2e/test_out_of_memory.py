"""Without memory the daemon logs why and exits, so that its supervisor restarts it."""

import re
import resource
import signal
from pathlib import Path

from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.full_configuration import configuration
from tests.e2e.programs import Exporter

_LINE = 'msg="out of memory; exiting so that the supervisor restarts the process"'
_STATUS = 3


def _limit_memory(exporter: Exporter, mebibytes: int) -> None:
    """Limit the address space of a running exporter to so much more than it uses."""
    pid = exporter.program.process.pid
    found = re.search(r"VmSize:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    limit = int(found[1]) * 1024 + mebibytes * 2**20
    resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))


def test_a_configuration_that_does_not_fit_into_memory(
    run_simulator: StartSimulator, run_exporter: StartExporter, tmp_path: Path
) -> None:
    """One line is logged, and the exit status is 3."""
    text = configuration({"name": "pbx", "url": run_simulator("--tenants=1").url, "key": "demo-admin"})
    exporter = run_exporter(text, "--web.enable-lifecycle")
    _limit_memory(exporter, 20)
    (tmp_path / "config-1.yaml").write_text(text + "# filler\n" * (60 * 2**20 // 9))
    exporter.program.process.send_signal(signal.SIGHUP)
    assert exporter.program.process.wait(60) == _STATUS, exporter.program.text()
    assert _LINE in exporter.program.text()
