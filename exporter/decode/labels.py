"""Texts of an answer that become the value of a label."""

import re

LONGEST_LABEL = 255
"""Characters: those of the longest host name, and of a usual column of a database. It also bounds what the
series of a switch can take in memory."""

# Neither can be served: NUL ends the text for many readers, half a surrogate pair has no UTF-8.
_UNSERVABLE = re.compile(r"[\x00\ud800-\udfff]")


def servable(text: str) -> bool:
    """Tell whether a text can be the value of a label. An empty one cannot: it means no label."""
    return 0 < len(text) <= LONGEST_LABEL and not _UNSERVABLE.search(text)


def label(cell: object) -> str | None:
    """Return the label that a cell of a list holds, as text or as a whole number; None if it holds none."""
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        return None
    text = str(cell).strip()
    return text if servable(text) else None
