"""What may be shown of a response: its text without credentials, or only the size and type of a private one.

In a table or a map, names and data look alike. What may be data is not shown.
"""

import json
import re

from exporter.model import Content

_CREDENTIAL = r"pass|pwd|secret|token|2fa|pin|auth"
_MASKED: tuple[tuple[re.Pattern[str], str], ...] = (
    # A JSON member whose name suggests a credential, even if its value is truncated.
    (
        re.compile(
            rf"""("[^"]{{0,80}}(?:{_CREDENTIAL}|key)[^"]{{0,80}}"\s*:\s*)"""
            r"""("(?:[^"\\]|\\.)*(?:"|\Z)|[^\s,}\]]+)""",
            re.IGNORECASE,
        ),
        r'\1"***"',
    ),
    # The same in plain text, in a query string and in XML.
    (
        re.compile(rf"(\b\w{{0,40}}(?:{_CREDENTIAL})\w{{0,40}}\s?[=:]\s?)[^\s&|,;<>\"']+", re.IGNORECASE),
        r"\1***",
    ),
    (re.compile(r"(\b\w{0,40}key=)[^\s&|,;<>\"']+", re.IGNORECASE), r"\1***"),
    (re.compile(rf"(<\w{{0,40}}(?:{_CREDENTIAL}|key)\w{{0,40}}>)[^<]+", re.IGNORECASE), r"\1***"),
    # The values in an HTML form.
    (re.compile(r"""(\bvalue\s?=\s?)("[^"]*(?:"|\Z)|'[^']*(?:'|\Z))""", re.IGNORECASE), r'\1"***"'),
    # The arguments in a PHP stack trace: those of a database connection contain its password.
    (re.compile(r"(?<=[(,])(\s?)'[^'\n]*(?:'|\Z)"), r"\1'***'"),
)
"""What may be a credential, and its replacement."""

_QUOTED = 120
"""Most characters of a response that a Failure quotes."""


def excerpt(body: Content, limit: int) -> str:
    """Return the start of a response without credentials, on one line of at most ``limit`` characters."""
    # A character has at most four bytes; one more shows whether something is cut off.
    start = body[: 4 * (limit + 1)].decode("utf-8", errors="backslashreplace")
    text = visible(without_credentials(start))
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"[:limit]


def outline(body: Content, kind: str) -> str:
    """Return size and type of a private response, a ``kind`` such as "list", and nothing of its content."""
    return f"{kind} of {len(body):,} bytes, {_type(body)}"


def quoted(text: str) -> str:
    """Return the start of a text in quotation marks, without credentials, for a Failure."""
    text = without_credentials(text[: 10 * _QUOTED])
    return f'"{visible(text[:_QUOTED])}{"…" if len(text) > _QUOTED else ""}"'


def without_credentials(text: str) -> str:
    """Replace everything in a text that may be a credential by ***."""
    for pattern, replacement in _MASKED:
        text = pattern.sub(replacement, text)
    return text


def visible(text: str) -> str:
    """Return a text on one line, with control characters escaped."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def _type(body: Content) -> str:
    start = body[:1000].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        return "empty" if not body.strip() else "text"
    if start[:1] in b"[{]":
        return "JSON"
    if start[:1] == b"<":
        return "HTML"
    return "table" if b"|" in start.partition(b"\n")[0] else "text"


_KNOWN = frozenset(
    {"number", "state", "username", "password", "status", "forcerport", "te_code", "te_name", "te_id"}
)
"""Lower-case column names; the header of a list has at least one (seen or documented, wire notes)."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z_ ]{0,30}[A-Za-z0-9_]{0,10}")
_START_SIZE = 64 * 1024
"""Characters. A record of extensions was seen at 3.4 kB."""

_PERSONAL = re.compile(
    r'"(?:(?:ex|te|sc)_\w+|description|host|username|'
    r'[^"]{0,40}(?:passw|pwd|secret|2fa|e?mail|mobile|phone|address|firstname|lastname)[^"]{0,40})"\s*:',
    re.IGNORECASE,
)
"""A member of a record in a list (seen, wire notes 2026-10), or one about a person."""

_TEXT_VALUE = re.compile(r':\s*"')
_NUMBER = re.compile(r"-?[\d.]+")
_FEW_CELLS = 3


def column_names(body: Content) -> tuple[str, ...]:
    """Return the column names of a list, or () if they cannot be told from data."""
    text = _start(body)
    names = _of_record(text) if text.startswith(("[", "{")) else _of_header(text)
    return tuple(dict.fromkeys(name for name in names if _NAME.fullmatch(name)))


def holds_records(body: Content) -> bool:
    """Return whether a body looks like a list although a value was expected. It must not be shown then."""
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
    return body[:_START_SIZE].decode("utf-8", errors="replace").strip().strip("\ufeff").strip()


def _of_record(text: str) -> list[str]:
    """Return the names in the first record of a list, or of an object of records."""
    # A single object may be a record, or a map whose names are data.
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
