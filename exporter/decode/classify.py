"""Decide whether a response holds a value or a list for a reader, or an error.

Switches report errors with HTTP 200 and with the content type of the requested format, so only the text shows
which it is (seen, wire notes 2026-10).
"""

import re
from collections.abc import Mapping

from exporter.decode.redact import quoted
from exporter.decode.text import WINDOW, Windows, encoding, parse_record, unwrapped
from exporter.model import Content, Failure, Reason

MOST_ENTRIES = 20_000
"""Commas and pipes in a response that is not a list. Fifty nodes have fifty (seen). Reading 6 MiB of them
took 360 MB of memory (2026-11)."""

# An empty list was seen as "]", a missing object as "null" (wire notes 2026-10).
_NOTHING = re.compile(r"(?:null|\[?\s*\]|\{\s*\})?[|\s]*")
_NO_LIST = re.compile(r"(?:null)?[|\s]*")

_TAG = re.compile(r"<[^<>]{0,500}>")

# "Too bad... you mistaken the security api key." (seen, wire notes 2026-10), on a line of its own.
_REFUSAL = re.compile(
    r"^[^\w\n]*too\s+bad\W+you\s+mistaken\s+the\s+security\s+api\s+key[^\w\n]*$", re.IGNORECASE | re.MULTILINE
)
_REFUSAL_WITHIN = 4096
"""Characters. The refusal has 46; tags and diagnostics may surround it."""

_DIAGNOSTIC = re.compile(
    r"\b(?:Warning|Notice|Deprecated|Strict Standards|(?:Recoverable f|Catchable f|F)atal error|Parse error)"
    r"(?:</b>)?\s*:"
)
_PAGE = re.compile(r"<(?:!doctype|html|head|body|title|meta|script|form)\b", re.IGNORECASE)

_NOISE_WITHIN = 64 * 1024
"""Characters. After that, a diagnostic makes its own pair or row unreadable. Searching megabytes would block
the event loop, even from another thread."""

_LONGEST_SENTENCE = 1000
_WORD = re.compile(r"[^\W\d_]{2}")

# A number in such a sentence ("Error 403") is never the value, even if ``pattern`` matches it.
_ERROR_WORD = re.compile(
    r"\b(?:error|exception|denied|forbidden|invalid|wrong|missing|not found|failed|failure)\b", re.IGNORECASE
)

_ERROR_NAMES = frozenset(
    {"error", "errors", "err", "errno", "error_code", "error_message", "exception", "fault"}
)
ENVELOPE_NAMES = _ERROR_NAMES | {"code", "status", "success", "message", "msg", "reason", "result", "detail"}
"""Lower-case names that web services use for the outcome of a request. Never the name of a node."""


def classify(body: Content, charset: str = "", *, may_quote: bool) -> str | Failure:
    """Return the text for the reader of a value, or a Failure. The order matters.

    1. bytes that are neither UTF-8 nor the declared ``charset`` become U+FFFD, which costs the name or value
       that they are in
    2. the quotes of a JSON string are removed
    3. nothing → ``empty``
    4. the known refusal → ``auth``; nothing else is
    5. more entries than any installation has nodes → ``too_large``
    6. JSON goes to the reader: its names may be any text, even one of those below
    7. a PHP diagnostic anywhere → ``decode``: a line number is not a value
    8. a web page → ``decode``

    The reader returns the value; for a sentence ``rejected``; for anything else ``decode`` (``unread``).
    ``may_quote``: whether a failure may quote the response.
    """
    text = str(body, encoding(body, charset) if charset else "utf-8", "replace")
    text = unwrapped(text.strip().strip("\ufeff").strip())
    if text.replace(".", "", 1).isdecimal():
        return text  # none of what follows applies to a number, as most responses are
    if _NOTHING.fullmatch(text):
        return _empty(body)
    if is_refusal(text):
        return refusal()
    if text.count(",") + text.count("|") > MOST_ENTRIES:
        return Failure(Reason.TOO_LARGE, f"more than {MOST_ENTRIES:,} entries where one value was expected")
    if text.startswith(("[", "{")):
        return text
    return noise(text, may_quote=may_quote) or text


def classify_list(body: Content, charset: str = "") -> Windows | Failure:
    """Return the windows for the reader of a list, or a Failure, which quotes nothing.

    The steps are those of ``classify``, but an empty list is a value, and only the first window is searched.
    Undecodable bytes cost the row that they are in.
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
    return noise(start, may_quote=False) or windows


def _empty(body: Content) -> Failure:
    return Failure(
        Reason.EMPTY,
        f"the response is empty ({len(body)} bytes), as it is for an idle tenant, a missing permission "
        "or a wrong parameter",
    )


def is_refusal(text: str) -> bool:
    """Return whether a text is the known refusal, with or without tags around it."""
    return (
        len(text) <= _REFUSAL_WITHIN
        and not text.startswith(("[", "{"))
        and _REFUSAL.search(_TAG.sub("\n", text)) is not None
    )


def refusal() -> Failure:
    """Return the Failure for the known refusal."""
    return Failure(
        Reason.AUTH,
        "the switch refused the key; it sends the same text for a wrong key, for a key without permission "
        "for this request, for an unknown tenant, and for a tenant's key without its tenant",
    )


def noise(text: str, *, may_quote: bool) -> Failure | None:
    """Return the Failure for a text with a PHP diagnostic or a web page in it."""
    text = text[:_NOISE_WITHIN]
    if found := _DIAGNOSTIC.search(text):
        what = f": {quoted(_TAG.sub('', text[found.start() :]))}" if may_quote else ""
        return Failure(
            Reason.DECODE,
            f"the response contains a PHP diagnostic{what}; fix it on the switch, or lower its log level",
        )
    if _PAGE.search(text):
        return Failure(
            Reason.DECODE, "got an HTML page, perhaps a login page; check that `url` is the URL of the API"
        )
    return None


def unread(text: str, expected: str, *, hint: str = "", may_quote: bool = True) -> Failure:
    """Return the Failure for a text without the ``expected`` value.

    An error message of the switch is ``rejected``; anything else is ``decode``.
    """
    if text.startswith(("[", "{")):
        record = parse_record(text)
        if not isinstance(record, Failure) and is_complaint(record):
            return complaint(record, text, may_quote=may_quote)
    elif wrong := noise(text, may_quote=may_quote):
        return wrong
    elif is_sentence(text):
        return rejected(text, hint=hint, may_quote=may_quote)
    what = quoted(text) if may_quote else f"{len(text):,} other characters"
    return Failure(Reason.DECODE, f"expected {expected}, got {what}{hint}")


def rejected(message: str, *, hint: str = "", may_quote: bool = True) -> Failure:
    """Return the Failure for an error message of the switch."""
    if is_refusal(message):
        return refusal()
    what = f": {quoted(message)}" if may_quote else f" of {len(message):,} characters"
    return Failure(Reason.REJECTED, f"the switch returned an error message{what}{hint}")


def is_sentence(text: str) -> bool:
    """Return whether a text is a sentence: at least two words, and neither cells nor broken JSON."""
    if len(text) > _LONGEST_SENTENCE or text.startswith(("[", "{", '"')) or "|" in text.rstrip("| \t\r\n"):
        return False
    words = _TAG.sub(" ", text).split()
    return sum(_WORD.search(word) is not None for word in words) > 1 and " ".join(words).isprintable()


def is_complaint(record: Mapping[str, object]) -> bool:
    """Return whether a JSON object reports an error, or describes only the request itself."""
    if ENVELOPE_NAMES.isdisjoint(map(str.casefold, record)):
        return False
    names = {name.casefold(): value for name, value in record.items()}
    if any(names[name] for name in _ERROR_NAMES & names.keys()):
        return True
    if not ENVELOPE_NAMES.issuperset(names):
        return False
    is_figure = not str(names.get("result")).strip("-.0123456789")
    return not is_figure and not any(isinstance(value, dict | list) for value in names.values())


def complaint(record: Mapping[str, object], text: str, *, may_quote: bool = True) -> Failure:
    """Return the Failure for an object that reports an error; ``text`` is its JSON."""
    if any(isinstance(value, str) and is_refusal(value) for value in record.values()):
        return refusal()
    return rejected(text, may_quote=may_quote)


def mentions_error(text: str) -> bool:
    """Return whether a text reports an error, so that no number in it is the value."""
    if _ERROR_WORD.search(text):
        return True
    record = parse_record(text) if text.startswith(("[", "{")) else None
    return isinstance(record, dict) and is_complaint(record)
