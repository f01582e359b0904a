"""The body of a list as text, decoded a window at a time.

A list may have 64 MiB. Decoding it whole takes up to four bytes a character, and reading its JSON whole took
3.4 GB and stopped the event loop for 12 s (seen 2026-11, a list of tenants of 58 MiB). So only one window of
the text, and one record of the list, is held at a time.
"""

import codecs
import re

from exporter.model import Content

WINDOW = 256 * 1024
"""Bytes that are decoded at a time."""

LONGEST_RECORD = 1024 * 1024
"""Characters. A record of extensions was seen at 3.4 kB (wire notes 2026-10)."""

_BLANKS = re.compile(r"[ \t\r\n\ufeff]*")
_SINGLE_BYTE = re.compile(r"(?:iso-?8859-?\d{1,2}|latin-?1|windows-125\d|cp125\d)", re.IGNORECASE)


def encoding(body: Content, charset: str) -> str:
    """Return the encoding of a body: the declared ``charset`` only where the body is not UTF-8.

    PHP and its web server declare a charset without looking at the body, so UTF-8 that decodes is UTF-8.
    Of the other charsets only those with one byte a character are believed.
    """
    if not _SINGLE_BYTE.fullmatch(charset) or _is_utf8(body):
        return "utf-8"
    try:
        return codecs.lookup(charset).name
    except LookupError:
        return "utf-8"


def _is_utf8(body: Content) -> bool:
    if body.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(body), WINDOW):
            decoder.decode(body[start : start + WINDOW], final=start + WINDOW >= len(body))
    except UnicodeDecodeError:
        return False
    return True


class BrokenOffError(Exception):
    """The list ends too early, or goes wrong in a way that nothing behind it can be believed."""

    def __str__(self) -> str:
        return "it goes wrong or breaks off"


class Windows:
    """The text of a body from ``at`` on, as far as it is decoded. Bytes that are no text become U+FFFD."""

    def __init__(self, body: Content, charset: str = "") -> None:
        self.text = ""
        self.at = 0
        self.size = len(body)
        self._body = body
        self._next = 0
        self._encoding = encoding(body, charset)
        self._decoder = codecs.getincrementaldecoder(self._encoding)("replace")

    @property
    def is_whole(self) -> bool:
        """Whether everything up to the end of the body is decoded."""
        return self._next >= self.size

    @property
    def ahead(self) -> int:
        """How many characters are decoded and not yet read."""
        return len(self.text) - self.at

    def more(self) -> bool:
        """Decode another window; return False where the body has no more. ``at`` may change."""
        if self.is_whole:
            return False
        end = self._next + WINDOW
        piece = self._decoder.decode(self._body[self._next : end], final=end >= self.size)
        self._next = end
        self.text = self.text[self.at :] + piece
        self.at = 0
        return True

    def start(self) -> str:
        """Return the first window of the body, without white space around it."""
        decoder = codecs.getincrementaldecoder(self._encoding)("replace")
        return decoder.decode(self._body[:WINDOW]).strip().strip("\ufeff").strip()

    def skip_blanks(self) -> str:
        """Go on to the next character that is no white space, and return it; "" at the end."""
        while True:
            found = _BLANKS.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def line(self) -> str | None:
        """Return the next line and go on behind it; None at the end.

        Raises BrokenOffError where a line is longer than any record.
        """
        while (end := self.text.find("\n", self.at)) < 0:
            if self.ahead > LONGEST_RECORD:
                raise BrokenOffError
            if not self.more():
                end = len(self.text)
                break
        if end == self.at == len(self.text):
            return None
        line = self.text[self.at : end]
        self.at = min(end + 1, len(self.text))
        return line
