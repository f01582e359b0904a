"""One alert rule: its name, texts and durations, its condition, and the inputs that the condition reads.

``Links`` are the URLs that an alert gets when it is sent or shown.
"""

import math
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, urlencode

from exporter.alerting.inputs import TEAMS, AnyInput, Labels, SwitchInputs
from exporter.shipped import RUNBOOKS


class Due(NamedTuple):
    """An alert whose condition is met: the labels that identify it, and the numbers in its description.

    ``team`` is not part of the identity: a tenant that changes its team keeps its alerts.
    """

    labels: Labels
    value: float = 0.0
    threshold: float = 0.0
    team: str = ""


def of_switch(inputs: SwitchInputs, *more: tuple[str, str]) -> Labels:
    """Return the labels of an alert on a switch."""
    return (("switch", inputs.switch), *more)


def of_tenant(
    inputs: SwitchInputs, tenant: str, *more: tuple[str, str], value: float = 0.0, threshold: float = 0.0
) -> Due:
    """Return an alert on a tenant."""
    labels = of_switch(inputs, ("tenant", tenant), *more)
    return Due(labels, value, threshold, inputs[TEAMS].get(tenant, ""))


Condition = Callable[[SwitchInputs], Iterable[Due]]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One alert rule. Durations are in seconds. ``severity`` is "" if the crossed threshold decides it.

    ``description`` has labels, ``value`` and ``threshold`` in braces, with the formats of ``Figure``.
    ``pending_for`` and ``keep_firing_for`` are ``for`` and ``keep_firing_for`` of Prometheus.
    ``inputs``: everything that ``condition`` reads. Without a condition, the alert always fires, once for all
    switches. ``compares``: whether the condition compares ``value`` with ``threshold``.
    """

    name: str
    severity: str
    scope: str
    summary: str
    description: str
    pending_for: float = 0.0
    keep_firing_for: float = 0.0
    inputs: tuple[AnyInput, ...] = ()
    condition: Condition | None = None
    compares: bool = False

    def labels(self, due: Labels) -> dict[str, str]:
        """Return all labels of an alert."""
        severity = {"severity": self.severity} if self.severity else {}
        return {"alertname": self.name, **severity, "scope": self.scope, **dict(due)}

    def annotations(self, due: Labels, value: float, threshold: float) -> Mapping[str, str]:
        """Return the annotations of an alert. Raises KeyError if a label is missing."""
        names = {**dict(due), "value": Figure(value), "threshold": Figure(threshold)}
        return {
            "summary": self.summary,
            "description": self.description.format_map(names),
            "runbook_url": f"{RUNBOOKS}/{self.name}.md",
        }

    @property
    def label_names(self) -> frozenset[str]:
        """The labels that identify an alert of the rule: those in its description."""
        severity = set() if self.severity else {"severity"}
        return frozenset(self._named - {"value", "threshold"} | severity)

    @property
    def has_value(self) -> bool:
        """Whether the value of an alert means something."""
        return self.compares or "value" in self._named

    @property
    def _named(self) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(self.description) if name}


Identity = tuple[Rule, Labels]


class Figure(float):
    """A value in a description, formatted as the templates of Prometheus do.

    Formats: ``percentage``, ``duration``, those of float, and none.
    """

    __slots__ = ()

    def __format__(self, form: str) -> str:
        if form == "percentage":
            return f"{_significant(self * 100)}%"
        if form == "duration":
            return _duration(float(self))
        return float.__format__(self, form) if form else str(self)

    def __str__(self) -> str:
        return str(int(self)) if self.is_integer() else repr(float(self))


def _significant(value: float) -> str:
    """Return four significant digits, as Go's ``%.4g`` does."""
    if not math.isfinite(value):
        return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")
    return f"{value:.4g}"


def _duration(seconds: float) -> str:
    """Return ``humanizeDuration`` of whole seconds."""
    if not math.isfinite(seconds):
        return _significant(seconds)
    if abs(seconds) < 1:
        return f"{_significant(seconds)}s"
    sign = "-" if seconds < 0 else ""
    minutes, rest = divmod(int(abs(seconds)), 60)
    if not minutes:
        return f"{sign}{_significant(abs(seconds))}s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{days}d", f"{hours}h", f"{minutes}m", f"{rest}s"]
    return sign + " ".join(parts[0 if days else 1 if hours else 2 :])


@dataclass(frozen=True, slots=True)
class Links:
    """Where alerts link to. ``external_url``: the value of ``--web.external-url``.

    Without it, alerts link to the runbooks in the repository, and have no page.
    """

    external_url: str | None = None

    def annotations(self, name: str, annotations: Mapping[str, str]) -> dict[str, str]:
        """Return the annotations of the alert ``name``, with the link to its runbook."""
        if self.external_url is None:
            return dict(annotations)
        return {**annotations, "runbook_url": f"{self._base}/runbooks/{name}"}

    def page(self, labels: Mapping[str, str]) -> str:
        """Return the URL of the page about the tenant or switch of an alert, "" without ``external_url``."""
        if self.external_url is None:
            return ""
        found = {name: labels[name] for name in ("switch", "tenant") if labels.get(name)}
        path = "tenant" if "tenant" in found else ""
        query = f"?{urlencode(found, quote_via=quote)}" if found else ""
        return f"{self._base}/{path}{query}"

    @property
    def runbooks(self) -> str:
        """The URL of the index of runbooks."""
        return f"{RUNBOOKS}/README.md" if self.external_url is None else f"{self._base}/runbooks/"

    @property
    def _base(self) -> str:
        return (self.external_url or "").rstrip("/")


NO_LINKS = Links()
