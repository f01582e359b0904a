"""Formats numbers, durations and untrusted text for the pages. Pure.

Names come from the switch. A control character in one would rearrange the text around it, and a name of
zero-width characters only would be a link that nobody can see. ``static/words.js`` and ``static/visible.js``
format in the same way.
"""

import re
from typing import Any

UNKNOWN = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_DAY = 86_400
_UNITS = ((_DAY, 172_800, "d"), (3600, 7200, "h"), (60, 120, "min"), (1, 0, "s"))
"""Seconds of each unit, the smallest number of seconds that it is used for, and its symbol."""

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Controls, bidirectional controls, zero-width and blank characters, and halves of surrogate pairs."""


def count(value: float | None) -> str:
    """Return a number without decimals, such as 1,234."""
    return UNKNOWN if value is None else _signed(f"{value:,.0f}")


def targets(value: float | None) -> str:
    """Return a number of targets, such as ``2 targets``."""
    return f"{count(value)} target{'s' if value != 1 else ''}"


def money(value: float | None) -> str:
    """Return an amount with two decimals."""
    return UNKNOWN if value is None else _signed(f"{value:,.2f}")


def percent(value: float | None) -> str:
    """Return a ratio, such as 0.5, as a percentage."""
    return UNKNOWN if value is None else f"{value * 100:.3g} %"


def license_left(seconds: float | None) -> str:
    """Return how long a license is valid, such as 5 d. A switch counts whole days; the last one is day 0."""
    if seconds is None:
        return UNKNOWN
    days = int(abs(seconds) / _DAY + 0.5)
    if seconds < 0:
        return f"expired {days} d ago"
    return f"{days} d" if seconds >= _DAY else "expires today"


def duration(seconds: float | None) -> str:
    """Return a duration in one unit, such as 12 min."""
    if seconds is None:
        return UNKNOWN
    size, sign = next((size, sign) for size, least, sign in _UNITS if abs(seconds) >= least)
    return f"{_MINUS if seconds <= -size / 2 else ''}{int(abs(seconds) / size + 0.5)} {sign}"


def _signed(text: str) -> str:
    return text.replace("-", _MINUS)


def visible(text: str) -> str:
    r"""Return a text with ``\u202e`` and the like instead of invisible characters. Line breaks stay."""
    if text.isascii() and text.isprintable():  # most texts; the regular expression is slower
        return text
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def finalized(value: Any) -> Any:  # noqa: ANN401 -- jinja2 passes the value of any expression
    """Return the value of an expression of a template, visible. Text that is escaped already stays."""
    return value if not isinstance(value, str) or hasattr(value, "__html__") else visible(value)
