"""The first look at an answer: whether there is anything in it for a decoder to read."""

import re

from exporter.decode.complaints import is_refusal, noise, refusal
from exporter.decode.documents import unwrapped
from exporter.decode.excerpts import is_list
from exporter.model import Failure, Reason
from exporter.request import Operation

_NUMBERS = frozenset({Operation.COUNT_CALLS, Operation.LICENSE_DAYS, Operation.BALANCE})

# An empty list was seen as "]", a missing object as "null" (wire notes 2026-10).
_NOTHING = re.compile(r"(?:null|\[?\s*\]|\{\s*\})?[|\s]*")
_NO_LIST = re.compile(r"(?:null)?[|\s]*")


def classify(operation: Operation, body: bytes) -> str | Failure:
    """Return the text that the decoder is to read, or why there is none. The order decides.

    1. bytes that are not UTF-8 → ``decode``
    2. the quotes of a JSON string are taken off
    3. nothing → ``empty``; an empty list is something
    4. the known refusal → ``auth``, and nothing else is
    5. JSON and tables go to their decoder: the names in them may be any text, also what comes below
    6. a diagnostic of PHP, anywhere → ``decode``: a line number is not a value
    7. a web page → ``decode``

    The decoder then goes on: the value; else a sentence → ``rejected``; else ``decode`` (``unread``).
    """
    try:
        text = body.decode("utf-8").strip().strip("\ufeff").strip()
    except UnicodeDecodeError as error:
        return Failure(
            Reason.DECODE,
            f"byte {error.start + 1:,} of {len(body):,} is not UTF-8; check `url`, or ask the vendor",
        )
    text = unwrapped(text)
    if (_NO_LIST if is_list(operation) else _NOTHING).fullmatch(text):
        return Failure(
            Reason.EMPTY,
            f"nothing came ({len(body)} bytes); the switch does so for an idle tenant, "
            "a missing permission and a wrong parameter alike",
        )
    if is_refusal(text):
        return refusal()
    if _has_names(operation, text):
        return text
    return noise(text, shown=not is_list(operation)) or text


def _has_names(operation: Operation, text: str) -> bool:
    if text.startswith(("[", "{")):
        return operation not in _NUMBERS
    return is_list(operation) and "|" in text.partition("\n")[0]
