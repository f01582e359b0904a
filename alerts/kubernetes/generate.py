#!/usr/bin/env python3
"""Write the rule files as a PrometheusRule for the Prometheus Operator.

    python alerts/kubernetes/generate.py > alerts/kubernetes/prometheusrule.yaml

``--runbooks=https://wiki.example.com/runbooks`` lets the alerts lead to runbooks of your own.
"""

import argparse
import sys
from pathlib import Path

_FILES = ("softswitch.rules.yaml", "softswitch.alerts.yaml")
_RUNBOOKS = "https://github.com/softswitch-exporter/softswitch-exporter/blob/main/docs/runbooks"
_HEAD = """\
# Written by alerts/kubernetes/generate.py from softswitch.rules.yaml and softswitch.alerts.yaml; do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: softswitch
  labels:
    app.kubernetes.io/name: softswitch-exporter
spec:
"""


def prometheus_rule(directory: Path, runbooks: str = _RUNBOOKS) -> str:
    """Return the resource, with the groups of all files in the directory as they stand there."""
    groups = "".join(_groups((directory / name).read_text(encoding="utf-8")) for name in _FILES)
    return f"{_HEAD}  groups:\n{groups.replace(_RUNBOOKS, runbooks)}"


def _groups(text: str) -> str:
    # As text, so that comments, anchors and the layout of expressions stay.
    _, _, listed = text.partition("\ngroups:\n")
    return "".join(f"  {line}" if line.strip() else line for line in listed.splitlines(keepends=True))


def _main() -> None:
    parser = argparse.ArgumentParser(description="Write the rule files as a PrometheusRule.")
    parser.add_argument("--runbooks", default=_RUNBOOKS, help="where the runbooks are (default: %(default)s)")
    runbooks: str = parser.parse_args().runbooks
    sys.stdout.write(prometheus_rule(Path(__file__).resolve().parents[1], runbooks.rstrip("/")))


if __name__ == "__main__":
    _main()
