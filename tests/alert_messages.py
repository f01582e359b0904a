"""Alerts as templates of Alertmanager see them, and the receivers in the comments of its example."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

ALERTS_DIRECTORY = Path(__file__).parents[1] / "alerts"
EXAMPLE = ALERTS_DIRECTORY / "alertmanager.example.yaml"
TEMPLATES = ALERTS_DIRECTORY / "templates/softswitch.tmpl"

URL = "https://exporter.example.com"
Json = dict[str, Any]


def commented_receivers() -> Json:
    """Return the receivers that the example describes in its comments, by the name of their key."""
    lines = re.findall(r"^#( {3,}\S.*)$", EXAMPLE.read_text().partition("time_intervals:")[2], re.MULTILINE)
    found: Json = yaml.safe_load("\n".join(lines))
    return found


def alert(tenant: str = "ACME", *, status: str = "firing", severity: str = "critical") -> Json:
    """Return an alert of a tenant, as the exporter sends it."""
    name = "SoftswitchBalanceLow"
    return {
        "status": status,
        "labels": {
            "alertname": name,
            "severity": severity,
            "scope": "tenant",
            "switch": "pbx_eu",
            "tenant": tenant,
        },
        "annotations": {
            "summary": "A tenant's balance is low.",
            "description": f"The balance of {tenant} on pbx_eu is 1.50, below 10.",
            "runbook_url": f"{URL}/runbooks/{name}",
        },
        "startsAt": "2026-12-01T03:12:00Z",
        "endsAt": "2026-12-01T03:20:00Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": f"{URL}/tenant?switch=pbx_eu&tenant={tenant if tenant.isalnum() else 'X'}",
        "fingerprint": "0",
    }


def data(*alerts: Json) -> Json:
    """Return what a template gets for a group of alerts."""
    return {
        "receiver": "noc",
        "status": "firing" if any(one["status"] == "firing" for one in alerts) else "resolved",
        "alerts": list(alerts),
        "groupLabels": {},
        "commonLabels": _common([one["labels"] for one in alerts]),
        "commonAnnotations": _common([one["annotations"] for one in alerts]),
        "externalURL": "http://alertmanager.example.com:9093",
    }


def _common(mappings: Sequence[dict[str, str]]) -> dict[str, str]:
    return {name: text for name, text in mappings[0].items() if all(m.get(name) == text for m in mappings)}
