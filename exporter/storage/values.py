"""Validates what is read from a kept file, and returns how long ago it was written. Pure."""

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter.clock import Clock

CENTURY = 100 * 365.25 * 86_400
"""Seconds. No exporter runs for longer, and rounding errors of far larger numbers exceed a minute."""

_YEAR_10000 = 253_402_300_800.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def text(value: object) -> str:
    """Return a text. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {type(value).__name__}")
    return value


def number(value: object) -> float:
    """Return a finite number. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number, got {type(value).__name__}")  # noqa: TRY004 -- one kind of error
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # a whole number of 400 digits
        is_finite = False
    if not is_finite:
        raise ValueError("expected a finite number")
    return value


def moment(value: object) -> float:
    """Return seconds from 0 to a century. Raises ValueError."""
    return within(0.0, number(value), CENTURY)


def wall(value: object) -> float:
    """Return a time in seconds since 1970, before the year 10000. Raises ValueError."""
    return within(0.0, number(value), _YEAR_10000)


def within(least: float, found: float, greatest: float) -> float:
    """Return the number. Raises ValueError if it is not between these."""
    if not least <= found <= greatest:
        raise ValueError(f"expected seconds from {least:.0f} to {greatest:.0f}, got {found:g}")
    return found


def boot_id() -> str:
    """Return what identifies the boot of the machine, "" if unknown."""
    with contextlib.suppress(OSError):
        return _BOOT_ID.read_text().strip()
    return ""


def times(clock: Clock, boot: str) -> dict[str, float | str]:
    """Return the present times, for the first line of a file."""
    return {"wall": clock.wall(), "monotonic": clock.since_boot(), "boot": boot}


def elapsed(first: Mapping[str, Any], clock: Clock, boot: str) -> float:
    """Return the seconds since a file with this first line was written, time asleep included.

    Raises ValueError or KeyError if the line has no valid times.
    """
    since_boot = clock.since_boot() - moment(first["monotonic"])
    if boot and first["boot"] == boot and since_boot >= 0:
        return since_boot
    # After a boot, only the wall clock is left. If it was set back since, count no time.
    return min(max(0.0, clock.wall() - wall(first["wall"])), CENTURY)
