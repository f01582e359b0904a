"""Types of single values in the configuration: text, numbers, URLs, paths, labels.

Values arrive as text (see ``loader``). A validator raises ValueError with the part of the error message after
the key.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo

from exporter.config.placeholders import reject_in_url, reject_template
from exporter.errors import shown, shown_url, single
from exporter.fields import (
    DURATION,
    EXTENSION,
    LABEL_VALUE,
    NAME,
    NOT_BLANK,
    TEXT,
    URL_WITHOUT_QUERY,
    Form,
    SchemaOf,
    duration_between,
    not_blank,
    regular_expression,
)
from exporter.files import read_regular_file
from exporter.patterns import Pattern

_MAX_TLS_BYTES = 8 * 2**20
"""Limit for certificates and keys. All authorities of a Linux distribution take 230 kB (2026-11)."""

_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
RESERVED_LABELS = frozenset({"switch", "tenant", "name", "job", "instance"})

_RANGE = re.compile(r"[0-9]+ *(-|\.\.) *[0-9]+")

_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10)))
)
"""Fillers, joiners and variation selectors. They are invisible although ``str.isprintable`` accepts them."""

_EXPANDED_BY_SHELLS = re.compile(r"~/|\$[A-Za-z_]\w*(/|$)")

# ASCII only: libraries disagree about which host a non-ASCII name stands for.
_HOST = re.compile(r"[\w~-]([\w.~-]*[\w.~-])?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class ValidationContext:
    """The directory that relative paths start from, and the environment variables."""

    directory: Path
    environment: Mapping[str, str]


def context_of(info: ValidationInfo) -> ValidationContext:
    """Return the context passed to the validation. Raises TypeError if there is none."""
    if not isinstance(info.context, ValidationContext):
        raise TypeError("validate with a ValidationContext")
    return info.context


def invisible_problem(text: str) -> str:
    """Return an error message about a character that editors do not show, or "".

    Such characters are zero-width, bidirectional, NBSP and BOM. A name that contains one looks right, but
    matches no tenant and no route.
    """
    for position, letter in enumerate(text, 1):
        if letter in _INVISIBLE or not letter.isprintable():
            return (
                f"contains the invisible character {character_name(letter)} at position {position}; "
                "type the text instead of pasting it"
            )
    return ""


def reject_invisible(text: str) -> None:
    """Raise ValueError for a character that editors do not show."""
    if problem := invisible_problem(text):
        raise ValueError(problem)


def character_name(letter: str) -> str:
    """Return the code point and Unicode name of a character: ``U+00A0 (no-break space)``."""
    name = "tab" if letter == "\t" else unicodedata.name(letter, "control character").lower()
    return f"U+{ord(letter):04X} ({name})"


class PlainBoolean(str):
    """A ``true`` or ``false`` that is not quoted in the file."""

    __slots__ = ()


def _text(value: object) -> str:
    if isinstance(value, PlainBoolean):
        words = "NO, no or off" if value.lower() == "false" else "YES, yes or on"
        raise ValueError(  # noqa: TRY004 -- pydantic reports only a ValueError
            f"expected a text, got the boolean {value}; quote the text in the source of this file: programs "
            f"such as Ansible and Helm write {value} for {words} without quotes"
        )
    return single(value)


def _name(value: object) -> str:
    name = not_blank(_text(value))
    reject_invisible(name)
    reject_template(name)
    if name != name.strip():
        raise ValueError(f"{shown(name)} starts or ends with a space; remove the space")
    return name


def _extension(name: str) -> str:
    if _RANGE.fullmatch(name):
        raise ValueError(
            f"expected one extension, got {shown(name)}; ranges are not supported: list each extension "
            "(`extensions` can also be `all`)"
        )
    return name


def _file_pattern(value: object) -> str:
    written = not_blank(single(value))
    reject_invisible(written)  # such as a null character, which no file system accepts
    reject_template(written)
    if _EXPANDED_BY_SHELLS.match(written):
        raise ValueError("starts with ~ or a variable, which only shells expand; write the path itself")
    return written


def resolved_path(value: object, info: ValidationInfo) -> Path:
    """Return a path relative to the directory of the file. An error does not repeat the path."""
    return context_of(info).directory / _file_pattern(value)


def readable_file(value: object, info: ValidationInfo) -> Path:
    """Return the path of a readable regular file of limited size, so that OpenSSL cannot hang on it."""
    path = resolved_path(value, info)
    try:
        read_regular_file(path, _MAX_TLS_BYTES)
    except OSError as error:
        raise ValueError(
            f'"{path}" cannot be read ({error.strerror}); check the path and its permissions'
        ) from None
    except ValueError as error:
        raise ValueError(f'"{path}" {error}') from None
    return path


def _label_name(value: object) -> str:
    name = _text(value)
    if not _LABEL_NAME.fullmatch(name):
        raise ValueError(
            "expected a label name of letters, digits and _ that does not start with a digit or __, "
            f"got {shown(name)}"
        )
    return name


def _info_label_name(value: object) -> str:
    if value in RESERVED_LABELS:
        raise ValueError(f'the label "{value}" is reserved; choose another name')
    return _label_name(value)


def checked_url(value: object) -> str:
    """Return the http or https URL of a switch. Raises ValueError for any other text, or for a query."""
    return _displayed_url(
        value,
        "https://pbx.example.com/pbx/proxyapi.php",
        user_fix="remove them",
        query_fix="remove the query, because the exporter adds parameters and key",
    )


def checked_alertmanager_url(value: object) -> str:
    """Return the URL of an Alertmanager: as that of a switch, but its errors name ``basic_auth``."""
    return _displayed_url(
        value,
        "http://127.0.0.1:9093",
        user_fix="set them in `basic_auth`",
        query_fix="remove it and the text after it",
    )


def _displayed_url(value: object, example: str, *, user_fix: str, query_fix: str) -> str:
    url = _http_url(value, example)
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"must not contain a user or password, because the URL is displayed; {user_fix}")
    if "?" in url or "#" in url:
        raise ValueError(f"must not contain ? or #; {query_fix}")
    return url


def checked_proxy_url(value: object) -> str:
    """Return an http or https URL of a proxy. Raises ValueError for any other text."""
    escapes = "with / ? # @ % in the password escaped as %2F %3F %23 %40 %25"
    return _http_url(value, f"http://proxy.example.com:3128, {escapes}")


def _http_url(value: object, example: str) -> str:
    url = single(value)
    reject_invisible(url)
    reject_in_url(url)
    try:
        parts = urlsplit(url)
        valid = (
            parts.scheme in {"http", "https"}
            and _HOST.fullmatch(parts.hostname or "")
            and parts.port != 0
            and not any(letter.isspace() or letter == "\\" for letter in url)
        )
    except ValueError:  # an invalid IPv6 address or port
        valid = False
    if not valid:
        raise ValueError(f"invalid URL {shown_url(url)}; expected one such as {example}")
    return url


Text = Annotated[str, PlainValidator(_name), Form("text"), SchemaOf(NAME)]
Extension = Annotated[Text, AfterValidator(_extension), SchemaOf(EXTENSION)]
LabelValue = Annotated[str, PlainValidator(_text), SchemaOf(LABEL_VALUE)]
"""Any text: it is exported as written."""
Timeout = Annotated[
    float, PlainValidator(duration_between("100ms", "1h")), Form("duration, 100ms to 1h"), SchemaOf(DURATION)
]
Rate = Annotated[float, Field(ge=0.001, le=10_000, allow_inf_nan=False), Form("number, 0.001 to 10,000")]
Multiple = Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False), Form("number, 1 to 1,000")]
Concurrency = Annotated[int, Field(ge=1, le=1000), Form("whole number, 1 to 1,000")]
SeriesLimit = Annotated[int, Field(ge=1, le=10_000_000), Form("whole number, 1 to 10,000,000")]
ChannelsLimit = Annotated[int, Field(ge=1, le=1_000_000), Form("whole number, 1 to 1,000,000")]
CodePattern = Annotated[
    Pattern, PlainValidator(regular_expression), Form("regular expression"), SchemaOf(TEXT)
]
FilePath = Annotated[Path, PlainValidator(resolved_path), Form("path"), SchemaOf(NOT_BLANK)]
FilePattern = Annotated[str, PlainValidator(_file_pattern), Form("path or pattern"), SchemaOf(NOT_BLANK)]
ReadableFile = Annotated[
    Path, PlainValidator(readable_file), Form("path of a readable file"), SchemaOf(NOT_BLANK)
]
Url = Annotated[str, PlainValidator(checked_url), Form("URL"), SchemaOf(URL_WITHOUT_QUERY)]
AlertmanagerUrl = Annotated[
    str, PlainValidator(checked_alertmanager_url), Form("URL"), SchemaOf(URL_WITHOUT_QUERY)
]
LabelName = Annotated[str, PlainValidator(_label_name), Form("label name"), SchemaOf(TEXT)]
InfoLabelName = Annotated[str, PlainValidator(_info_label_name), Form("label name"), SchemaOf(TEXT)]
