"""Types of configuration values that `config/` and the queries share, and the JSON Schemas of single values.

Values arrive as text. A validator raises ValueError with the part of the error message after the key.

The schemas accept what the exporter accepts. An editor reads YAML with types, so ``100`` is a number, but the
exporter also reads it as the text "100". Quotes around a value change nothing, except that a name must not be
``true`` or ``false`` without quotes. ``SchemaOf`` attaches a schema to a type of the configuration.
``patternErrorMessage`` is what yaml-language-server shows.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator

from exporter.errors import nearest, shown, single
from exporter.patterns import Pattern

_Items = TypeVar("_Items", bound=Collection[object])

_UNITS = {"y": 31536000.0, "w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
"""Seconds in each unit, longest first. A year has 365 days, as in Prometheus."""
_DURATION = re.compile("".join(f"(?:([0-9]{{1,12}}){unit})?" for unit in _UNITS))
_LONGEST = 2.0**63 / 1e9  # seconds; Prometheus counts nanoseconds in 64 bits

_OFF = frozenset({"off", "Off", "OFF", "false", "False", "FALSE"})

Schema = dict[str, Any]

TEXT: Schema = {"type": ["string", "number", "boolean"]}
"""Any text."""
NOT_BLANK: Schema = {**TEXT, "pattern": r"\S"}
LABEL_VALUE: Schema = {"type": ["string", "number"]}
NAME: Schema = {**LABEL_VALUE, "pattern": r"^\S(.*\S)?$"}
"""A text without spaces around it."""
EXTENSION: Schema = {**NAME, "not": {"type": "string", "pattern": r"^[0-9]+ *(-|\.\.) *[0-9]+$"}}
"""A number, and not a range of numbers."""

DURATION: Schema = {
    "type": "string",
    "pattern": "^(?!$)" + "".join(f"([0-9]{{1,12}}{unit})?" for unit in _UNITS) + "$",
    "patternErrorMessage": "expected a duration such as 30s, 5m, 6h or 30d",
}
DURATION_OR_ZERO: Schema = {"anyOf": [DURATION, {"enum": [0, "0"]}]}
OFF: Schema = {"enum": ["off", False, "Off", "OFF", "false", "False", "FALSE"]}
URL: Schema = {
    "type": "string",
    "pattern": r"^[hH][tT][tT][pP][sS]?://[^\s\\]+$",
    "patternErrorMessage": "expected an http or https URL",
}
URL_WITHOUT_QUERY: Schema = {
    "type": "string",
    "pattern": r"^[hH][tT][tT][pP][sS]?://[^\s\\?#@]+$",
    "patternErrorMessage": "expected an http or https URL without user, ? and #",
}
TIME_OF_DAY: Schema = {
    "type": "string",
    "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
    "patternErrorMessage": "expected a time of day such as 09:00 or 18:30",
}
_LABEL_NAME: Schema = {"pattern": "^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$"}

_WORDS_FOR_BOOLEANS = "|".join(
    "".join(f"[{letter}{letter.upper()}]" for letter in word)
    for word in ("true", "false", "yes", "no", "on", "off")
)
BOOLEAN: Schema = {
    "anyOf": [
        {"type": "boolean"},
        {"enum": [0, 1]},
        {"type": "string", "pattern": f"^([tTyYnNfF01]|{_WORDS_FOR_BOOLEANS})$"},
    ]
}
_WHOLE = r"^\s*[+-]?[0-9_]+(\.0*)?\s*$"
_DECIMAL = r"^\s*[+-]?([0-9_]+\.?[0-9_]*|\.[0-9_]+)([eE][+-]?[0-9_]+)?\s*$"


def number(*, whole: bool = False, **bounds: float) -> Schema:
    """Return the schema of a number, which may be in quotes: then its bounds are not checked."""
    return {
        "anyOf": [
            {"type": "integer" if whole else "number", **bounds},
            {"type": "string", "pattern": _WHOLE if whole else _DECIMAL},
        ]
    }


def either(*schemas: Schema) -> Schema:
    """Return the schema of a value that has one of several forms."""
    return {"anyOf": list(schemas)}


def mapping_of_labels(*reserved: str) -> Schema:
    """Return the schema of a mapping of labels to values."""
    names = {**_LABEL_NAME, "not": {"enum": sorted(reserved)}}
    return {"type": "object", "propertyNames": names, "additionalProperties": LABEL_VALUE}


def with_entries(schema: Schema) -> Schema:
    """Return the schema of a list with at least one entry."""
    return {**schema, "minItems": 1}


def list_of(schema: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema}


def by_severity(schema: Schema) -> Schema:
    """Return the schema of thresholds: one per severity, or off for both."""
    severities = {name: either(schema, OFF) for name in ("warning", "critical")}
    return either({"type": "object", "properties": severities, "additionalProperties": False}, OFF)


class SchemaOf:
    """Annotation of a type: its JSON Schema, or a function that changes the one that pydantic makes."""

    def __init__(self, schema: Schema | Callable[[Schema], Schema]) -> None:
        self._schema = schema

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], Schema]) -> Schema:  # noqa: ANN401 -- pydantic's
        """Return the schema; pydantic calls this."""
        return dict(self._schema) if isinstance(self._schema, dict) else self._schema(handler(core))


class Section(BaseModel):
    """A frozen mapping with a fixed set of keys. Pydantic's errors never contain the input."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a value, as docs/configuration.md states it."""

    text: str


def parse_duration(text: str) -> float:
    """Return the seconds of a duration as Prometheus writes it. Raises ValueError for any other text."""
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"expected a duration such as 30s, 5m, 6h or 30d, got {shown(text)}")
    pairs = zip(match.groups(default="0"), _UNITS.values(), strict=True)
    seconds = sum(int(count) * unit for count, unit in pairs)
    if seconds >= _LONGEST:
        raise ValueError(f"expected a duration below 292y, got {shown(text)}")
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


def not_blank(value: str) -> str:
    """Return a text. Raises ValueError if it is empty or white space."""
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def unique(items: _Items) -> _Items:
    """Return the items. Raises ValueError for duplicates."""
    if duplicates := [shown(item) for item, times in Counter(items).items() if times > 1]:
        raise ValueError(f"duplicate {', '.join(duplicates)}; keep one")
    return items


def not_empty(items: _Items) -> _Items:
    """Return the items. Raises ValueError if there are none.

    ``Field(min_length=1)`` counts valid entries only, so it also rejects a list of invalid ones.
    """
    if not items:
        raise ValueError("expected at least one entry, got an empty list")
    return items


def at_most(most: int) -> Callable[[object], object]:
    """Return a validator that rejects a list of more entries, before it reads them."""

    def validate(value: object) -> object:
        if isinstance(value, list) and len(value) > most:
            raise ValueError(f"expected at most {most:,} entries, got {len(value):,}")
        return value

    return validate


def duration_between(shortest: str, longest: str) -> Callable[[object], float]:
    """Return a validator of durations. The bounds protect timers, which overflow after centuries."""

    def validate(value: object) -> float:
        seconds = parse_duration(single(value))
        if seconds < parse_duration(shortest):
            least = max(shortest, "1s", key=parse_duration)
            raise ValueError(f"expected {least} or more, got {shown(value)}")
        if seconds > parse_duration(longest):
            raise ValueError(f"expected {longest} or less, got {shown(value)}")
        return seconds

    return validate


_interval_seconds = duration_between("1ms", "1y")


def is_off(value: object) -> bool:
    """Return whether a value is ``off`` or ``false``.

    YAML 1.1 reads a plain ``off`` as a boolean, so Ansible, Helm and PyYAML write ``false`` for it, and
    Ansible's templates write ``False``.
    """
    return isinstance(value, str) and value in _OFF


def _interval(value: object) -> float | None:
    if is_off(value):
        return None
    try:
        return _interval_seconds(value)
    except ValueError as error:
        raise ValueError(f"{error}; off disables the query") from None


def regular_expression(value: object) -> Pattern:
    """Compile a regular expression. Raises ValueError if RE2 rejects it."""
    text = single(value)
    try:
        return Pattern(text)
    except ValueError as error:
        raise ValueError(f"invalid RE2 regular expression {shown(text)}: {error}") from None


def _number_pattern(value: object) -> Pattern:
    pattern = regular_expression(value)
    if pattern.groups != 1:
        raise ValueError(f"expected one group, around the number; {shown(value)} has {pattern.groups}")
    return pattern


def _time_zone(value: object) -> ZoneInfo:
    name = single(value)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # "Europe" is a directory: OSError
        example = nearest(name, available_timezones()) or "Europe/Rome"
        raise ValueError(f"expected a time zone such as {example}, got {shown(name)}") from None


Delay = Annotated[
    float, PlainValidator(duration_between("1s", "1d")), Form("duration, 1s to 1d"), SchemaOf(DURATION)
]
ExactText = Annotated[str, AfterValidator(not_blank), Form("text"), SchemaOf(NOT_BLANK)]
"""Any text. It is compared with text in a response of the switch."""
Interval = Annotated[
    float | None,
    PlainValidator(_interval),
    Form("duration, 1y at most, or `off`"),
    SchemaOf(either(DURATION, OFF)),
]
NumberPattern = Annotated[
    Pattern, PlainValidator(_number_pattern), Form("regular expression with one group"), SchemaOf(TEXT)
]
TimeZone = Annotated[ZoneInfo, PlainValidator(_time_zone), Form("name of a time zone"), SchemaOf(NOT_BLANK)]
