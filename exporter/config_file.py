"""Whether the configuration can be loaded: the outcome of the latest reload, and the validity of the file.

An invalid configuration does not affect a running exporter, but it prevents the next start, perhaps weeks
later. So the log, metrics, the status and an alert report it.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import structlog

from exporter.clock import Clock
from exporter.config import Configuration
from exporter.config.include import expand
from exporter.errors import ConfigurationError, ExporterError, shortened
from exporter.metrics.self_metrics import Instruments
from exporter.threads import ThreadLimit

CHECK_EVERY = 60.0
"""Seconds between two checks of the file."""

RELOAD_EVERY = 5.0
"""The same with ``--config.auto-reload``. A change is applied after two checks."""

_READ_INVALID_EVERY = 10
"""After how many checks an invalid configuration is read although no file has changed."""

_MOST_UNSETTLED = 12
"""After how many checks that each find another change a file is read nevertheless."""

_LOAD_THREADS = 8
"""How many threads may read the configuration. If the disk hangs, each reload blocks one forever."""

_MOST_ERRORS = 20
_MOST_CHARACTERS = 4_000
"""How many lines and characters of the errors the status contains: it is requested often."""

Json = dict[str, Any]
_Result = TypeVar("_Result")


async def read_in_thread(
    read: Callable[[], _Result], threads: ThreadLimit, limit: float, source: str
) -> _Result:
    """Read a configuration in a thread. Raises ConfigurationError if that takes more than ``limit`` seconds.

    If the disk hangs, or the file is very large, only this thread is blocked. The next reload and the exit do
    not wait for it.
    """
    try:
        async with asyncio.timeout(limit):
            return await threads.run(read)
    except TimeoutError:
        problem = (
            f"not read within {limit:g} s; check its disk, those of the files that it names, and whether the "
            "file is too large for this machine (`--config.check` has no limit)"
        )
        raise ConfigurationError(source, [problem]) from None


@dataclass(slots=True)
class _Failure:
    """Consecutive failures: when the first one happened, and the errors of the latest one."""

    since: float
    errors: list[str]


class ConfigurationHealth:
    """Whether the latest reload succeeded, and whether the file on disk is valid."""

    def __init__(self, instruments: Instruments, mask: Callable[[str], str], clock: Clock) -> None:
        self._instruments = instruments
        self._mask = mask
        self._clock = clock
        self._reload: _Failure | None = None
        self._file: _Failure | None = None

    @property
    def is_good(self) -> bool:
        """Whether the latest reload succeeded and the exporter could start with the file on disk."""
        return self._reload is None and self._file is None

    @property
    def is_file_valid(self) -> bool:
        """Whether the file was valid when it was last read."""
        return self._file is None

    def reload_succeeded(self) -> None:
        """Record that the configuration was loaded and applied."""
        self._reload = None
        self._instruments.reload_successful.set(1)
        self._instruments.reload_timestamp.set(self._clock.wall())

    def reload_failed(self, error: BaseException) -> None:
        """Record why the configuration was not loaded or not applied."""
        self._reload = self._failed(self._reload, error)
        self._instruments.reload_successful.set(0)

    def file_valid(self) -> None:
        """Record that the file on disk is valid."""
        self._file = None
        self._instruments.file_valid.set(1)

    def file_invalid(self, error: ConfigurationError) -> bool:
        """Record the errors in the file on disk. Return whether they differ from those before."""
        before = self._file.errors if self._file else None
        self._file = self._failed(self._file, error)
        self._instruments.file_valid.set(0)
        return self._file.errors != before

    def status(self) -> Json:
        """Return ``configuration`` of ``/api/v1/status``: ages in seconds, and the errors without keys.

        The errors of an invalid file take precedence: they explain a failed reload and are at least as new.
        """
        failure = self._file or self._reload
        return {
            "reload_failed_age_seconds": self._age(self._reload),
            "file_invalid_age_seconds": self._age(self._file),
            "errors": list(failure.errors) if failure else [],
        }

    def _failed(self, before: _Failure | None, error: BaseException) -> _Failure:
        since = before.since if before else self._clock.elapsed()
        if isinstance(error, ExporterError):
            text = self._mask(shortened(error, lines=_MOST_ERRORS, characters=_MOST_CHARACTERS))
        elif isinstance(error, Exception):
            text = "internal error; see the log"
        else:
            text = "the reload was interrupted; try again"
        return _Failure(since, text.split("\n"))

    def _age(self, failure: _Failure | None) -> float | None:
        return None if failure is None else round(max(0.0, self._clock.elapsed() - failure.since), 3)


Stamp = tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class Stamps:
    """The stamp of each file. ``patterns`` match further files: a new one is a change."""

    of_files: Mapping[Path, Stamp] = field(default_factory=dict)
    patterns: frozenset[str] = frozenset()

    @classmethod
    def take(cls, files: Iterable[Path], patterns: Iterable[str] = ()) -> "Stamps":
        """Return the current stamps of these files."""
        patterns = frozenset(patterns)
        matching = (file for pattern in patterns for file in expand(pattern))
        return cls({file: _stamp(file) for file in {*files, *matching}}, patterns)

    def again(self) -> "Stamps":
        """Return the current stamps of the same files, and of those that match now."""
        return self.take(self.of_files, self.patterns)

    def since(self, before: "Stamps") -> "Stamps":
        """Return these stamps, but those in ``before`` for the same files."""
        older = {file: stamp for file, stamp in before.of_files.items() if file in self.of_files}
        return Stamps({**self.of_files, **older}, self.patterns)


def _stamp(file: Path) -> Stamp:
    """Return a value that differs after an edit in place, a rename, chmod, or a change of a symbolic link."""
    try:
        status = os.stat(file)  # noqa: PTH116 -- 5,000 key files a minute: Path.stat takes twice as long
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What was read, or why not, and the stamps of the files that this depends on."""

    result: Configuration | ConfigurationError
    stamps: Stamps


class ConfigurationFile:
    """The configuration file at ``path``. ``load`` reads it, and raises ConfigurationError if it is invalid.

    ``limit``: seconds that reading it and the files that it names may take. ``settles``: whether a check
    reads a changed file only if the next check finds it unchanged, because it may be half written.
    """

    def __init__(
        self,
        load: Callable[[], Configuration],
        path: Path | None,
        health: ConfigurationHealth,
        *,
        limit: float,
        settles: bool = False,
    ) -> None:
        self._load = load
        self._path = path
        self._health = health
        self._limit = limit
        self._stamps = Stamps()
        self._seen = Stamps()
        self._settles = settles
        self._unsettled = 0
        self._loads = 0
        self._unchanged = 0
        self._threads = ThreadLimit("configuration", _LOAD_THREADS)
        self._check_threads = ThreadLimit("configuration check", 1)
        self._log = structlog.get_logger("exporter.config")

    async def load(self) -> Configuration:
        """Read the configuration and return it, to be applied. Raises ConfigurationError."""
        try:
            outcome = await read_in_thread(self._read, self._threads, self._limit, "configuration")
        except ConfigurationError as error:
            outcome = _Outcome(error, Stamps())
        self._loads += 1
        self._record(outcome)
        if isinstance(outcome.result, ConfigurationError):
            raise outcome.result
        return outcome.result

    async def check(self) -> bool:
        """Read the configuration without applying it, if a file has changed since it was last read.

        Return whether it was read and is valid, so that it can be applied.
        """
        if self._path is None:
            return False
        loads = self._loads
        known = None if self._is_due() else self._stamps
        try:
            outcome = await read_in_thread(
                lambda: self._read_if_changed(known), self._check_threads, self._limit, "configuration"
            )
        except ConfigurationError as error:
            outcome = _Outcome(error, Stamps())
        if outcome is None or loads != self._loads:  # unchanged, or a reload has read it in the meantime
            return False
        was_valid = self._health.is_file_valid
        is_new = self._record(outcome)
        if isinstance(outcome.result, ConfigurationError):
            if is_new:
                self._log.warning(
                    "configuration file is invalid; the exporter would not start with it",
                    problems=shortened(outcome.result),
                )
            return False
        if not was_valid:
            self._log.info("configuration file is valid again")
        return True

    def _is_due(self) -> bool:
        """Return whether to read an invalid configuration although no file has changed.

        A network file system may have failed to read a file that ``stat`` finds unchanged.
        """
        self._unchanged = 0 if self._health.is_file_valid else self._unchanged + 1
        return self._unchanged > 0 and self._unchanged % _READ_INVALID_EVERY == 0

    def _record(self, outcome: _Outcome) -> bool:
        """Record what was read. Return whether it has errors that are new."""
        self._stamps = outcome.stamps
        if isinstance(outcome.result, ConfigurationError):
            return self._health.file_invalid(outcome.result)
        self._health.file_valid()
        return False

    def _read_if_changed(self, known: Stamps | None) -> _Outcome | None:
        if known is not None and known.of_files:
            now = known.again()
            if now == known:
                return None
            is_settled, self._seen = now == self._seen, now
            self._unsettled = 0 if is_settled else self._unsettled + 1
            if self._settles and 0 < self._unsettled < _MOST_UNSETTLED:
                return None
            self._unsettled = 0
        return self._read()

    def _read(self) -> _Outcome:
        # Taken before the files are read: a change during the read then leads to another check.
        own = [self._path] if self._path else []
        before = self._stamps.again() if self._stamps.of_files else Stamps.take(own)
        result: Configuration | ConfigurationError
        try:
            result = self._load()
        except ConfigurationError as error:
            result = error
        return _Outcome(result, Stamps.take([*own, *result.files], result.patterns).since(before))
