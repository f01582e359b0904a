"""Validates values from a kept file, and calculates how long ago the file was written. Pure."""

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter.clock import Clock
from exporter.decode.values import UNSERVABLE, servable

INVALID = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading the content of a kept file may raise if it is not as the exporter wrote it."""

CENTURY = 100 * 365.25 * 86_400
"""The largest accepted duration, in seconds. Much larger numbers have rounding errors of over a minute."""

_CLOCK_IS_SET = 1e9
"""A machine without a battery boots in 1970, until it gets the time from the network. 1e9 is in 2001."""

_YEAR_10000 = 253_402_300_800.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def text(value: object) -> str:
    """Return the value if it is a string that can be shown. Raises TypeError or ValueError.

    Like a text from a switch, it has no NUL and no half of a surrogate pair: with one, no page could be sent.
    """
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    if UNSERVABLE.search(value):
        raise ValueError("expected text, got NUL or a surrogate")
    return value


def label(value: object) -> str:
    """Return the value if it can be the value of a label. Raises TypeError or ValueError."""
    found = text(value)
    if not servable(found):
        raise ValueError(f"expected a label value, got a text of {len(found)} characters")
    return found


def showable(written: str) -> str:
    """Return the text with what cannot be shown replaced."""
    return UNSERVABLE.sub("\ufffd", written)


def number(value: object) -> float:
    """Return the value if it is a finite number. Raises ValueError."""
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
    """Return the value if it is from 0 seconds to a century. Raises ValueError."""
    return within(0.0, number(value), CENTURY)


def wall(value: object) -> float:
    """Return the value if it is in seconds since 1970, before the year 10000. Raises ValueError."""
    return within(0.0, number(value), _YEAR_10000)


def within(least: float, found: float, greatest: float) -> float:
    """Return ``found``. Raises ValueError if it is not from ``least`` to ``greatest``."""
    if not least <= found <= greatest:
        raise ValueError(f"expected seconds from {least:.0f} to {greatest:.0f}, got {found:g}")
    return found


def boot_id() -> str:
    """Return the ID of the current boot of the machine, "" if unknown."""
    with contextlib.suppress(OSError):
        return _BOOT_ID.read_text().strip()
    return ""


def times(clock: Clock, boot: str) -> dict[str, float | str]:
    """Return the current times, for the first line of a file."""
    return {"wall": clock.wall(), "monotonic": clock.since_boot(), "boot": boot}


def elapsed(first: Mapping[str, Any], clock: Clock, boot: str, *, ahead: float = 0.0) -> float:
    """Return the seconds since a file with this first line was written, including time asleep.

    ``ahead``: by how many seconds the times in the line may be ahead. If they are, and there was no reboot,
    the result is negative. Raises ValueError or KeyError if the line has no valid times.
    """
    since_boot = _since_boot(first, clock, boot, ahead)
    if since_boot is not None:
        return since_boot
    # After a reboot, only the wall clock can tell. If it was set back in the meantime, or was not yet set
    # when the file was written, count no time.
    written = wall(first["wall"])
    return min(max(0.0, clock.wall() - written), CENTURY) if written >= _CLOCK_IS_SET else 0.0


def elapsed_at_least(first: Mapping[str, Any], clock: Clock, boot: str) -> float:
    """Return the seconds that have certainly passed since a file was written: after a reboot, none.

    Raises ValueError or KeyError if the line has no valid times.
    """
    return _since_boot(first, clock, boot) or 0.0


def _since_boot(first: Mapping[str, Any], clock: Clock, boot: str, ahead: float = 0.0) -> float | None:
    """Return the seconds since the file was written, or None if that was before a reboot."""
    passed = clock.since_boot() - moment(first["monotonic"])
    return passed if boot and first["boot"] == boot and passed >= -ahead else None
