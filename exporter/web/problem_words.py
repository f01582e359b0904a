"""The wording of each kind of problem, for the page, its JSON and the sentence of a switch. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from exporter.web import formatting
from exporter.web.conditions import COVERED_BY, LOST, LOW

Format = Callable[[float | None], str]


class Words(NamedTuple):
    """The wording of the problems of one alert. Labels, ``count``, ``license`` and ``phones`` are in braces.

    ``one``: the text for a single problem. ``many``: the text for several. ``subject``: the name of each of
    several. ``evidence``: where the status page shows the problem. ``reason``: the text in the row of its
    tenant. ``form`` formats value and threshold; None if they are not shown. ``with_age``: whether the
    sentence of the switch includes the age.
    """

    one: str
    many: str
    subject: str
    evidence: str
    reason: str = ""
    form: Format | None = None
    with_age: bool = True


_CODE_OR_KEY = "wrong tenant code or key (check with `softswitch-exporter probe --query=tenants`)"
"""The switch sends the same text for both (seen, wire notes 2026-10)."""

# Unformatted: three lines per alert instead of seven.
# fmt: off
WORDS: Mapping[str, Words] = {
    "SoftswitchApiDown": Words("API silent", "API silent", "{switch}", "polling"),
    "SoftswitchKeyRefused": Words(
        "API key refused", f"requests for {{count}} tenants refused: {_CODE_OR_KEY}", "{tenant}",
        "polling", "requests refused"),
    "SoftswitchNodeMissing": Words("node {node} missing", "{count} nodes missing", "{node}", "nodes"),
    "SoftswitchTrunkDown": Words(
        "trunk {trunk} down", "{count} trunks down", "{trunk}", "trunks", "trunk down"),
    "SoftswitchTenantRegistrationsLost": Words(
        "{tenant} has no phones registered{phones}", "{count} tenants have no phones registered", "{tenant}",
        "tenants", "no phones registered"),
    "SoftswitchQueueUnattended": Words(
        "queue {queue} of {tenant} without agents", "{count} queues without agents", "{tenant} {queue}",
        "tenants", "queue without agents"),
    "SoftswitchLicenseImminent": Words(
        "license {license}", "license {license}", "{switch}",
        "switches", form=formatting.license_left, with_age=False),
    "SoftswitchLicenseExpiring": Words(
        "license {license}", "license {license}", "{switch}",
        "switches", form=formatting.license_left, with_age=False),
    "SoftswitchBalanceLow": Words(
        "{tenant} has low credit", "{count} tenants with low credit", "{tenant}",
        "tenants", "credit low", formatting.money),
    "SoftswitchTenantRegistrationsLow": Words(
        "{tenant} has few phones registered", "{count} tenants with few phones registered", "{tenant}",
        "tenants", "few phones", formatting.percent),
    "SoftswitchQueueWaitingLong": Words(
        "long wait in queue {queue} of {tenant}", "long waits in {count} queues", "{tenant} {queue}",
        "tenants", "long wait", formatting.duration),
    "SoftswitchNodeChannelsNearLimit": Words(
        "node {node} near its channel limit", "{count} nodes near their channel limit", "{node}",
        "nodes", form=formatting.percent),
    "SoftswitchTenantChannelsNearLimit": Words(
        "{tenant} near its channel limit", "{count} tenants near their channel limit", "{tenant}",
        "tenants", "channels", formatting.percent),
    "SoftswitchWatchedExtensionDown": Words(
        "watched extension {extension} of {tenant} not registered",
        "{count} watched extensions not registered", "{tenant} {extension}",
        "tenants", "watched phone"),
    "SoftswitchDataStale": Words(
        "{query} values stale", "values of {count} queries stale", "{query}",
        "polling", form=formatting.targets),
    "SoftswitchConfigurationInvalid": Words(
        "the configuration cannot be loaded", "the configuration cannot be loaded", "", "notices"),
    "SoftswitchDetailDropped": Words(
        "detail dropped to stay within max_series", "detail dropped", "{switch}",
        "polling", with_age=False),
}
# fmt: on
"""By alert name. Among alerts of equal severity, the first in this order is the most urgent."""

KEY_REFUSED_OF_TENANT = WORDS["SoftswitchKeyRefused"]._replace(
    one=f"requests for {{tenant}} refused: {_CODE_OR_KEY}"
)
NO_PHONES = WORDS["SoftswitchTenantRegistrationsLost"]
TRUNK_OF_TENANT = WORDS["SoftswitchTrunkDown"]._replace(
    one="trunk {trunk} of {tenant} down", subject="{tenant} {trunk}", evidence="tenants"
)

_RANKS = {name: rank for rank, name in enumerate(WORDS)}


_FIRST_STEPS: Sequence[tuple[str, str, str]] = (
    ("timeout", "", "make a test call, then check the load of the web server and its database"),
    ("connect", "proxy", "check the proxy"),
    ("connect", "", "check DNS, the network and the firewall, and whether the web server runs"),
    ("tls", "proxy", "check the certificate of the proxy"),
    ("tls", "", "check the port in `url` and the certificate, then `tls` in the configuration"),
    ("http", "HTTP 5", "read the error log of the web server"),
    ("http", "refuses the key", "check the key, and whether the server accepts this address"),
    ("http", "too many requests", "lower `max_requests_per_second`"),
    ("http", "", "check `url`: its scheme, port and path"),
    ("auth", "", "check the key"),
    ("rejected", "", "run `softswitch-exporter probe` and read the error message of the switch"),
    ("empty", "", "check the permissions of the key, then the error log of the web server"),
    ("decode", "HTML", "check the path in `url`, then whether the server requires a login"),
    ("decode", "", "run `softswitch-exporter probe` and read the response"),
    ("too_large", "", "check `url`"),
    ("scope_ignored", "", "check the permissions of the key"),
)
"""What to do first if the API is silent: by the reason of a failure and a part of its detail."""

_OF_PARTS = re.compile(r"^\d+ of \d+ \w+: ")
"""The beginning of the detail of a query with parts, such as ``2 of 2 queues: HTTP 404``."""

_LONGEST_CAUSE = 160
"""Maximum length, in characters, of the cause of a failure: it may quote the switch."""


def why_silent(switch: Mapping[str, Any]) -> str:
    """Return why the API of a switch is silent and what to do first, "" if no request has failed.

    That is the most frequent reason since the last valid response. While the circuit breaker is open, it is
    the newest one, because few requests are sent.
    """
    silent_for = switch["valid_answer_age_seconds"]
    failures = [
        failure
        for query in switch["queries"]
        for failure in query["failures"]
        if silent_for is None or failure["age_seconds"] <= silent_for
    ]
    if not failures:
        return ""
    counts = Counter(failure["reason"] for failure in failures)
    frequent = max(
        failures, key=lambda it: (switch["breaker_open"] or counts[it["reason"]], -it["age_seconds"])
    )
    cause: str = _OF_PARTS.sub("", frequent["detail"]).partition("; ")[0]
    if len(cause) > _LONGEST_CAUSE:
        cause = f"{cause[:_LONGEST_CAUSE]}…"
    step = next(
        step
        for reason, part, step in _FIRST_STEPS
        if reason == frequent["reason"] and part in frequent["detail"]
    )
    return f" ({cause}; first {step})"


def words_of(name: str, labels: Mapping[str, str], summary: str, *, has_no_phones: bool = False) -> Words:
    """Return the wording for an alert. For an alert that is not in ``WORDS``, that is its summary.

    ``has_no_phones``: whether it means that no phone of a tenant is registered.
    """
    if has_no_phones:
        return NO_PHONES
    if "tenant" in labels and name == "SoftswitchKeyRefused":
        return KEY_REFUSED_OF_TENANT
    if "tenant" in labels and name == "SoftswitchTrunkDown":
        return TRUNK_OF_TENANT
    escaped = summary.rstrip(".").replace("{", "{{").replace("}", "}}")
    return WORDS.get(name) or Words(escaped, f"{escaped} ({{count}})", "{tenant}", "polling")


def rank(name: str) -> int:
    """Return the rank of an alert among those of equal severity: 0 is the most urgent."""
    return _RANKS.get(name, len(_RANKS))


def license_text(seconds: float | None) -> str:
    """Return when a license expires, as the end of a sentence about it."""
    if seconds is None:
        return "about to expire"
    left = formatting.license_left(seconds)
    return left if left.startswith("exp") else f"expires in {left}"


def reasons_of(alerts: Iterable[str], *, has_no_phones: bool = False) -> list[str]:
    """Return short reasons for the problems of a tenant, from the names of its alerts.

    ``has_no_phones``: whether it has phones, and none is registered.
    """
    names = {*alerts}
    if has_no_phones and LOW in names:
        names.add(LOST)
    names -= {name for name in names if names.intersection(COVERED_BY.get(name, ()))}
    found = [WORDS[name].reason for name in sorted(names & WORDS.keys(), key=rank)]
    return [*dict.fromkeys(reason for reason in found if reason)]
