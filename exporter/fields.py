"""Fields of the configuration that its own sections and those of the queries share.

Values arrive as the text that stands in the file. A validator raises ValueError with the second half of a
sentence: what is wrong; what to do.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator

from exporter.errors import shown, single
from exporter.patterns import Pattern

_UNITS = {"y": 31536000.0, "w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
"""Seconds in each unit, longest first. A year has 365 days, as in Prometheus."""
_DURATION = re.compile("".join(f"(?:([0-9]{{1,12}}){unit})?" for unit in _UNITS))
_LONGEST = 2.0**63 / 1e9  # seconds; Prometheus counts nanoseconds in 64 bits
_DURATIONS = "30s, 5m, 6h or 30d"


class Section(BaseModel):
    """A mapping of the file with known keys. Frozen; the input never shows in an error of pydantic's."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Form:
    """How a value is written, for docs/configuration.md."""

    text: str


def parse_duration(text: str) -> float:
    """Return the seconds of a duration as Prometheus writes it. Raises ValueError for any other text."""
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{shown(text)} is not a duration; write one such as {_DURATIONS}")
    pairs = zip(match.groups(default="0"), _UNITS.values(), strict=True)
    seconds = sum(int(count) * unit for count, unit in pairs)
    if seconds >= _LONGEST:
        raise ValueError(f"{shown(text)} is longer than 292 years; write a duration such as {_DURATIONS}")
    return seconds


def duration_text(seconds: float) -> str:
    """Return a duration in Prometheus's form, to the millisecond, with days as the largest unit."""
    left = round(seconds * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(_UNITS[unit] * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def filled(value: str) -> str:
    """Return a text. Raises ValueError where it is empty."""
    if not value.strip():
        raise ValueError("is empty; write a value")
    return value


def within(shortest: str, longest: str) -> Callable[[object], float]:
    """Return a validator of durations. A timer of centuries overflows, and nobody means one of a year."""

    def validate(value: object) -> float:
        seconds = parse_duration(single(value))
        if seconds < parse_duration(shortest):
            raise ValueError(
                f"{shown(value)} is too short; write {max(shortest, '1s', key=parse_duration)} or more"
            )
        if seconds > parse_duration(longest):
            raise ValueError(f"{shown(value)} is too long; write {longest} or less")
        return seconds

    return validate


_some_time = within("1ms", "1y")


def is_off(value: object) -> bool:
    """Return whether a value means never, or none: ``off``, or ``false``.

    YAML 1.1 reads a plain ``off`` as a boolean, so tools that read and write it (Ansible, Helm, PyYAML) make
    ``false`` of it; a template of Ansible's makes ``False``.
    """
    return isinstance(value, str) and value in _OFF


_OFF = frozenset({"off", "Off", "OFF", "false", "False", "FALSE"})


def _interval(value: object) -> float | None:
    if is_off(value):
        return None
    try:
        return _some_time(value)
    except ValueError as error:
        raise ValueError(f"{error}, or off for never") from None


def compiled(value: object) -> Pattern:
    """Return a regular expression. Raises ValueError where it is none."""
    text = single(value)
    try:
        return Pattern(text)
    except ValueError as error:
        raise ValueError(
            f"{shown(text)} is not a regular expression that can be used here ({error}); correct it"
        ) from None


def _number_pattern(value: object) -> Pattern:
    pattern = compiled(value)
    if pattern.groups != 1:
        raise ValueError(
            f"{shown(value)} has {pattern.groups} groups; write one pair of parentheses, around the number"
        )
    return pattern


ExactText = Annotated[str, AfterValidator(filled), Form("text")]
"""What an answer of the switch is compared with, which may be any text."""
Interval = Annotated[float | None, PlainValidator(_interval), Form("duration, 1y at most, or `off`")]
NumberPattern = Annotated[Pattern, PlainValidator(_number_pattern), Form("regular expression with one group")]
