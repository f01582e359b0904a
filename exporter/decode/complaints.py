"""What switches say instead of a value: their refusal, their errors, PHP's diagnostics, and web pages.

Errors are HTTP 200, with a content type that follows the format asked for, so only the text tells
(seen, wire notes 2026-10).
"""

import re
from collections.abc import Mapping

from exporter.decode.documents import parse_record
from exporter.decode.excerpts import quoted
from exporter.model import Failure, Reason

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
            f"a PHP diagnostic stands in the answer{what}; mend it on the switch, or its log level",
        )
    if _PAGE.search(text):
        return Failure(
            Reason.DECODE, "an HTML page came, a login page perhaps; check that `url` is the one of the API"
        )
    return None


def unread(text: str, due: str, *, hint: str = "", shown: bool = True) -> Failure:
    """Return the failure for a text in which no value was found; ``due`` says what should have come.

    Complaints of the switch are ``rejected``, and everything else is ``decode``.
    """
    if text.startswith(("[", "{")):
        record = parse_record(text)
        if not isinstance(record, Failure) and is_complaint(record):
            return complaint(record, text, shown=shown)
    elif wrong := noise(text, shown=shown):
        return wrong
    elif is_sentence(text):
        return rejected(text, hint=hint, shown=shown)
    what = quoted(text) if shown else f"something else, of {len(text):,} characters,"
    return Failure(Reason.DECODE, f"{due} was due, {what} came{hint}")


def rejected(said: str, *, hint: str = "", shown: bool = True) -> Failure:
    """Return the failure for a request that the switch answered with words of its own."""
    if is_refusal(said):
        return refusal()
    what = f": {quoted(said)}" if shown else f", {len(said):,} characters"
    return Failure(Reason.REJECTED, f"the switch answered with words of its own{what}{hint}")


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
    return not any(isinstance(value, dict | list) for value in names.values()) and not _is_figure(
        names.get("result")
    )


def _is_figure(value: object) -> bool:
    return not str(value).strip("-.0123456789")


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
