"""Makes invisible characters visible in what the pages show. Pure.

Names come from the switch. A control character in one would rearrange the text around it, and a name of
zero-width characters only would be a link that nobody can see. ``static/visible.js`` does the same.
"""

import re
from typing import Any

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Controls, bidirectional controls, zero-width and blank characters, and halves of surrogate pairs."""


def visible(text: str) -> str:
    r"""Return a text with ``\u202e`` and the like instead of invisible characters. Line breaks stay."""
    if text.isascii() and text.isprintable():  # most texts; the regular expression is slower
        return text
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def finalized(value: Any) -> Any:  # noqa: ANN401 -- jinja2 passes the value of any expression
    """Return the value of an expression of a template, visible. Text that is escaped already stays."""
    return value if not isinstance(value, str) or hasattr(value, "__html__") else visible(value)
