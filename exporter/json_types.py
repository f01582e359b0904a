"""JSON Schemas of single values, true to how they are read: every value of the file arrives as text.

An editor reads YAML with types, so ``100`` may be a number, but is also the text "100". A value in quotes is
the same as without, except that a name must not be a plain ``true`` or ``false``. ``SchemaOf`` attaches a
schema to a type of the configuration. ``patternErrorMessage`` is what yaml-language-server shows.
"""

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": ["string", "number", "boolean"]}
"""Any text."""
NOT_BLANK: Schema = {**TEXT, "pattern": r"\S"}
LABEL_VALUE: Schema = {"type": ["string", "number"]}
NAME: Schema = {**LABEL_VALUE, "pattern": r"^\S(.*\S)?$"}
"""A text without spaces around it."""
EXTENSION: Schema = {**NAME, "not": {"type": "string", "pattern": r"^[0-9]+ *(-|\.\.) *[0-9]+$"}}
"""A number, and not a range of numbers."""

_UNITS = ("y", "w", "d", "h", "m", "s", "ms")
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
