"""The state file on the disk: written whole or not at all, and read with distrust.

A file that is missing, broken, or of another version is a fresh start, never a reason not to start.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from exporter.alerting import state
from exporter.alerting.engine import Engine
from exporter.clock import Clock

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return what tells one run of the kernel from another, or "" where that is not known."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def write(path: Path, lines: Iterable[bytes]) -> None:
    """Replace the file in one step that survives a crash and a loss of power. Raises OSError."""
    new = path.with_name(f"{path.name}.new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(lines)  # one by one: joined they would be some milliseconds in one piece
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()  # on a full disk what is half written would take the room for the next one
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read(path: Path, clock: Clock, boot: str) -> tuple[Engine, float] | None:
    """Return the engine, and for how many seconds nobody kept it; None where there is no file.

    Raises OSError or ValueError where it cannot be used.
    """
    try:
        lines = path.read_bytes().decode().splitlines()
    except FileNotFoundError:
        return None
    try:
        engine, first = state.restore(lines)
        return engine, _elapsed(first, clock, boot)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"is not a state file that can be read: {type(error).__name__}") from error


def _elapsed(first: Mapping[str, Any], clock: Clock, boot: str) -> float:
    """Return the seconds since it was written, time asleep included, by the clock that counts since boot."""
    since_boot = clock.since_boot() - float(first["monotonic"])
    if boot and first["boot"] == boot and since_boot >= 0:
        return since_boot
    # After a boot only the wall clock can tell. One that was set back since counts as no time at all.
    return max(0.0, clock.wall() - float(first["wall"]))
