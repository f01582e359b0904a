"""Replaces the example values in the commands of a runbook by those of a problem. Pure."""

import re
from collections.abc import Mapping
from urllib.parse import urlencode

_EXAMPLES: Mapping[str, str] = {
    "switch": "pbx-eu",
    "tenant": "ACME",
    "node": "pbx1",
    "extension": "100",
}
"""The example value of each label in the runbooks."""

LABELS = frozenset(_EXAMPLES)
"""The labels whose values can be filled in."""

_SAFE = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)
"""Values that need no quotes in a shell and no escapes in PromQL. Others come from a switch or a link."""

_EXAMPLE = re.compile(
    "|".join(rf"(?<!\w)(?P<{name}>{name}=\"?){value}(?![\w.-])" for name, value in _EXAMPLES.items())
)


def usable(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values that can replace an example."""
    return {name: values[name] for name in _EXAMPLES if _SAFE.fullmatch(values.get(name, ""))}


def runbook_link(name: str, labels: Mapping[str, str]) -> str:
    """Return the link to a runbook with these values in its commands, relative to the runbooks."""
    found = usable(labels)
    return f"{name}?{urlencode(found)}" if found else name


def fill(commands: str, values: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return commands with these ``usable`` values, and the examples that are still in them, by label."""
    left: dict[str, str] = {}

    def replaced(match: re.Match[str]) -> str:
        name = match.lastgroup or ""
        if name not in values:
            left[name] = _EXAMPLES[name]
            return match[0]
        return f"{match[name]}{values[name]}"

    return _EXAMPLE.sub(replaced, commands), left
