"""``rules``: print the shipped rules for Prometheus, with the operator's runbooks and team label."""

import argparse
import json
import re
from enum import StrEnum

import yaml

from exporter.shipped import RUNBOOKS, rules

_FILES = ("softswitch.rules.yaml", "softswitch.alerts.yaml")

_TEAM = re.compile(r"(?<=[(, ])team(?=\))")
"""The label in ``by (switch, tenant, team)`` and ``group_left (team)``. It does not match the name of the
recorded series, which the operator's own rules may use."""

_RUNBOOK = re.compile(rf"{re.escape(RUNBOOKS)}/(\w+)\.md")

_RESOURCE = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: softswitch
  labels:
    app.kubernetes.io/name: softswitch-exporter
spec:
"""


class Form(StrEnum):
    """The output format: a rule file, a resource of the Prometheus Operator, or a rule file as JSON."""

    PROMETHEUS = "prometheus"
    PROMETHEUSRULE = "prometheusrule"
    JSON = "json"


def run(arguments: argparse.Namespace) -> int:
    """Print the rules."""
    print(document(Form(arguments.format), arguments.runbooks, arguments.team_label), end="")
    return 0


def document(form: Form = Form.PROMETHEUS, runbooks: str | None = None, team_label: str | None = None) -> str:
    """Return the recording and alerting rules as one document.

    ``runbooks``: the base URL of the runbooks, each named after its alert. ``team_label``: the label of
    ``softswitch_tenant_info`` that alerts on a tenant get instead of ``team``.
    """
    groups = "\n".join(_groups(name) for name in _FILES)
    flags = "" if form is Form.PROMETHEUS else f" --format={form}"
    if runbooks is not None:
        groups = _RUNBOOK.sub(lambda page: f"{runbooks.rstrip('/')}/{page[1]}", groups)
        flags += f" --runbooks={runbooks}"
    if team_label is not None:
        groups = _TEAM.sub(team_label, groups)
        flags += f" --team-label={team_label}"
    if form is Form.JSON:
        return json.dumps(yaml.safe_load(f"groups:\n{groups}"), indent=2) + "\n"
    head = f"# Printed by `softswitch-exporter rules{flags}`: run it again instead of editing this file.\n"
    if form is Form.PROMETHEUS:
        return f"{head}groups:\n{groups}"
    return f"{head}{_RESOURCE}  groups:\n{_indented(groups)}"


def _groups(name: str) -> str:
    # Not parsed, to keep comments, anchors and the layout of expressions.
    return rules(name).partition("\ngroups:\n")[2]


def _indented(text: str) -> str:
    return "".join(f"  {line}" if line.strip() else line for line in text.splitlines(keepends=True))
