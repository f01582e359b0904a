"""SoftswitchRuleFailures on a real Prometheus, for groups that are evaluated every 5 and 30 minutes."""

import json
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.e2e.programs import free_port, get, running_programs, wait_until
from tests.e2e.prometheus import Prometheus
from tests.e2e.scaled_rules import scaled, write_scaled_rules
from tests.rule_files import ALERTS_FILE, RECORDS_FILE

FACTOR = 300
"""Half an hour takes 6 s. The alert for the slowest group fires 40 minutes after its first failure."""

_BROKEN = "vector(1) * on () (vector(1) or label_replace(vector(1), 'double', 'yes', '', ''))"


def test_failing_slow_groups_are_alerted(tmp_path: Path, require_program: Callable[[str, str], str]) -> None:
    """The alert fires for exactly the groups with a failing rule, spending and history."""
    executable = require_program("prometheus", "prometheus")
    rules = [write_scaled_rules(file, tmp_path, FACTOR) for file in (RECORDS_FILE, ALERTS_FILE)]
    records = yaml.safe_load(rules[0].read_text())
    slow = {f"{rules[0]};softswitch.{name}" for name in ("spending", "history")}
    for group in records["groups"]:
        if f"{rules[0]};{group['name']}" in slow:
            group["rules"].append({"record": "broken", "expr": _BROKEN})
    rules[0].write_text(yaml.safe_dump(records))
    address = f"127.0.0.1:{free_port()}"
    scrapes = scaled("1m", FACTOR)
    job = {"job_name": "prometheus", "static_configs": [{"targets": [address]}]}
    file = tmp_path / "prometheus.yml"
    file.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": scrapes, "scrape_timeout": scrapes},
                "rule_files": [str(rule) for rule in rules],
                "scrape_configs": [job],
            }
        )
    )
    with running_programs(tmp_path) as run:
        program = run(
            executable,
            f"--config.file={file}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
            "--rules.alert.for-grace-period=0s",
        )
        server = Prometheus(program, f"http://{address}")
        wait_until(lambda: get(f"http://{address}/-/ready"), 20, "Prometheus to be ready")

        def firing() -> set[str]:
            found = server.series('ALERTS{alertname="SoftswitchRuleFailures",alertstate="firing"}')
            return {dict(labels)["rule_group"] for _, labels in found}

        wait_until(lambda: firing() == slow, 60, lambda: f"{slow} to fire; firing: {firing()}")
