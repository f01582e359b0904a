"""Keeps in files what must survive a restart.

There are three files, because they change at different times: the timeline with each event, the memory of the
switches when a node or phone is first seen, and the state of alerts with each evaluation. The state of alerts
is in the format of ``exporter.alerting.state``, and ``exporter.alerting`` writes it.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import structlog

from exporter.clock import Clock
from exporter.errors import StartError
from exporter.storage.files import Content, StorageFile, claim
from exporter.storage.kept_file import InUseError
from exporter.storage.timeline import Kind, Timeline
from exporter.storage.values import INVALID, showable, text, wall

_SWITCHES_EVERY = 5.0
"""Minimum seconds between two writes of the memory of the switches (3 MB for 250,000 phones)."""

_REFRESHED_AFTER = 900.0
"""Seconds after which it is written even without a change, because it contains when nodes were last seen."""

_PATIENCE_AT_STOP = 1.0
"""Seconds that shutdown waits for these files. All of it takes at most 5, and alerting may need 2 of them."""

_TIMELINE_LIMIT = 8 * 2**20
_SWITCHES_LIMIT = 32 * 2**20
"""Bytes. A full timeline is usually 0.5 MB. 300,000 phones and 5,000 trunks of a switch are 4 MB."""

_ENTRIES_AT_A_TIME = 100
"""Entries of the timeline per line of the file. The event loop runs between two lines."""

Json = Mapping[str, Any]


class Memory(Protocol):
    """What is remembered of one switch."""

    @property
    def version(self) -> int:
        """A number that changes with what is remembered."""

    def parts(self) -> Iterator[Json]:
        """Yield the parts for the file."""


class Storage:
    """The files in a directory, and the timeline. Without a directory, the timeline is in memory only.

    ``every``: seconds between two checks for changes. ``is_taken_over``: whether another exporter wrote the
    files before, and may still have locked them.
    """

    def __init__(
        self, path: Path | None, clock: Clock, mask: Callable[[str], str] = str, *, every: float = 1.0
    ) -> None:
        self.path = path
        self.timeline = Timeline(clock, mask)
        self.is_taken_over = False
        self._every = every
        self._clock = clock
        self._log = structlog.get_logger("exporter.storage")
        self._timeline_file = StorageFile(path / "timeline.json", clock, _TIMELINE_LIMIT) if path else None
        self._switches_file = StorageFile(path / "switches.json", clock, _SWITCHES_LIMIT) if path else None
        self._memories: Callable[[], Mapping[str, Memory]] = dict
        self._kept: dict[str, list[Json]] = {}
        self._kept_at = 0.0
        self._written: tuple[int, Mapping[str, int]] = (0, {})
        self._switches_at = clock.monotonic()
        self._is_started = False
        self._is_open = False
        self._is_read = False
        self._was_killed = False
        self._writer: asyncio.Task[None] | None = None

    @property
    def alerts_file(self) -> Path | None:
        """The file for the state of alerts, unless ``state_file`` names another."""
        return self.path / "alerts.json" if self.path else None

    def uses(self, path: Path) -> bool:
        """Return whether a path is that of one of the two files here, or of its lock file."""
        files = [
            file.file.path.name for file in (self._timeline_file, self._switches_file) if file is not None
        ]
        # The names come first, so that the disk is usually not read.
        is_named = path.name in {*files, *(f"{name}.lock" for name in files)}
        return is_named and self.path is not None and _is_same(path.parent, self.path)

    async def open(self, *, handover: float = 0.0) -> None:
        """Lock the directory and read the files. Raises StartError if the operator has to fix something.

        ``handover``: seconds to wait until another exporter that is about to stand by has unlocked them. If
        they are still locked after that, the memory of the switches is read nevertheless: the other exporter
        may be paused. After an error it is open as well: every second, it tries to lock the directory again.
        """
        self.is_taken_over = handover > 0
        if self._timeline_file is None or self._switches_file is None or self._is_open:
            return
        self._is_open, self._is_read, self._written, self._kept = True, False, (0, {}), {}
        try:
            await self._read_timeline(handover)
            if not self._timeline_file.hangs:
                self._restore_switches(await self._switches_file.load())
        except StartError as error:
            if self.is_taken_over and isinstance(error.__cause__, InUseError):
                self._restore_switches(await self._switches_file.load_unlocked())
            raise
        finally:
            if self._is_started:
                self._begin_writing()

    async def _read_timeline(self, handover: float = 0.0) -> None:
        """Lock the directory, and merge the timeline in it. Raises StartError as ``open`` does."""
        if self.path is None or self._timeline_file is None or self._switches_file is None:
            return
        files = self._switches_file.file, self._timeline_file.file
        content = await self._timeline_file.load(partial(claim, self.path, files), handover=handover)
        if content:
            self._timeline_file.report_invalid(self._restore_timeline(content))
            polls = {Kind.EXPORTER_STARTED, Kind.EXPORTER_ACTIVE}
            last = self.timeline.last(*polls, Kind.EXPORTER_STOPPED, Kind.EXPORTER_STANDBY)
            self._was_killed = last is not None and last.kind in polls
        self._is_read = True

    async def check(self) -> None:
        """Raise StartError if ``open`` would, except for another exporter that has locked the directory."""
        if self.path is not None and self._timeline_file is not None:
            await self._timeline_file.read(partial(claim, self.path, ()))

    def start(self, version: str, memories: Callable[[], Mapping[str, Memory]]) -> None:
        """Start writing changes. ``memories`` returns the memory of each switch by name."""
        if self.path is None:
            self._log.info("no --storage.path: a restart forgets known nodes, alerts and the timeline")
        more = "; the previous run did not stop cleanly; perhaps it was killed" if self._was_killed else ""
        self.timeline.add(Kind.EXPORTER_STARTED, f"exporter started, version {version}{more}")
        self._memories = memories
        self._is_started = True
        if self._is_open:
            self._begin_writing()

    def _begin_writing(self) -> None:
        self._writer = asyncio.create_task(self._run(), name="storage")

    def take(self, switch: str) -> tuple[Iterable[Json], float]:
        """Return the kept parts of a switch and the seconds since they were written; the next time, none."""
        return self._kept.pop(switch, []), self._clock.since_boot() - self._kept_at

    def report_invalid(self, count: int) -> None:
        """Log that parts of the memory of a switch are invalid."""
        if self._switches_file is not None:
            self._switches_file.report_invalid(count)

    async def close(self) -> None:
        """Write everything one last time, and unlock the directory."""
        if self._is_started:
            self.timeline.add(Kind.EXPORTER_STOPPED, "exporter stopped")
        await self.release(self._memories())

    async def release(self, memories: Mapping[str, Memory]) -> None:
        """Write everything one last time, and unlock the directory until ``open``.

        Without memories, as after a takeover that failed, the memory of the switches stays as it is.
        """
        if self._timeline_file is None or self._switches_file is None or not self._is_open:
            return
        self._is_open = False
        files = self._timeline_file, self._switches_file
        if self._writer is not None:
            self._writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writer
        if not self._is_started or not self._is_read:
            await asyncio.gather(*(file.release() for file in files))
            return
        lines = partial(self._switch_lines, memories)
        await asyncio.gather(
            self._timeline_file.finish(self._timeline_lines, patience=_PATIENCE_AT_STOP),
            self._switches_file.finish(lines, patience=_PATIENCE_AT_STOP)
            if memories
            else self._switches_file.release(),
        )

    def status(self) -> dict[str, Any]:
        """Return ``timeline`` and ``storage`` of ``/api/v1/status`` (docs/status.md)."""
        errors = [file.error for file in (self._timeline_file, self._switches_file) if file is not None]
        return {
            "timeline": self.timeline.newest(),
            "storage": {
                "path": showable(str(self.path)) if self.path else None,
                "error": next((error for error in errors if error), None),
                "timeline_since_seconds": round(self.timeline.since, 3),
            },
        }

    async def _run(self) -> None:
        while True:
            try:
                await self._write_changes()
            except Exception:  # noqa: BLE001 -- a bug of ours must not stop later writes
                self._log.exception("job failed", job="storage")
            await asyncio.sleep(self._every)

    async def _write_changes(self) -> None:
        if self._timeline_file is None or self._switches_file is None:
            return
        if not self._is_read:  # the exporter that polled before was paused: do not replace its timeline
            try:
                await self._read_timeline()
            except StartError as error:
                self._timeline_file.failed(str(error))
                return
        timeline, switches = self._written
        waited = self._clock.monotonic() - self._switches_at
        found = {name: memory.version for name, memory in self._memories().items()}
        is_changed = found != switches or self._switches_file.error is not None
        # Nothing is found before a takeover has ended: keep what the other exporter has written.
        is_due = bool(found) and waited >= (_SWITCHES_EVERY if is_changed else _REFRESHED_AFTER)
        if is_due and await self._switches_file.update(partial(self._switch_lines, self._memories())):
            self._switches_at, switches = self._clock.monotonic(), found
        if self.timeline.version != timeline or self._timeline_file.error is not None:
            version = self.timeline.version
            if await self._timeline_file.update(self._timeline_lines):
                timeline = version
        self._written = timeline, switches

    def _timeline_lines(self) -> Iterator[str]:
        if self._timeline_file is None:
            return iter(())
        rows = self.timeline.rows()
        portions = iter(lambda: list(islice(rows, _ENTRIES_AT_A_TIME)), [])
        since = {"since": self.timeline.since}
        return self._timeline_file.lines(({"entries": portion} for portion in portions), since)

    def _switch_lines(self, memories: Mapping[str, Memory]) -> Iterator[str]:
        if self._switches_file is None:
            return iter(())
        parts = ({"switch": name, **part} for name, memory in memories.items() for part in memory.parts())
        return self._switches_file.lines(parts, {})

    def _restore_timeline(self, content: Content) -> int:
        first, parts, passed, at_least = content
        rows: list[Any] = []
        invalid = 0
        for part in parts:
            found = part.get("entries") if isinstance(part, dict) else None
            if isinstance(found, list):
                rows += found
            else:
                invalid += 1
        try:
            # Like everything in the file, it refers to the time when the file was written.
            complete_for = at_least + max(0.0, wall(first["wall"]) - wall(first["since"]))
        except INVALID:
            complete_for = 0.0
            invalid += 1
        return invalid + self.timeline.restore(rows, passed, complete_for=complete_for)

    def _restore_switches(self, content: Content | None) -> None:
        if content is None:
            return
        # The wall clock may be wrong after a reboot, and a missing node that is forgotten too early resolves
        # its alert. So the time during which the machine was off does not count: at worst, the alert about
        # a node that was removed in that time fires for up to a day.
        self._kept_at = self._clock.since_boot() - content.at_least
        invalid = 0
        for part in content.parts:
            try:
                self._kept.setdefault(text(part["switch"]), []).append(part)
            except INVALID:
                invalid += 1
        self.report_invalid(invalid)


def _is_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
