"""Prometheus durations and rule files with shorter durations, so that tests need not wait for hours."""

import re
from pathlib import Path
from typing import Any

import yaml

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_DURATION = r"(?:\d+(?:ms|[smhdwy]))+"
_DEFAULT_INTERVAL = "1m"


def scaled(duration: str, factor: float) -> str:
    """Return a duration divided by a factor, in milliseconds: ``5m`` by 60 is ``5000ms``."""
    parts = re.findall(r"(\d+)(ms|[smhdwy])", duration)
    milliseconds = sum(int(number) * _SECONDS[unit] for number, unit in parts) * 1000 / factor
    return f"{max(1, round(milliseconds))}ms"


def scaled_expression(expression: str, factor: float) -> str:
    """Return PromQL with ranges, subqueries and offsets divided by a factor; numbers stay."""

    def shorter(match: re.Match[str]) -> str:
        return re.sub(_DURATION, lambda found: scaled(found[0], factor), match[0])

    return re.sub(rf"\[{_DURATION}(?::(?:{_DURATION})?)?\]|\boffset\s+-?{_DURATION}", shorter, expression)


def write_scaled_rules(file: Path, directory: Path, factor: float) -> Path:
    """Write a rule file with every duration divided by a factor; return its path."""
    content = yaml.safe_load(file.read_text())
    for group in content["groups"]:
        group["interval"] = scaled(group.get("interval", _DEFAULT_INTERVAL), factor)
        for rule in group["rules"]:
            _scale_rule(rule, factor)
    written = directory / file.name
    written.write_text(yaml.safe_dump(content, sort_keys=False))
    return written


def _scale_rule(rule: dict[str, Any], factor: float) -> None:
    rule["expr"] = scaled_expression(rule["expr"], factor)
    for key in ("for", "keep_firing_for"):
        if key in rule:
            rule[key] = scaled(rule[key], factor)
