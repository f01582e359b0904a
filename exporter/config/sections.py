"""The types of single values, and the base of every section of the file.

Each validator raises ValueError with the second half of a sentence: what is wrong; what to do.
Values arrive as the texts that stand in the file (see ``yaml_file``), never as numbers.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo

from exporter.config.mistakes import refuse_invisible, refuse_template
from exporter.config.urls import checked_url
from exporter.fields import Form, compiled, filled, within
from exporter.files import read_regular_file
from exporter.patterns import Pattern
from exporter.wording import shown, single

_Items = TypeVar("_Items", bound=Iterable[object])

_MAX_TLS_BYTES = 8 * 2**20
"""Of certificates and keys. All authorities of a Linux distribution take 230 kB (2026-11)."""

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_RESERVED_LABELS = frozenset({"switch", "tenant", "name", "job", "instance"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the file refers to: the directory that relative paths start from, and the environment."""

    directory: Path
    environment: Mapping[str, str]


def surroundings(info: ValidationInfo) -> Surroundings:
    """Return the surroundings that were handed to the validation."""
    if not isinstance(info.context, Surroundings):
        raise TypeError("validate with the surroundings as context")
    return info.context


def _name(value: str) -> str:
    """Return a name that a person or the switch gave. Raises ValueError for what cannot be meant."""
    refuse_invisible(filled(value))
    refuse_template(value)
    if value != value.strip():
        raise ValueError(f"{shown(value)} begins or ends with a space; take it out")
    return value


def located(value: object, info: ValidationInfo) -> Path:
    """Return a path, from the directory of the file. Raises ValueError, which does not repeat it."""
    written = filled(single(value))
    refuse_invisible(written)  # a null character, for one, which no file system takes
    return surroundings(info).directory / written


def readable_file(value: object, info: ValidationInfo) -> Path:
    """Return the path of a file that can be read, and is no larger than one for TLS can be.

    Raises ValueError for any other. So OpenSSL, which reads it next, does not wait for a FIFO or read
    /dev/zero for ever.
    """
    path = located(value, info)
    try:
        read_regular_file(path, _MAX_TLS_BYTES)
    except OSError as error:
        raise ValueError(
            f'"{path}" cannot be read ({error.strerror}); check the path and its permissions'
        ) from None
    except ValueError as error:
        raise ValueError(f'"{path}" {error}') from None
    return path


def _label_name(name: str) -> str:
    if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
        raise ValueError(
            f"{shown(name)} cannot be the name of a label; use letters, digits and _, no digit first, "
            "and no __ in front"
        )
    return name


def _info_label_name(name: str) -> str:
    if name in _RESERVED_LABELS:
        raise ValueError(f'"{name}" is a label that the exporter or Prometheus sets; choose another name')
    return _label_name(name)


def unique(items: _Items) -> _Items:
    """Return the items. Raises ValueError where one of them stands twice."""
    twice = [shown(item) for item, times in Counter(items).items() if times > 1]
    if twice:
        raise ValueError(f"{', '.join(twice)} stands more than once; keep one")
    return items


def not_empty(items: _Items) -> _Items:
    """Return the items. Raises ValueError where there is none."""
    if not any(True for _ in items):
        raise ValueError("is an empty list; write at least one entry")
    return items


def refused(sentence: str) -> PlainValidator:
    """Return a validator for a key that others have and that is not taken here, whatever its value."""

    def refuse(_: object) -> None:
        raise ValueError(sentence)

    return PlainValidator(refuse)


Text = Annotated[str, AfterValidator(_name), Form("text")]
LabelValue = str
"""Any text: whoever reads the label wants it as it was written (design, section 5)."""
Timeout = Annotated[float, PlainValidator(within("100ms", "1h")), Form("duration, 100ms to 1h")]
Number = Annotated[float, Field(allow_inf_nan=False), Form("number")]
Rate = Annotated[float, Field(ge=0.001, le=10_000, allow_inf_nan=False), Form("number, 0.001 to 10,000")]
Multiple = Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False), Form("number, 1 to 1,000")]
Concurrency = Annotated[int, Field(ge=1, le=1000), Form("whole number, 1 to 1,000")]
SeriesLimit = Annotated[int, Field(ge=1, le=10_000_000), Form("whole number, 1 to 10,000,000")]
ChannelsLimit = Annotated[int, Field(ge=1, le=1_000_000), Form("whole number, 1 to 1,000,000")]
CodePattern = Annotated[Pattern, PlainValidator(compiled), Form("regular expression")]
FilePath = Annotated[Path, PlainValidator(located), Form("path")]
ReadableFile = Annotated[Path, PlainValidator(readable_file), Form("path of a file that can be read")]
Url = Annotated[str, PlainValidator(checked_url), Form("URL")]
LabelName = Annotated[str, AfterValidator(_label_name), Form("name of a label")]
InfoLabelName = Annotated[str, AfterValidator(_info_label_name), Form("name of a label")]
