"""Formats numbers for the pages. ``static/words.js`` formats them in the same way. Pure."""

UNKNOWN = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_DAY = 86_400
_UNITS = ((_DAY, 172_800, "d"), (3600, 7200, "h"), (60, 120, "min"), (1, 0, "s"))
"""Seconds of each unit, the smallest number of seconds that it is used for, and its symbol."""


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
