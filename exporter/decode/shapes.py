"""What may be told of a list whose content must not be shown: the names of its columns.

In a table or a map, names and data look alike: what cannot be told from data is not told.
"""

import json
import re

from exporter.model import Content

_KNOWN = frozenset(
    {"number", "state", "username", "password", "status", "forcerport", "te_code", "te_name", "te_id"}
)
"""Columns of the lists in lower case, of which a header has at least one (seen or documented, wire notes)."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z_ ]{0,30}[A-Za-z0-9_]{0,10}")
_LOOKED_AT = 64 * 1024
"""Characters. A record of extensions was seen at 3.4 kB."""

_PERSONAL = re.compile(
    r'"(?:(?:ex|te)_\w+|description|host|username|'
    r'[^"]{0,40}(?:passw|pwd|secret|2fa|e?mail|mobile|phone|address|firstname|lastname)[^"]{0,40})"\s*:',
    re.IGNORECASE,
)
"""A member of a record of a list (seen, wire notes 2026-10), or one that speaks of a person."""

_TEXT_VALUE = re.compile(r':\s*"')
_NUMBER = re.compile(r"-?[\d.]+")
_FEW_CELLS = 3


def column_names(body: Content) -> tuple[str, ...]:
    """Return the names of the columns of a list, or () where they cannot be told from what stands in them."""
    text = _start(body)
    names = _of_record(text) if text.startswith(("[", "{")) else _of_header(text)
    return tuple(dict.fromkeys(name for name in names if _NAME.fullmatch(name)))


def holds_records(body: Content) -> bool:
    """Tell whether a body is like a list, where a value was due: it may hold what must not be shown."""
    text = _start(body)
    if text.startswith(("[", "{")):
        is_list_of_texts = text.startswith("[") and '"' in text and "{" not in text
        are_records = text.count("{") > 1 and _TEXT_VALUE.search(text) is not None
        return is_list_of_texts or are_records or _PERSONAL.search(text) is not None
    match [line for line in text.split("\n") if "|" in line]:
        case []:
            return False
        case [line]:
            cells = line.rstrip("| \t\r").split("|")
            return len(cells) > _FEW_CELLS and not all(map(_is_pair_or_number, cells))
        case _:
            return True


def _is_pair_or_number(cell: str) -> bool:
    return not cell.strip() or _NUMBER.fullmatch(cell.rpartition(":")[2].strip()) is not None


def _start(body: Content) -> str:
    return body[:_LOOKED_AT].decode("utf-8", errors="replace").strip().strip("\ufeff").strip()


def _of_record(text: str) -> list[str]:
    """Return the names in the first record of a list, or of an object that holds records."""
    # An object that stands alone is a record, or a map whose names are data: there is no telling.
    try:
        record, _ = json.JSONDecoder().raw_decode(text, text.index("{", 1))
    except (ValueError, RecursionError):
        return []
    return [] if any(isinstance(value, dict | list) for value in record.values()) else list(record)


def _of_header(text: str) -> list[str]:
    cells = [cell.strip() for cell in text.partition("\n")[0].rstrip("| \t\r").split("|")]
    is_header = all(_NAME.fullmatch(cell) for cell in cells) and any(
        cell.casefold() in _KNOWN for cell in cells
    )
    return cells if is_header and len(cells) > 1 else []
