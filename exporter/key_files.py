"""Reload key files while the exporter runs, so that a rotated key is used within a second or two.

This happens in threads: on the event loop, a ``stat`` that took 3 s slowed every switch from 36 requests a
second to 0.6 (seen 2026-11). All files of a file system share one thread, because a file system hangs as a
whole.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence

import structlog

from exporter.config import Key
from exporter.threads import ThreadLimit

EVERY = 1.0
"""Seconds between two checks of the files."""

_CPU_SHARE = 0.05
"""Upper limit. Checking 5,000 files takes 25 ms (2026-11)."""


class KeyFiles:
    """Keeps keys up to date with their files. A disk counts as hanging after ``patience`` seconds."""

    def __init__(self, *, every: float = EVERY, patience: float = 30.0) -> None:
        self._every = every
        self._patience = patience
        self._threads: dict[int, ThreadLimit] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def follow(self, keys: Iterable[Key]) -> None:
        """Watch the files of these keys instead of those passed before."""
        self._cancel()
        by_device: dict[int, list[Key]] = {}
        for key in keys:
            if key.file:
                by_device.setdefault(key.device, []).append(key)
        self._tasks = [asyncio.create_task(self._watch(*device)) for device in by_device.items()]
        _warn(key for each in by_device.values() for key in each)

    async def stop(self) -> None:
        """Stop watching. A thread that hangs is abandoned."""
        stopped = self._tasks
        self._cancel()
        await asyncio.gather(*stopped, return_exceptions=True)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    async def _watch(self, device: int, keys: Sequence[Key]) -> None:
        threads = self._threads.setdefault(device, ThreadLimit("key files", 1))
        log = _ProblemLog()
        pause = self._every
        while True:
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(self._patience):
                    spent, changed = await threads.run(lambda: _reload(keys))
            except (TimeoutError, RuntimeError) as error:  # RuntimeError: no thread can be started
                reason = str(error) or f"no answer from the disk within {self._patience:g} s"
                log.update(dict.fromkeys(keys, reason), at_once=True)
                continue
            log.update({key: key.problem for key in keys if key.problem})
            _warn(changed)
            pause = max(self._every, spent / _CPU_SHARE)


class _ProblemLog:
    """Logs problems of key files once, and when they are fixed."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("exporter.keys")
        self._previous: Mapping[Key, str] = {}
        self._logged: dict[Key, str] = {}

    def update(self, problems: Mapping[Key, str], *, at_once: bool = False) -> None:
        """Log new problems, by default only if they persist: the file may have been half written."""
        new = {
            key: problem
            for key, problem in problems.items()
            if (at_once or self._previous.get(key) == problem) and self._logged.get(key) != problem
        }
        self._previous = problems
        if new:
            first = next(iter(new))
            self._log.warning(
                "key files cannot be read; the last keys stay in use",
                file=str(first.file),
                files=len(new),
                reason=new[first],
            )
            self._logged |= new
        fixed = [key for key in self._logged if key not in problems]
        for key in fixed:
            del self._logged[key]
        if fixed and not self._logged:
            self._log.info("key files can be read again", file=str(fixed[0].file), files=len(fixed))


def _warn(keys: Iterable[Key]) -> None:
    """Log the files whose content is probably not the key."""
    log = structlog.get_logger("exporter.keys")
    found = [(key.file, key.warning) for key in keys if key.warning]
    if found:
        log.warning(
            "key files are probably wrong; their content is sent as it is",
            file=str(found[0][0]),
            files=len(found),
            reason=found[0][1],
        )


def _reload(keys: Iterable[Key]) -> tuple[float, list[Key]]:
    """Reload the keys whose files changed; return the CPU seconds this took, and the keys that changed."""
    began = time.thread_time()
    changed = []
    for key in keys:
        before = key.generation
        key.reload()
        if key.generation != before:
            changed.append(key)
    return time.thread_time() - began, changed
