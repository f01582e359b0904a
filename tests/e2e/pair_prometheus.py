"""A real Prometheus with the shipped rules that scrapes both exporters of a pair every second."""

import json
import time
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.e2e.machines import Machine
from tests.e2e.pair import PASSWORD, Pair
from tests.e2e.programs import wait_until
from tests.rule_files import ALERTS_FILE, RECORDS_FILE

_URL = "http://127.0.0.1:9090"


class PairPrometheus:
    """A running Prometheus on the machine of the switch."""

    def __init__(self, center: Machine) -> None:
        self._center = center
        self._start = 0.0

    def is_scraping(self) -> bool:
        """Return whether it has scraped both exporters, and remember when."""
        try:
            [(_, values)] = self.range("count(up == 1)", time.time())
        except (AssertionError, ValueError):  # it is not ready, or has scraped nothing
            return False
        self._start = time.time()
        return values[-1] == 2

    def range(self, expression: str, start: float | None = None) -> list[tuple[dict[str, str], list[float]]]:
        """Return labels and values of each series, for each second since the first complete scrape."""
        query = {
            "query": expression,
            "start": str(start or self._start),
            "end": str(time.time()),
            "step": "1",
        }
        page = self._center.fetch(f"{_URL}/api/v1/query_range?{urllib.parse.urlencode(query)}")
        result: list[dict[str, Any]] = json.loads(page)["data"]["result"]
        return [(series["metric"], [float(value) for _, value in series["values"]]) for series in result]

    def seconds(self) -> float:
        """Return the seconds since the first complete scrape."""
        return time.time() - self._start


def start_prometheus(pair: Pair, executable: str, directory: Path) -> PairPrometheus:
    """Start it and wait until it has scraped both exporters."""
    file = directory / "prometheus.yml"
    file.write_text(json.dumps(_configuration(pair)))
    pair.center.start(
        executable,
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'prometheus-data'}",
        "--web.listen-address=127.0.0.1:9090",
        "--log.level=warn",
    )
    prometheus = PairPrometheus(pair.center)
    wait_until(prometheus.is_scraping, 30, "a scrape of both exporters")
    return prometheus


def _configuration(pair: Pair) -> dict[str, object]:
    first, second = pair.nodes
    targets: Sequence[dict[str, object]] = [
        {"targets": [f"{node.client}:{node.url.rpartition(':')[2]}"], "labels": {"__scheme__": scheme}}
        for node, scheme in ((first, "http"), (second, "https"))
    ]
    job = {
        "job_name": "softswitch",
        "static_configs": targets,
        "basic_auth": {"username": "keepalived", "password": PASSWORD},
        "tls_config": {"ca_file": str(first.machine.directory / "ca.pem"), "server_name": "localhost"},
    }
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RECORDS_FILE), str(ALERTS_FILE)],
        "scrape_configs": [job],
    }
