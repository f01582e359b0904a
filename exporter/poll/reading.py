"""Reads the body of an answer, and lets nothing of a key into what is told of a failure."""

from exporter.decode import Options, decode, excerpt, is_list
from exporter.masking import Mask
from exporter.model import Answer, Body, Content, Failure, Reason
from exporter.request import Operation

_MASKED = 16 * 1024
"""Bytes that are masked before anything is cut out of them: masking takes about 0.3 ms for each KiB."""

_QUOTED = 64 * 1024
"""Bytes of an answer of which anything is told but its size."""

_SHOWN = 2048
"""Characters of an answer that are shown at most."""


def read(operation: Operation, body: Content, options: Options, mask: Mask) -> Answer | Failure:
    """Return what a body says. Nothing is raised, and no key that ``mask`` knows is in a failure's detail."""
    charset = body.charset if isinstance(body, Body) else ""
    decoded = decode(operation, body, options, charset)
    if not isinstance(decoded, Failure) or is_list(operation) or decoded.reason is Reason.TOO_LARGE:
        return decoded  # of which nothing is quoted
    if len(body) > _QUOTED:
        return Failure(decoded.reason, f"{len(body):,} bytes came that are no answer to this")
    if len(body) > _MASKED:
        return Failure(decoded.reason, mask(decoded.detail))
    # What a failure quotes may be cut, or cleaned of tags, in the middle of a key: so the mask comes first.
    again = decode(operation, masked(body, mask), options, charset)
    return Failure(
        decoded.reason, again.detail if isinstance(again, Failure) else "a key stands in the answer"
    )


def shown(operation: Operation, body: Content, mask: Mask) -> str:
    """Return what people may see of an answer: its start, without any key; of a list only size and type."""
    if is_list(operation):
        return excerpt(operation, body, _SHOWN)
    if len(body) > _QUOTED:
        return f"{len(body):,} bytes, too many to be shown"
    return excerpt(operation, masked(body[:_MASKED], mask), _SHOWN)


def is_blank(body: Content) -> bool:
    """Tell whether there is nothing in a body to be shown."""
    return len(body) <= _QUOTED and not body.strip()


def masked(body: Content, mask: Mask) -> bytes:
    """Return a body without any key; bytes that are no text stay as they are."""
    return mask(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
