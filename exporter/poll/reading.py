"""Reads the body of an answer, and lets nothing of a key into what is told of a failure."""

from collections.abc import Callable

from exporter.decode import Options, decode, excerpt, is_list
from exporter.model import Answer, Body, Content, Failure, Reason
from exporter.request import Operation

Masking = Callable[[str], str]

_START = 3 * 1024
"""Bytes that are masked, once for each answer: it takes 1 ms, and 4 ms where everything is escaped. That is
more than is shown, so that no key is cut where the shown part ends."""

_READ_TWICE = 16 * 1024
"""Bytes of an answer that is read once more, without keys at its start."""

_QUOTED = 64 * 1024
"""Bytes of an answer of which anything is told but its size."""

_SHOWN = 2048
"""Characters of an answer that are shown at most."""


def read(operation: Operation, body: Content, options: Options, mask: Masking) -> Answer | Failure:
    """Return what a body says. Nothing is raised, and no key that ``mask`` knows is in a failure's detail."""
    charset = body.charset if isinstance(body, Body) else ""
    decoded = decode(operation, body, options, charset)
    if not isinstance(decoded, Failure) or is_list(operation) or decoded.reason is Reason.TOO_LARGE:
        return decoded  # of which nothing is quoted
    if len(body) > _QUOTED:
        return Failure(decoded.reason, f"{len(body):,} bytes came that are no answer to this")
    if len(body) > _READ_TWICE:
        return Failure(decoded.reason, mask(decoded.detail))
    # What a failure quotes may be cut, or cleaned of tags, in the middle of a key: so the mask comes first.
    # It comes last as well, since a quotation may begin further on.
    start = _start(body, mask)
    again = decode(operation, start + body[_START:], options, charset)
    detail = again.detail if isinstance(again, Failure) else "a key stands in the answer"
    return Failure(decoded.reason, detail if len(body) <= _START else mask(detail))


def shown(operation: Operation, body: Content, mask: Masking) -> str:
    """Return what people may see of an answer: its start, without any key; of a list only size and type."""
    if is_list(operation):
        return excerpt(operation, body, _SHOWN)
    if len(body) > _QUOTED:
        return f"{len(body):,} bytes, too many to be shown"
    text = excerpt(operation, _start(body, mask), _SHOWN)
    return text if len(body) <= _START or text.endswith("…") else f"{text[: _SHOWN - 1]}…"


def is_blank(body: Content) -> bool:
    """Tell whether there is nothing in a body to be shown."""
    return len(body) <= _QUOTED and not body.strip()


def _start(body: Content, mask: Masking) -> bytes:
    return masked(body[:_START], mask)


def masked(body: Content, mask: Masking) -> bytes:
    """Return a body without any key; bytes that are no text stay as they are."""
    return mask(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
