"""Keeps keys out of every text that leaves the program.

Keys travel in the query string of every request (seen, wire notes 2026-10), and a switch may echo what it
was sent. So whatever is logged or shown passes through here last, wherever it came from.
"""

import html
import json
from urllib.parse import quote, quote_plus

MASK = "***"


class Mask:
    """Replaces every secret it was told of, in each of the forms in which it may stand in a text."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._forms: tuple[str, ...] = ()

    def add(self, secret: str) -> None:
        """Remember a secret for good: a rotated key may still stand in an old answer."""
        if secret in self._known or not secret:
            return
        self._known.add(secret)
        forms = {
            form
            for known in self._known
            for form in (
                known,
                quote(known),
                quote(known, safe=""),
                quote_plus(known),
                html.escape(known),
                json.dumps(known)[1:-1],
                repr(known)[1:-1],
            )
        }
        # Longest first, so that a secret which contains another one is masked whole.
        self._forms = tuple(sorted(forms, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """Return the text without any secret."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text
