"""What may be shown of an answer."""

import re

from exporter.request import Operation

_LISTS = frozenset({Operation.EXTENSIONS, Operation.TENANTS, Operation.PEERS})

# A JSON member whose name speaks of a credential, with its value, also where that was cut off.
_CREDENTIAL = re.compile(
    r"""("[^"]{0,80}(?:pass|pwd|secret|token|2fa|pin|key|auth)[^"]{0,80}"\s*:\s*)"""
    r"""("(?:[^"\\]|\\.)*(?:"|\Z)|[^\s,}\]]+)""",
    re.IGNORECASE,
)

_QUOTED = 120
"""Characters of an answer that a failure quotes at most."""


def is_list(operation: Operation) -> bool:
    """Tell whether the answer is a list, whose body is never shown: it holds credentials.

    Seen in lists of extensions (passwords of phones and of the web), documented for tenants
    (wire notes 2026-10).
    """
    return operation in _LISTS


def excerpt(operation: Operation, body: bytes, limit: int) -> str:
    """Return what may be shown of an answer, at most ``limit`` characters; of a list only size and type."""
    if is_list(operation):
        return f"list of {len(body):,} bytes, {_type(body)}"
    # A character is at most four bytes; a few more tell whether something was cut.
    text = visible(_without_credentials(body[: 4 * limit + 4].decode("utf-8", errors="backslashreplace")))
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"[:limit]


def quoted(text: str) -> str:
    """Return the start of an answer in quotation marks, as a failure shows it."""
    text = _without_credentials(text[: 10 * _QUOTED])
    return f'"{visible(text[:_QUOTED])}{"…" if len(text) > _QUOTED else ""}"'


def _without_credentials(text: str) -> str:
    return _CREDENTIAL.sub(r'\1"***"', text)


def visible(text: str) -> str:
    """Return a text on one line, with its control characters as escapes."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def _type(body: bytes) -> str:
    start = body[:1000].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        return "empty" if not body.strip() else "text"
    if start[:1] in b"[{]":
        return "JSON"
    if start[:1] == b"<":
        return "HTML"
    return "table" if b"|" in start.partition(b"\n")[0] else "text"
