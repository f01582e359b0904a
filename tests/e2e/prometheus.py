"""A real Prometheus that scrapes one exporter and may evaluate rules."""

import json
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.programs import Exporter, Program, Series, Start, free_port, get, get_json, wait_until

_ADDED_LABELS = {"__name__", "job", "instance"}


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    program: Program
    base_url: str

    def series(self, selector: str, at: float | None = None) -> dict[Series, float]:
        """Return the result of an instant query, without the labels that the scrape adds.

        Prometheus treats empty labels as missing, so they are not included.
        """
        found: dict[Series, float] = {}
        for result in self._query(selector, at):
            labels = {name: text for name, text in result["metric"].items() if name not in _ADDED_LABELS}
            found[result["metric"].get("__name__", ""), frozenset(labels.items())] = float(result["value"][1])
        return found

    def after_two_scrapes(self, since: float, seconds: float = 60) -> float:
        """Wait for two scrapes started after ``since`` (Unix time); return when the second one started."""
        second = self._scrape_after(self._scrape_after(since, seconds), seconds)
        up = self.series("up", second)
        assert list(up.values()) == [1], f"Prometheus could not scrape: {up}"
        return second

    def _scrape_after(self, moment: float, seconds: float) -> float:
        def newest() -> float:
            # Of a series, not of an expression, whose timestamp is the time of the evaluation.
            times = [float(result["value"][1]) for result in self._query("timestamp(up)", None)]
            return max((at for at in times if at > moment), default=0)

        return wait_until(newest, seconds, "a scrape by Prometheus")

    def _query(self, expression: str, at: float | None) -> list[dict[str, Any]]:
        moment = {} if at is None else {"time": f"{at:.3f}"}
        query = urllib.parse.urlencode({"query": expression, **moment})
        found: list[dict[str, Any]] = get_json(f"{self.base_url}/api/v1/query?{query}")["data"]["result"]
        return found


def start_prometheus(
    run: Start,
    executable: str,
    directory: Path,
    exporter: Exporter,
    *flags: str,
    interval: str = "1s",
    rules: Sequence[Path] = (),
    alertmanager: str = "",
    scrape: Mapping[str, object] | None = None,
) -> Prometheus:
    """Start a Prometheus that scrapes this exporter every ``interval``, and wait until it is ready.

    It evaluates the files in ``rules`` and sends alerts to the address ``alertmanager``. ``scrape`` has
    further settings of the scrape configuration.
    """
    file = directory / "prometheus.yml"
    file.write_text(_configuration(exporter, interval, rules, alertmanager, scrape or {}))
    address = f"127.0.0.1:{free_port()}"
    program = run(
        executable,
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'prometheus-data'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
        *flags,
    )
    base_url = f"http://{address}"

    def ready() -> bool:
        assert program.process.poll() is None, program.text()
        return b"Ready" in get(f"{base_url}/-/ready")

    wait_until(ready, 60, "Prometheus to be ready")
    return Prometheus(program, base_url)


def _configuration(
    exporter: Exporter,
    interval: str,
    rules: Sequence[Path],
    alertmanager: str,
    scrape: Mapping[str, object],
) -> str:
    targets = [exporter.base_url.partition("://")[2]]
    job = {"job_name": "softswitch", "static_configs": [{"targets": targets}], **scrape}
    receivers = [{"static_configs": [{"targets": [alertmanager]}]}] if alertmanager else []
    return json.dumps(
        {
            "global": {"scrape_interval": interval, "scrape_timeout": interval},
            "rule_files": [str(file) for file in rules],
            "alerting": {"alertmanagers": receivers},
            "scrape_configs": [job],
        }
    )
