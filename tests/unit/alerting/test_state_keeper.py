import threading
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from exporter.alerting.state_keeper import StateKeeper
from exporter.alerting.status import AlertingMetrics
from exporter.clock import Clock
from exporter.storage.kept_file import KeptFile


async def test_a_disk_that_hangs(tmp_path: Path) -> None:
    """The first evaluation waits for a while, and then starts without the file."""
    answers = threading.Event()

    class Hanging(KeptFile):
        """Blocks reads until the test ends."""

        def read_with(self, *_: Any, **__: Any) -> None:
            answers.wait(10)

    registry = CollectorRegistry()
    disk = Hanging(tmp_path / "state.json", noun="state file", setting="state_file", limit=1000)
    keeper = StateKeeper(disk, Clock(), AlertingMetrics(registry), patience=0.05)
    with capture_logs() as logs:
        assert await keeper.load() is None

    assert [log["reason"] for log in logs] == ["the disk does not respond"]
    assert registry.get_sample_value("softswitch_alerting_state_file_errors_total") == 1
    answers.set()  # lets the thread end
