"""Figures as the templates of Prometheus write them, so that a text is the same whoever sends it."""

import math

_SECONDS_A_DAY = 86_400


class Figure(float):
    """A value in a description. Formats: ``percentage``, ``duration``, those of float, and none."""

    __slots__ = ()

    def __format__(self, form: str) -> str:
        if form == "percentage":
            return f"{_significant(self * 100)}%"
        if form == "duration":
            return _duration(float(self))
        return float.__format__(self, form) if form else str(self)

    def __str__(self) -> str:
        return str(int(self)) if self.is_integer() else repr(float(self))


def _significant(value: float) -> str:
    """Return four significant digits, as ``%.4g`` does."""
    if not math.isfinite(value):
        return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")
    return f"{value:.4g}"


def _duration(seconds: float) -> str:
    """Return ``humanizeDuration`` of whole seconds: a license is told in days, and a day has 86,400."""
    if not math.isfinite(seconds):
        return _significant(seconds)
    if abs(seconds) < 1:
        return f"{_significant(seconds)}s"
    sign = "-" if seconds < 0 else ""
    days, rest = divmod(int(abs(seconds)), _SECONDS_A_DAY)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {rest}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {rest}s"
    if minutes:
        return f"{sign}{minutes}m {rest}s"
    return f"{sign}{_significant(abs(seconds))}s"
