"""Durations as Prometheus writes them: ``30s``, ``5m``, ``6h``, ``30d``, ``1h30m``."""

import re

from exporter.wording import shown

_UNITS = {"y": 31536000.0, "w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
"""Seconds in each unit, the longest first. A year has 365 days, as in Prometheus."""

_FORM = re.compile("".join(f"(?:([0-9]{{1,12}}){unit})?" for unit in _UNITS))
_LONGEST = 2.0**63 / 1e9  # seconds; Prometheus counts nanoseconds in 64 bits

EXAMPLES = "30s, 5m, 6h or 30d"


def parse(text: str) -> float:
    """Return the seconds a duration lasts. Raises ValueError, which names the form, for anything else."""
    if text == "0":
        return 0.0
    match = _FORM.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{shown(text)} is not a duration; write one such as {EXAMPLES}")
    pairs = zip(match.groups(default="0"), _UNITS.values(), strict=True)
    seconds = sum(int(count) * unit for count, unit in pairs)
    if seconds >= _LONGEST:
        raise ValueError(f"{shown(text)} is longer than 292 years; write a duration such as {EXAMPLES}")
    return seconds


def text(seconds: float) -> str:
    """Return the duration in the same form, to the millisecond, in days at most: 30d says more than 4w2d."""
    left = round(seconds * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(_UNITS[unit] * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
