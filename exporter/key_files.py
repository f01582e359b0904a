"""Reads key files again while the exporter runs, so that a rotated key is used within a second or two.

Not on the event loop: one ``stat`` that took 3 s slowed every switch from 36 requests a second to 0.6
(seen 2026-11). The files of one file system share a thread, because a file system hangs as a whole.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence

import structlog

from exporter.config import Key
from exporter.threads import ThreadLimit

EVERY = 1.0
"""Seconds between two looks at the files."""

_SHARE = 0.05
"""Of a processor, at most: a look at 5,000 files takes 25 ms (2026-11)."""


class KeyFiles:
    """Keeps keys up to date with their files. ``patience``: seconds after which a disk counts as hanging."""

    def __init__(self, *, every: float = EVERY, patience: float = 30.0) -> None:
        self._every = every
        self._patience = patience
        self._threads: dict[int, ThreadLimit] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._log = structlog.get_logger("exporter.keys")

    def follow(self, keys: Iterable[Key]) -> None:
        """Read the files of these keys again and again, and no others any more."""
        self._cancel()
        by_device: dict[int, list[Key]] = {}
        for key in keys:
            if key.file:
                by_device.setdefault(key.device, []).append(key)
        self._tasks = [asyncio.create_task(self._follow(*device)) for device in by_device.items()]

    async def stop(self) -> None:
        """Read no file any more. A thread that hangs is left to the end of the program."""
        stopped = self._tasks
        self._cancel()
        await asyncio.gather(*stopped, return_exceptions=True)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    async def _follow(self, device: int, keys: Sequence[Key]) -> None:
        threads = self._threads.setdefault(device, ThreadLimit("key files", 1))
        pause, hangs = self._every, False
        unusable = _Unusable()
        while True:
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(self._patience):
                    spent = await threads.run(lambda: _read_again(keys))
            except (TimeoutError, RuntimeError) as error:  # the latter where no thread can be started
                if not hangs:
                    self._log.warning(
                        "key files cannot be read; the last keys stay in use",
                        file=str(keys[0].file),
                        files=len(keys),
                        reason=str(error) or f"no answer from the disk within {self._patience:g} s",
                    )
                hangs = True
                continue
            if hangs:
                self._log.info("key files can be read again", file=str(keys[0].file))
            unusable.note({key: key.problem for key in keys if key.problem})
            pause, hangs = max(self._every, spent / _SHARE), False


class _Unusable:
    """Logs which key files cannot be used, once they are so in two looks: one may just be being written."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("exporter.keys")
        self._before: Mapping[Key, str] = {}
        self._told: dict[Key, str] = {}

    def note(self, problems: Mapping[Key, str]) -> None:
        """Take note of what is wrong with each key file now."""
        lasting = [key for key, problem in problems.items() if self._before.get(key) == problem]
        self._before = problems
        new = [key for key in lasting if self._told.get(key) != problems[key]]
        if new:
            self._log.warning(
                "key files cannot be read; the last keys stay in use",
                file=str(new[0].file),
                files=len(new),
                reason=problems[new[0]],
            )
            self._told |= {key: problems[key] for key in new}
        over = self._told.keys() - problems.keys()
        for key in over:
            del self._told[key]
        if over and not self._told:
            self._log.info("key files can be read again", files=len(over))


def _read_again(keys: Iterable[Key]) -> float:
    """Read what has changed; return the seconds of processor time this took."""
    began = time.thread_time()
    for key in keys:
        key.read_again()
    return time.thread_time() - began
