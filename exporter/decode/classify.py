"""The first look at an answer: whether there is a value or a list in it for a reader, or what came instead.

Switches report errors with HTTP 200 and with the content type of the format that was asked for, so only the
text tells a refusal, an error message, a diagnostic of PHP or a web page (seen, wire notes 2026-10).
"""

import re
from collections.abc import Mapping

from exporter.decode.json_text import parse_record, unwrapped
from exporter.decode.redact import quoted
from exporter.decode.windows import WINDOW, Windows, encoding
from exporter.model import Content, Failure, Reason

MOST_ENTRIES = 20_000
"""Commas and pipes in an answer that is no list. Fifty nodes have fifty (seen); 6 MiB of them took the memory
of 360 MB to read (2026-11)."""

# An empty list was seen as "]", a missing object as "null" (wire notes 2026-10).
_NOTHING = re.compile(r"(?:null|\[?\s*\]|\{\s*\})?[|\s]*")
_NO_LIST = re.compile(r"(?:null)?[|\s]*")

_TAG = re.compile(r"<[^<>]{0,500}>")

# "Too bad... you mistaken the security api key." (seen, wire notes 2026-10), on a line of its own.
_REFUSAL = re.compile(
    r"^[^\w\n]*too\s+bad\W+you\s+mistaken\s+the\s+security\s+api\s+key[^\w\n]*$", re.IGNORECASE | re.MULTILINE
)
_REFUSAL_WITHIN = 4096
"""Characters. The refusal has 46; around it there may be tags and diagnostics, but no list."""

_DIAGNOSTIC = re.compile(
    r"\b(?:Warning|Notice|Deprecated|Strict Standards|(?:Recoverable f|Catchable f|F)atal error|Parse error)"
    r"(?:</b>)?\s*:"
)
_PAGE = re.compile(r"<(?:!doctype|html|head|body|title|meta|script|form)\b", re.IGNORECASE)

_NOISE_WITHIN = 64 * 1024
"""Characters. Further on, a diagnostic breaks the pair or the row it stands in; a search through megabytes
would hold up the event loop, even from another thread."""

_LONGEST_SENTENCE = 1000
_WORD = re.compile(r"[^\W\d_]{2}")

# A number in such a sentence ("Error 403") is never the value, whatever ``pattern`` matches.
_TROUBLE = re.compile(
    r"\b(?:error|exception|denied|forbidden|invalid|wrong|missing|not found|failed|failure)\b", re.IGNORECASE
)

_ERROR_NAMES = frozenset(
    {"error", "errors", "err", "errno", "error_code", "error_message", "exception", "fault"}
)
ENVELOPE_NAMES = _ERROR_NAMES | {"code", "status", "success", "message", "msg", "reason", "result", "detail"}
"""Names, in lower case, with which web services commonly speak of the request itself. Never a node's."""


def classify(body: Content, charset: str = "", *, shown: bool) -> str | Failure:
    """Return the text that the reader of a value gets, or why there is none. The order decides.

    1. bytes that are no text, neither in UTF-8 nor in the declared ``charset``, become U+FFFD: they cost the
       name or the value that they stand in
    2. the quotes of a JSON string are taken off
    3. nothing → ``empty``
    4. the known refusal → ``auth``, and nothing else is
    5. JSON with more entries than any installation has nodes → ``too_large``
    6. JSON goes to its reader: the names in it may be any text, also what comes below
    7. a diagnostic of PHP, anywhere → ``decode``: a line number is not a value
    8. a web page → ``decode``

    The reader then goes on: the value; else a sentence → ``rejected``; else ``decode`` (``unread``).
    ``shown`` tells whether a failure may quote the answer.
    """
    text = str(body, encoding(body, charset) if charset else "utf-8", "replace")
    text = unwrapped(text.strip().strip("\ufeff").strip())
    if _NOTHING.fullmatch(text):
        return _empty(body)
    if is_refusal(text):
        return refusal()
    if text.count(",") + text.count("|") > MOST_ENTRIES:
        return Failure(Reason.TOO_LARGE, f"more than {MOST_ENTRIES:,} entries where one value was expected")
    if text.startswith(("[", "{")):
        return text
    return noise(text, shown=shown) or text


def classify_list(body: Content, charset: str = "") -> Windows | Failure:
    """Return the windows that the reader of a list gets, or why there is none.

    The same order, except that an empty list is something, and that only the first window of the text is
    searched. Bytes that are no text cost the row that they stand in. No failure quotes a list.
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
        f"the answer is empty ({len(body)} bytes); so is the answer for an idle tenant, for a missing "
        "permission and for a wrong parameter",
    )


def is_refusal(text: str) -> bool:
    """Tell whether a text is the known refusal, in whatever dress, and not a list that quotes it."""
    return (
        len(text) <= _REFUSAL_WITHIN
        and not text.startswith(("[", "{"))
        and _REFUSAL.search(_TAG.sub("\n", text)) is not None
    )


def refusal() -> Failure:
    """Return the failure for the known refusal."""
    return Failure(
        Reason.AUTH,
        "the switch refused the key; it says the same to a wrong key, to one that may not make this request, "
        "about a tenant it does not know, and to a tenant's key without its tenant",
    )


def noise(text: str, *, shown: bool) -> Failure | None:
    """Return the failure for a text that PHP wrote or that is a web page, whatever else is in it."""
    text = text[:_NOISE_WITHIN]
    if found := _DIAGNOSTIC.search(text):
        what = f": {quoted(_TAG.sub('', text[found.start() :]))}" if shown else ""
        return Failure(
            Reason.DECODE,
            f"the answer contains a PHP diagnostic{what}; fix it on the switch, or lower its log level",
        )
    if _PAGE.search(text):
        return Failure(
            Reason.DECODE, "got an HTML page, perhaps a login page; check that `url` is that of the API"
        )
    return None


def unread(text: str, expected: str, *, hint: str = "", shown: bool = True) -> Failure:
    """Return the failure for a text without the value that was ``expected``.

    Error messages of the switch are ``rejected``, and everything else is ``decode``.
    """
    if text.startswith(("[", "{")):
        record = parse_record(text)
        if not isinstance(record, Failure) and is_complaint(record):
            return complaint(record, text, shown=shown)
    elif wrong := noise(text, shown=shown):
        return wrong
    elif is_sentence(text):
        return rejected(text, hint=hint, shown=shown)
    what = quoted(text) if shown else f"something else of {len(text):,} characters"
    return Failure(Reason.DECODE, f"expected {expected}, got {what}{hint}")


def rejected(said: str, *, hint: str = "", shown: bool = True) -> Failure:
    """Return the failure for a request that the switch answered with an error message."""
    if is_refusal(said):
        return refusal()
    what = f": {quoted(said)}" if shown else f" of {len(said):,} characters"
    return Failure(Reason.REJECTED, f"the switch returned an error message{what}{hint}")


def is_sentence(text: str) -> bool:
    """Tell whether a text is addressed to people: two words in letters, and neither cells nor broken JSON."""
    if len(text) > _LONGEST_SENTENCE or text.startswith(("[", "{", '"')) or "|" in text.rstrip("| \t\r\n"):
        return False
    words = _TAG.sub(" ", text).split()
    return sum(_WORD.search(word) is not None for word in words) > 1 and " ".join(words).isprintable()


def is_complaint(record: Mapping[str, object]) -> bool:
    """Tell whether a JSON object speaks of an error, or of nothing but the request itself."""
    names = {name.casefold(): value for name, value in record.items()}
    if any(names.get(name) for name in _ERROR_NAMES):
        return True
    if not names or not ENVELOPE_NAMES.issuperset(names):
        return False
    is_figure = not str(names.get("result")).strip("-.0123456789")
    return not is_figure and not any(isinstance(value, dict | list) for value in names.values())


def complaint(record: Mapping[str, object], text: str, *, shown: bool = True) -> Failure:
    """Return the failure for an object that is a complaint; ``text`` is the whole of it."""
    if any(isinstance(value, str) and is_refusal(value) for value in record.values()):
        return refusal()
    return rejected(text, shown=shown)


def speaks_of_trouble(text: str) -> bool:
    """Tell whether a text complains, so that no number may be taken out of it."""
    if _TROUBLE.search(text):
        return True
    record = parse_record(text) if text.startswith(("[", "{")) else None
    return isinstance(record, dict) and is_complaint(record)
