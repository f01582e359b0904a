"""vmalert loads the rules and fires the same alerts as Prometheus; docs/alerting.md lists the differences."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rule_files import ALERTS_DIRECTORY, ALERTS_FILE, RECORDS_FILE, UNIT_TESTS, rules_for

ALIKE = [
    f"Softswitch{name}.test.yaml"
    for name in ("ApiDown", "BalanceLow", "NodeChannelsNearLimit", "NodeMissing", "WatchedExtensionDown")
]
"""Fast files whose cases all apply to vmalert.

The others expect labels without ``alertgroup``, an extrapolating ``increase``, or current values of a record
that depends on another record: vmalert evaluates it one interval later.
"""


def test_vmalert_accepts_the_rules(require_newest: Callable[[str, str], str]) -> None:
    """Both rule files are valid."""
    vmalert = require_newest("vmalert", "victoria-metrics")
    files = [f"-rule={file}" for file in (RECORDS_FILE, ALERTS_FILE)]
    done = subprocess.run([vmalert, "-dryRun", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", ALIKE)
def test_unit_tests_pass(file: str, tmp_path: Path, require_newest: Callable[[str, str], str]) -> None:
    """vmalert-tool passes the unit tests; it calls ``promql_expr_test`` ``metricsql_expr_test``."""
    tool = require_newest("vmalert-tool", "victoria-metrics")
    document = UNIT_TESTS[ALERTS_DIRECTORY / "tests" / file]
    tests = [{**test, "metricsql_expr_test": test.get("promql_expr_test", [])} for test in document["tests"]]
    for test in tests:
        test.pop("promql_expr_test", None)
    (tmp_path / "rules.json").write_text(json.dumps(rules_for(document)))
    path = tmp_path / "tests.json"
    path.write_text(json.dumps({**document, "tests": tests, "rule_files": [str(tmp_path / "rules.json")]}))
    command = [tool, "unittest", "--disableAlertgroupLabel", f"--files={path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
