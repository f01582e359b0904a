"""The types of single values, and the base of every section of the file.

Each validator raises ValueError with the second half of a sentence: what is wrong; what to do.
Values arrive as the texts that stand in the file (see ``yaml_file``), never as numbers.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo

from exporter.config import durations
from exporter.config.mistakes import refuse_invisible, refuse_template
from exporter.config.urls import checked_url
from exporter.config.wording import shown, single
from exporter.files import read_regular_file
from exporter.patterns import Pattern

_Items = TypeVar("_Items", bound=Iterable[object])

_MAX_TLS_BYTES = 8 * 2**20
"""Of certificates and keys. All authorities of a Linux distribution take 230 kB (2026-11)."""

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_RESERVED_LABELS = frozenset({"switch", "tenant", "name", "job", "instance"})


class Section(BaseModel):
    """A mapping of the file with known keys. Frozen; the input never shows in an error of pydantic's."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Form:
    """How a value is written, for docs/configuration.md."""

    text: str


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


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty; write a value")
    return value


def _name(value: str) -> str:
    """Return a name that a person or the switch gave. Raises ValueError for what cannot be meant."""
    refuse_invisible(_filled(value))
    refuse_template(value)
    if value != value.strip():
        raise ValueError(f"{shown(value)} begins or ends with a space; take it out")
    return value


def _within(shortest: str, longest: str) -> Callable[[object], float]:
    """Return a validator of durations. A timer of centuries overflows, and nobody means one of a year."""

    def validate(value: object) -> float:
        seconds = durations.parse(single(value))
        if seconds < durations.parse(shortest):
            raise ValueError(
                f"{shown(value)} is too short; write {max(shortest, '1s', key=durations.parse)} or more"
            )
        if seconds > durations.parse(longest):
            raise ValueError(f"{shown(value)} is too long; write {longest} or less")
        return seconds

    return validate


_some_time = _within("1ms", "1y")


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


def located(value: object, info: ValidationInfo) -> Path:
    """Return a path, from the directory of the file. Raises ValueError, which does not repeat it."""
    written = _filled(single(value))
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
ExactText = Annotated[str, AfterValidator(_filled), Form("text")]
"""What an answer of the switch is compared with, which may be any text."""
LabelValue = str
"""Any text: whoever reads the label wants it as it was written (design, section 5)."""
Timeout = Annotated[float, PlainValidator(_within("100ms", "1h")), Form("duration, 100ms to 1h")]
Interval = Annotated[float | None, PlainValidator(_interval), Form("duration, 1y at most, or `off`")]
Number = Annotated[float, Field(allow_inf_nan=False), Form("number")]
Rate = Annotated[float, Field(ge=0.001, le=10_000, allow_inf_nan=False), Form("number, 0.001 to 10,000")]
Multiple = Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False), Form("number, 1 to 1,000")]
Concurrency = Annotated[int, Field(ge=1, le=1000), Form("whole number, 1 to 1,000")]
SeriesLimit = Annotated[int, Field(ge=1, le=10_000_000), Form("whole number, 1 to 10,000,000")]
ChannelsLimit = Annotated[int, Field(ge=1, le=1_000_000), Form("whole number, 1 to 1,000,000")]
CodePattern = Annotated[Pattern, PlainValidator(compiled), Form("regular expression")]
NumberPattern = Annotated[Pattern, PlainValidator(_number_pattern), Form("regular expression with one group")]
FilePath = Annotated[Path, PlainValidator(located), Form("path")]
ReadableFile = Annotated[Path, PlainValidator(readable_file), Form("path of a file that can be read")]
Url = Annotated[str, PlainValidator(checked_url), Form("URL")]
LabelName = Annotated[str, AfterValidator(_label_name), Form("name of a label")]
InfoLabelName = Annotated[str, AfterValidator(_info_label_name), Form("name of a label")]
