"""The JSON Schema of the configuration file, for editors and other programs: ``--config.schema``.

pydantic makes it from the models. What a schema cannot express, such as conflicts between two keys, only the
loader reports; ``tests/unit/config/test_json_schema.py`` lists it.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from exporter.config.schema import Configuration, TenantsFile
from exporter.fields import BOOLEAN, DURATION, TEXT, duration_text, number

_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def schema_text() -> str:
    """Return the schema as JSON (draft 2020-12)."""
    schema = Configuration.model_json_schema(schema_generator=_Generator)
    included = TenantsFile.model_json_schema(schema_generator=_Generator)
    schema["$defs"] |= {**included.pop("$defs"), "TenantsFile": included}
    whole = {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": "Configuration of softswitch-exporter",
        **schema,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    """Describes values as they are written in the file, where everything is text and null is an error."""

    def str_schema(self, _: core_schema.StringSchema) -> JsonSchemaValue:
        return dict(TEXT)

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return number(whole=True, **_bounds(schema))

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return number(**_bounds(schema))

    def bool_schema(self, _: core_schema.BoolSchema) -> JsonSchemaValue:
        return dict(BOOLEAN)

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        found = super().model_schema(schema)
        for key in ("title", "description"):  # the docstring is for developers
            found.pop(key, None)
        return found

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        return {"enum": [member.value for member in schema["members"]]}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        inner = self.generate_inner(schema["schema"])
        default = _as_written(schema.get("default"), inner)
        return inner if default is None else {**inner, "default": default}

    def field_title_should_be_set(self, _: Any) -> bool:  # noqa: ANN401 -- pydantic's
        return False


def _bounds(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: schema[bound] for bound, name in _BOUNDS.items() if bound in schema}


def _as_written(default: object, schema: JsonSchemaValue) -> object:
    """Return a default as the file has it, or None if it cannot be written."""
    if isinstance(default, BaseModel) or (not default and default is not False):
        return None
    if isinstance(default, float) and DURATION in [schema, *schema.get("anyOf", ())]:
        return duration_text(default)
    if isinstance(default, float) and default.is_integer():
        return int(default)
    return getattr(default, "value", default) if isinstance(default, str | int | float | bool) else None
