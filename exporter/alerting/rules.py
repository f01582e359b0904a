"""The alerts of the daemon: the same that ``alerts/softswitch.alerts.yaml`` declares for Prometheus.

Names, labels, severities, durations and texts are equal; ``tests/unit/alerting/test_rules.py`` holds them
together. When each is due stands in ``conditions``. Alerts that need a long history are Prometheus's alone.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from exporter.alerting.figures import Figure

_RUNBOOKS = "https://github.com/softswitch-exporter/softswitch-exporter/blob/main/docs/runbooks"
_MINUTE = 60.0

Labels = tuple[tuple[str, str], ...]
"""What tells alerts of one rule apart, in a fixed order. Never an empty value: that would be no label."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One alert as it is declared. Durations are seconds; ``severity`` is "" where the threshold gives it.

    ``pending_for``: how long its condition must hold. ``keep_firing_for``: how long it outlives it.
    ``description`` names labels, ``value`` and ``threshold`` in braces, with formats of ``figures``.
    """

    name: str
    severity: str
    scope: str
    summary: str
    description: str
    pending_for: float = 0.0
    keep_firing_for: float = 0.0

    def labels(self, found: Labels) -> dict[str, str]:
        """Return all labels of an alert."""
        severity = {"severity": self.severity} if self.severity else {}
        return {"alertname": self.name, **severity, "scope": self.scope, **dict(found)}

    def annotations(self, found: Labels, value: float, threshold: float) -> Mapping[str, str]:
        """Return the annotations of an alert with the value that made it due."""
        names = {**dict(found), "value": Figure(value), "threshold": Figure(threshold)}
        return {
            "summary": self.summary,
            "description": self.description.format_map(names),
            "runbook_url": f"{_RUNBOOKS}/{self.name}.md",
        }


WATCHDOG = Rule(
    "SoftswitchWatchdog",
    "none",
    "monitoring",
    "Alerting works.",
    "This alert fires always. When it stops, the exporter, Alertmanager or the way between is broken.",
)
DATA_STALE = Rule(
    "SoftswitchDataStale",
    "warning",
    "monitoring",
    "Values are missing or too old.",
    "{value} of the targets that {switch} is asked about for {query} gave no value for more than three "
    "intervals, or never. Alerts on these values cannot fire.",
    pending_for=15 * _MINUTE,
)
API_DOWN = Rule(
    "SoftswitchApiDown",
    "critical",
    "switch",
    "The API of a soft-switch is down.",
    "The API of {switch} has not given a valid answer for minutes. Nothing is known of its nodes and "
    "tenants.",
    pending_for=2 * _MINUTE,
    keep_firing_for=5 * _MINUTE,
)
KEY_REFUSED = Rule(
    "SoftswitchKeyRefused",
    "critical",
    "switch",
    "A soft-switch refuses the key of the exporter.",
    "{switch} refused {value} of the things it was asked last, each time as it refuses a wrong key.",
    pending_for=2 * _MINUTE,
)
TENANT_KEY_REFUSED = Rule(
    "SoftswitchKeyRefused",
    "warning",
    "tenant",
    "A soft-switch refuses requests for a tenant.",
    "{switch} refused {value} of the things it was asked last about {tenant}: its key is wrong, or there is "
    "no such tenant.",
    pending_for=10 * _MINUTE,
)
LICENSE_EXPIRING = Rule(
    "SoftswitchLicenseExpiring",
    "",
    "license",
    "The license of a soft-switch is about to expire.",
    "The license of {switch} expires in {value:duration}.",
    pending_for=15 * _MINUTE,
)
LICENSE_IMMINENT = Rule(
    "SoftswitchLicenseImminent",
    "critical",
    "license",
    "The license of a soft-switch expires within a day.",
    "The license of {switch} has {value:duration} left. After that its calls may stop.",
    pending_for=15 * _MINUTE,
)
NODE_MISSING = Rule(
    "SoftswitchNodeMissing",
    "critical",
    "node",
    "A node of a soft-switch is missing.",
    "{switch} has not named the node {node} among its nodes for 3 minutes.",
    pending_for=3 * _MINUTE,
)
NODE_CHANNELS_NEAR_LIMIT = Rule(
    "SoftswitchNodeChannelsNearLimit",
    "warning",
    "node",
    "A node is close to the channels it is meant to carry.",
    "{node} of {switch} uses {value:percentage} of its channels.",
    pending_for=5 * _MINUTE,
    keep_firing_for=10 * _MINUTE,
)
NODE_CHANNELS_AT_LIMIT = Rule(
    NODE_CHANNELS_NEAR_LIMIT.name,
    "critical",
    "node",
    NODE_CHANNELS_NEAR_LIMIT.summary,
    NODE_CHANNELS_NEAR_LIMIT.description,
    pending_for=2 * _MINUTE,
    keep_firing_for=10 * _MINUTE,
)
BALANCE_LOW = Rule(
    "SoftswitchBalanceLow",
    "",
    "tenant",
    "The credit of a tenant is low.",
    "{tenant} on {switch} has a credit of {value:.2f}; the threshold is {threshold:.2f}.",
    pending_for=10 * _MINUTE,
)
TENANT_REGISTRATIONS_LOST = Rule(
    "SoftswitchTenantRegistrationsLost",
    "critical",
    "tenant",
    "A tenant lost all its registrations.",
    "None of the {threshold} extensions of {tenant} on {switch} is registered.",
    pending_for=5 * _MINUTE,
    keep_firing_for=15 * _MINUTE,
)
TENANT_REGISTRATIONS_LOW = Rule(
    "SoftswitchTenantRegistrationsLow",
    "",
    "tenant",
    "Too few phones of a tenant are registered.",
    "{value:percentage} of the extensions of {tenant} on {switch} are registered.",
    pending_for=10 * _MINUTE,
    keep_firing_for=10 * _MINUTE,
)
TENANT_CHANNELS_NEAR_LIMIT = Rule(
    "SoftswitchTenantChannelsNearLimit",
    "warning",
    "tenant",
    "A tenant is close to the channels it may use.",
    "{tenant} on {switch} uses {value:percentage} of its channels; above them its calls are refused.",
    pending_for=10 * _MINUTE,
    keep_firing_for=10 * _MINUTE,
)
WATCHED_EXTENSION_DOWN = Rule(
    "SoftswitchWatchedExtensionDown",
    "warning",
    "extension",
    "A watched extension is not registered.",
    "Extension {extension} of {tenant} on {switch} has not been registered for 10 minutes.",
    pending_for=10 * _MINUTE,
)

RULES = (
    WATCHDOG,
    DATA_STALE,
    API_DOWN,
    KEY_REFUSED,
    TENANT_KEY_REFUSED,
    LICENSE_EXPIRING,
    LICENSE_IMMINENT,
    NODE_MISSING,
    NODE_CHANNELS_NEAR_LIMIT,
    NODE_CHANNELS_AT_LIMIT,
    BALANCE_LOW,
    TENANT_REGISTRATIONS_LOST,
    TENANT_REGISTRATIONS_LOW,
    TENANT_CHANNELS_NEAR_LIMIT,
    WATCHED_EXTENSION_DOWN,
)
"""All of them, in the order of the rule files."""


@cache
def distinguishing_labels(rule: Rule) -> frozenset[str]:
    """Return the names of the labels that tell alerts of a rule apart: those that its description names."""
    named = {name for _, name, _, _ in string.Formatter().parse(rule.description) if name}
    severity = set() if rule.severity else {"severity"}
    return frozenset(named - {"value", "threshold"} | severity)
