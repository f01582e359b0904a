"""Keeps keys out of every text that leaves the program.

Keys travel in the query string of every request (seen, wire notes 2026-10), and a switch may echo what it
was sent. So whatever is logged or shown passes through here last, wherever it came from.
"""

import html
import json
import re
from collections import defaultdict
from urllib.parse import quote, quote_plus

from yarl import URL

MASK = "***"

_START = 3
"""Characters by which a secret is looked up: a text is read once, however many secrets there are."""

_PERCENT = re.compile(r"%[0-9A-F]{2}")


class Mask:
    """Replaces every secret it was told of, in each of the forms in which it may stand in a text."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._short: set[str] = set()
        self._by_start: defaultdict[str, defaultdict[int, set[str]]] = defaultdict(lambda: defaultdict(set))

    def add(self, secret: str) -> None:
        """Remember a secret for good: a rotated key may still stand in an old answer."""
        if secret in self._known or not secret:
            return
        self._known.add(secret)
        for form in _forms(secret):
            if len(form) < _START:
                self._short.add(form)
            else:
                self._by_start[form[:_START]][len(form)].add(form)

    def __call__(self, text: str) -> str:
        """Return the text without any secret."""
        for form in self._short:
            text = text.replace(form, MASK)
        kept = []
        position = copied = 0
        while position < len(text):
            length = self._secret_at(text, position)
            if length:
                kept += [text[copied:position], MASK]
                position = copied = position + length
            else:
                position += 1
        return "".join([*kept, text[copied:]]) if kept else text

    def _secret_at(self, text: str, position: int) -> int:
        """Return how long the longest secret is that starts here; 0 where none does."""
        candidates = self._by_start.get(text[position : position + _START])
        if candidates is None:
            return 0
        return max(
            (length for length, forms in candidates.items() if text[position : position + length] in forms),
            default=0,
        )


def _forms(secret: str) -> set[str]:
    """Return the secret as it is written in logs, URLs, HTML and JSON, by Python's libraries and by PHP's."""
    upper = {
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        URL("http://host/").with_query(key=secret).raw_query_string.removeprefix("key="),  # as it is sent
    }
    lower = {_PERCENT.sub(lambda code: code[0].lower(), form) for form in upper}
    escaped = json.dumps(secret)[1:-1]
    page = html.escape(secret)
    return {
        secret,
        *upper,
        *lower,
        escaped,
        escaped.replace("/", r"\/"),  # json_encode
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        page,
        page.replace("&#x27;", "&#039;"),  # htmlspecialchars
    }
