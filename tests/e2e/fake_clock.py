"""The wall clock of one program, moved by libfaketime. Its monotonic clock stays the true one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FakeClock:
    """A clock that shows so many seconds more than ours."""

    library: Path
    file: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the program is to be started with."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, ahead: float) -> None:
        """Let the clock show so much more than ours from now on."""
        written = self.file.with_suffix(".new")
        written.write_text(f"{ahead:+.0f}\n")
        written.replace(self.file)


def fake_clock(require_program: Callable[[str, str], str], directory: Path) -> FakeClock:
    """Return a clock that a test can move, at first the true one; skips where libfaketime is missing."""
    require_program("faketime", "faketime")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    clock = FakeClock(library, directory / "faketime")
    clock.jump(0)
    return clock
