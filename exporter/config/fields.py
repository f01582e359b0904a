"""The types of single values in the sections of the configuration.

Each validator raises ValueError with the second half of a sentence: what is wrong; what to do. Values arrive
as the texts that stand in the file (see ``loader``), never as numbers.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo

from exporter.errors import shown, single
from exporter.fields import Form, compiled, filled, within
from exporter.files import read_regular_file
from exporter.patterns import Pattern

_Items = TypeVar("_Items", bound=Iterable[object])

_MAX_TLS_BYTES = 8 * 2**20
"""Of certificates and keys. All authorities of a Linux distribution take 230 kB (2026-11)."""

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_RESERVED_LABELS = frozenset({"switch", "tenant", "name", "job", "instance"})

_TEMPLATE = re.compile(r"\$\{[^}]*\}|\$\([^)]*\)|\{\{.*?\}\}|\{%.*?%\}|<%.*?%>", re.DOTALL)
"""Placeholders of shells, compose, Helm, Jinja and ERB. The exporter expands none of them."""

_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10)))
)
"""Invisible, though printable for Unicode: fillers, joiners, variation selectors."""

# ASCII alone: beyond it two libraries need not agree on which host is meant.
_HOST = re.compile(r"[\w~-]([\w.~-]*[\w.~-])?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class ValidationContext:
    """Where relative paths of the file start from, and the environment."""

    directory: Path
    environment: Mapping[str, str]


def context_of(info: ValidationInfo) -> ValidationContext:
    """Return the context that was passed to the validation. Raises TypeError where there is none."""
    if not isinstance(info.context, ValidationContext):
        raise TypeError("validate with a ValidationContext")
    return info.context


def refuse_invisible(text: str) -> None:
    """Raise ValueError for characters that an editor does not show: zero-width, bidirectional, NBSP, BOM.

    One of them makes another name of a name: it matches no tenant and no route, and looks right.
    """
    for position, letter in enumerate(text, 1):
        if letter in _INVISIBLE or not letter.isprintable():
            name = unicodedata.name(letter, "control character").lower()
            raise ValueError(
                f"has an invisible character, U+{ord(letter):04X} ({name}), in position {position}; "
                "type the value again instead of pasting it"
            )


def refuse_template(text: str) -> None:
    """Raise ValueError for a placeholder that another program should have replaced."""
    if _TEMPLATE.search(text):
        raise ValueError(
            "has a placeholder such as ${NAME} or {{ name }}, which the exporter does not replace; "
            "write the value"
        )


def _name(value: str) -> str:
    """Return a name. Raises ValueError for an empty one, and for invisible characters or outer spaces."""
    refuse_invisible(filled(value))
    refuse_template(value)
    if value != value.strip():
        raise ValueError(f"{shown(value)} begins or ends with a space; take it out")
    return value


def located(value: object, info: ValidationInfo) -> Path:
    """Return a path, from the directory of the file. Raises ValueError, which does not repeat it."""
    written = filled(single(value))
    refuse_invisible(written)  # a null character, for one, which no file system takes
    return context_of(info).directory / written


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
    """Return the items. Raises ValueError for duplicates."""
    twice = [shown(item) for item, times in Counter(items).items() if times > 1]
    if twice:
        raise ValueError(f"{', '.join(twice)} stands more than once; keep one")
    return items


def not_empty(items: _Items) -> _Items:
    """Return the items. Raises ValueError where there is none.

    ``Field(min_length=1)`` counts valid entries only, so it also reports a list whose entries are wrong.
    """
    if not any(True for _ in items):
        raise ValueError("is an empty list; write at least one entry")
    return items


def checked_url(value: object) -> str:
    """Return the URL of a service: http or https, a host and a path at most. Else raises ValueError."""
    url = _checked(value, "write one such as https://pbx.example.com/pbx/proxyapi.php")
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("has a user or password in it, which would be shown; take them out")
    if "?" in url or "#" in url:
        raise ValueError(
            "has a query (?) or fragment (#); take it out, the exporter adds the parameters and the key"
        )
    return url


def checked_proxy_url(value: object) -> str:
    """Return the URL of a proxy: http or https, with user and password if need be. Else raises ValueError."""
    return _checked(
        value,
        "write one such as http://proxy.example.com:3128, and / ? # @ % in a password as %2F %3F %23 %40 %25",
    )


def _checked(value: object, advice: str) -> str:
    url = single(value)
    refuse_invisible(url)
    refuse_template(url)
    try:
        parts = urlsplit(url)
        usable = _usable(url, parts)
    except ValueError:  # brackets without an IPv6 address in them, or a port that is no port
        usable = False
    if not usable:
        raise ValueError(f"is not a URL that can be used; {advice}")
    return url


def _usable(url: str, parts: SplitResult) -> bool:
    return (
        parts.scheme in {"http", "https"}
        and bool(_HOST.fullmatch(parts.hostname or ""))
        and parts.port != 0
        and url.isprintable()
        and not any(letter.isspace() or letter == "\\" for letter in url)
    )


Text = Annotated[str, AfterValidator(_name), Form("text")]
LabelValue = str
"""Any text: it is exported as it was written (design, section 5)."""
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
