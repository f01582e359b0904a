"""Set the wall clock of a program with libfaketime; its monotonic clock is unchanged."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FakeClock:
    """A wall clock with an offset."""

    library: Path
    file: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which the program must be started."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, ahead: float) -> None:
        """Set the offset in seconds."""
        written = self.file.with_suffix(".new")
        written.write_text(f"{ahead:+.0f}\n")
        written.replace(self.file)


def fake_clock(require_program: Callable[[str, str], str], directory: Path) -> FakeClock:
    """Return a clock without an offset, or skip the test if libfaketime is not installed."""
    require_program("faketime", "faketime")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    clock = FakeClock(library, directory / "faketime")
    clock.jump(0)
    return clock
