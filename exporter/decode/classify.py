"""The first look at an answer: whether there is anything in it for a decoder to read."""

import re

from exporter.decode.complaints import is_refusal, noise, refusal
from exporter.decode.documents import unwrapped
from exporter.decode.windows import WINDOW, Windows, encoding
from exporter.model import Content, Failure, Reason
from exporter.request import Operation

_NUMBERS = frozenset({Operation.COUNT_CALLS, Operation.LICENSE_DAYS, Operation.BALANCE})

MOST_ENTRIES = 20_000
"""Commas and pipes in an answer that is no list. Fifty nodes have fifty (seen); 6 MiB of them took the memory
of 360 MB to read (2026-11)."""

# An empty list was seen as "]", a missing object as "null" (wire notes 2026-10).
_NOTHING = re.compile(r"(?:null|\[?\s*\]|\{\s*\})?[|\s]*")
_NO_LIST = re.compile(r"(?:null)?[|\s]*")


def classify(operation: Operation, body: Content, charset: str = "") -> str | Failure:
    """Return the text that the decoder of a value is to read, or why there is none. The order decides.

    1. bytes that are no text, neither in UTF-8 nor in the declared ``charset``, become U+FFFD: they cost the
       name or the value that they stand in
    2. the quotes of a JSON string are taken off
    3. nothing → ``empty``
    4. the known refusal → ``auth``, and nothing else is
    5. JSON with more entries than any installation has nodes → ``too_large``
    6. JSON goes to its decoder: the names in it may be any text, also what comes below
    7. a diagnostic of PHP, anywhere → ``decode``: a line number is not a value
    8. a web page → ``decode``

    The decoder then goes on: the value; else a sentence → ``rejected``; else ``decode`` (``unread``).
    """
    text = str(body, encoding(body, charset) if charset else "utf-8", "replace")
    text = unwrapped(text.strip().strip("\ufeff").strip())
    if _NOTHING.fullmatch(text):
        return _empty(body)
    if is_refusal(text):
        return refusal()
    if text.count(",") + text.count("|") > MOST_ENTRIES:
        return Failure(Reason.TOO_LARGE, f"more than {MOST_ENTRIES:,} entries where one value was expected")
    if text.startswith(("[", "{")) and operation not in _NUMBERS:
        return text
    return noise(text, shown=True) or text


def classify_list(body: Content, charset: str = "") -> Windows | Failure:
    """Return the windows that the decoder of a list is to read, or why there is none.

    The same order, but that an empty list is something, and that only the first window of the text is looked
    at. Bytes that are no text cost the row that they stand in.
    """
    windows = Windows(body, charset)
    start = windows.start()
    if len(body) <= WINDOW and start.startswith('"'):
        start = unwrapped(start)
        windows = Windows(start.encode("utf-8", "replace"))
    if not windows.skip_blanks() or (len(body) <= WINDOW and _NO_LIST.fullmatch(start)):
        return _empty(body)
    if is_refusal(start):
        return refusal()
    if start.startswith(("[", "{")) or "|" in start.partition("\n")[0]:
        return windows
    return noise(start, shown=False) or windows


def _empty(body: Content) -> Failure:
    return Failure(
        Reason.EMPTY,
        f"nothing came ({len(body)} bytes); the switch does so for an idle tenant, "
        "a missing permission and a wrong parameter alike",
    )
