"""Writes docs/configuration.md from the schema: ``python -m tests.config_docs > docs/configuration.md``."""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from exporter.config import Configuration
from exporter.config.errors import sections
from exporter.config.tenant_settings import TenantDefaults, TenantQuery
from exporter.fields import Form, duration_text
from exporter.patterns import Pattern

_BEGINNING = """\
# Configuration

Written by `make config-docs` from `exporter/config/`; do not edit.
[config.example.yaml](../config.example.yaml) has every key in one file, to start from.

One YAML file, named by `--config.file`. It is read strictly: a key that is not known, a value of another
form and two keys alike are mistakes. All mistakes are told at once, each with its place and the mend:

```sh
softswitch-exporter --config.file=config.yaml --config.check
```

- Durations are Prometheus's: `30s`, `5m`, `1h30m`, `30d`.
- Relative paths start from the directory of the file.
- A value is the text that is written: `0101` stays an extension, and `NO` a code, which YAML would change.
- Regular expressions have the [syntax of RE2](https://github.com/google/re2/wiki/Syntax), which matches in
  linear time. Look-around and back-references are not available. `\\d`, `\\w` and `\\s` are ASCII.
- A key of the API is given in one of three ways: `key_file`, `key_env` or `key`. Without an admin key at
  the switch, nothing is asked about the whole installation, and every tenant needs a key of its own.
- SIGHUP loads the file anew; a file with a mistake changes nothing:
  [operating](operating.md#reload-the-configuration).

"""


@dataclass(frozen=True)
class Key:
    """A key of the file: its path (``switches[].timeout``), and what was declared for it."""

    path: str
    section: type[BaseModel]
    field: FieldInfo

    @property
    def below(self) -> type[BaseModel] | None:
        """The section that it holds, or whose entries it lists."""
        found = sections(Annotated[self.field.annotation, ...])
        return found[0] if found else None


def declared() -> list[Key]:
    """Return every key of the file. Keys of a tenant stand for those of ``tenant_defaults``."""
    return list(_walk(Configuration, ""))


def _walk(section: type[BaseModel], path: str) -> Iterator[Key]:
    inner: dict[str, type[BaseModel]] = {}
    for name, field in sorted(section.model_fields.items(), key=lambda each: not each[1].is_required()):
        key = Key(f"{path}{field.alias or name}", section, field)
        yield key
        if key.below is TenantQuery:  # the same for each query: it stands there once
            inner[f"{path}QUERY."] = key.below
        elif key.below is not None and key.below is not TenantDefaults:
            inner[f"{key.path}{'[]' if _is_list(key.field.annotation) else ''}."] = key.below
    for beneath, below in inner.items():
        yield from _walk(below, beneath)


def page() -> str:
    """Return the whole page."""
    tables: dict[str, list[Key]] = {}
    for key in declared():
        tables.setdefault(key.path.rpartition(".")[0], []).append(key)
    return _BEGINNING + "\n".join(_table(path, keys) for path, keys in tables.items())


def _table(path: str, keys: list[Key]) -> str:
    heading = f"`{path}`" if path else "The file"
    rows = "".join(
        f"| `{key.path.rpartition('.')[2]}` | {_cell(form(key))} | {_cell(default(key))} | "
        f"{_cell(_meaning(key))} "
        f"| {_cell(_example(key))} |\n"
        for key in keys
    )
    return f"## {heading}\n\n| key | form | default | meaning | example |\n|---|---|---|---|---|\n{rows}"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _meaning(key: Key) -> str:
    if key.below is TenantDefaults:
        return (
            f"{key.field.description} Everything that a tenant may have may stand here, but `code` and a key."
        )
    return key.field.description or ""


def form(key: Key) -> str:
    """Return how a value is written."""
    if key.below is not None:
        path = f"{key.path.rpartition('.')[0]}.QUERY" if key.below is TenantQuery else key.path
        anchor = "switchestenants" if key.below is TenantDefaults else re.sub(r"[^\w-]", "", path.lower())
        return f"[{'list of mappings' if _is_list(key.field.annotation) else 'mapping'}](#{anchor})"
    found = next((each.text for each in key.field.metadata if isinstance(each, Form)), None)
    return found or _form(key.field.annotation)


def _form(annotation: Any) -> str:
    arguments = get_args(annotation)
    if annotation is bool:
        return "`true` or `false`"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{each.value}`" for each in annotation)
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    if get_origin(annotation) is Annotated:
        found = next((each.text for each in arguments[1:] if isinstance(each, Form)), None)
        return found or _form(arguments[0])
    if get_origin(annotation) is tuple:
        inner = _form(arguments[0])
        return f"list of {inner}" if "`" in inner else f"list of {inner}s"
    [only] = [each for each in arguments if each is not type(None)]
    return _form(only)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is tuple


def default(key: Key) -> str:
    """Return what holds where the key is not written: a value, "" for nothing, or that it is required."""
    if key.field.is_required():
        return "required"
    value = key.field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) or key.section is TenantQuery:
        return ""
    if value is None:
        return "`off`" if form(key).endswith("`off`") else ""
    if "duration" in form(key):
        value = (
            {name: duration_text(seconds) for name, seconds in value.items()}
            if isinstance(value, Mapping)
            else duration_text(value)
        )
    return f"`{flow(value)}`" if value or isinstance(value, bool) else ""


def _example(key: Key) -> str:
    examples = key.field.examples or []
    return f"`{flow({key.path.rpartition('.')[2]: examples[0]})[1:-1]}`" if examples else ""


def flow(value: object) -> str:
    """Return a value as YAML on one line."""
    text: str = yaml.safe_dump(
        _plain(value), default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True
    )
    return text.removesuffix("...\n").strip()


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case Pattern():
            return value.pattern
        case Mapping():
            return {str(name): _plain(each) for name, each in value.items()}
        case tuple() | list():
            return [_plain(each) for each in value]
        case float():
            return int(value) if value.is_integer() else value
        case _:
            return value


if __name__ == "__main__":
    sys.stdout.write(page())
