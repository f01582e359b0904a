"""What may be shown of an answer."""

import re

from exporter.model import Content
from exporter.request import Operation

_LISTS = frozenset({Operation.EXTENSIONS, Operation.TENANTS, Operation.PEERS})

_SPEAKS_OF_ONE = r"pass|pwd|secret|token|2fa|pin|auth"
_MASKED: tuple[tuple[re.Pattern[str], str], ...] = (
    # A JSON member whose name speaks of a credential, with its value, also where that was cut off.
    (
        re.compile(
            rf"""("[^"]{{0,80}}(?:{_SPEAKS_OF_ONE}|key)[^"]{{0,80}}"\s*:\s*)"""
            r"""("(?:[^"\\]|\\.)*(?:"|\Z)|[^\s,}\]]+)""",
            re.IGNORECASE,
        ),
        r'\1"***"',
    ),
    # The same in running text, in a query string and in XML.
    (
        re.compile(rf"(\b\w{{0,40}}(?:{_SPEAKS_OF_ONE})\w{{0,40}}\s?[=:]\s?)[^\s&|,;<>\"']+", re.IGNORECASE),
        r"\1***",
    ),
    (re.compile(r"(\b\w{0,40}key=)[^\s&|,;<>\"']+", re.IGNORECASE), r"\1***"),
    (re.compile(rf"(<\w{{0,40}}(?:{_SPEAKS_OF_ONE}|key)\w{{0,40}}>)[^<]+", re.IGNORECASE), r"\1***"),
    # What stands in a form of a web page.
    (re.compile(r"""(\bvalue\s?=\s?)("[^"]*(?:"|\Z)|'[^']*(?:'|\Z))""", re.IGNORECASE), r'\1"***"'),
    # The arguments in a stack trace of PHP: those of a connection to a database are its password.
    (re.compile(r"(?<=[(,])(\s?)'[^'\n]*(?:'|\Z)"), r"\1'***'"),
)
"""What may be a credential, and what is shown instead."""

_QUOTED = 120
"""Characters of an answer that a failure quotes at most."""


def is_list(operation: Operation) -> bool:
    """Tell whether the answer is a list, whose body is never shown: it holds credentials.

    Seen in lists of extensions (passwords of phones and of the web), documented for tenants
    (wire notes 2026-10).
    """
    return operation in _LISTS


def excerpt(operation: Operation, body: Content, limit: int) -> str:
    """Return what may be shown of an answer, at most ``limit`` characters; of a list only size and type."""
    if is_list(operation):
        return f"list of {len(body):,} bytes, {_type(body)}"
    # A character is at most four bytes; one more tells whether something was cut.
    start = body[: 4 * (limit + 1)].decode("utf-8", errors="backslashreplace")
    text = visible(without_credentials(start))
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"[:limit]


def quoted(text: str) -> str:
    """Return the start of an answer in quotation marks, as a failure shows it."""
    text = without_credentials(text[: 10 * _QUOTED])
    return f'"{visible(text[:_QUOTED])}{"…" if len(text) > _QUOTED else ""}"'


def without_credentials(text: str) -> str:
    """Return a text with *** for whatever may be a credential in it."""
    for pattern, instead in _MASKED:
        text = pattern.sub(instead, text)
    return text


def visible(text: str) -> str:
    """Return a text on one line, with its control characters as escapes."""
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
