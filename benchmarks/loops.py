"""How long an event loop stands still at most."""

import asyncio
import time


class Watch:
    """Notes the longest step of the event loop, in seconds of CPU: others on the machine do not count."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin anew."""
        self.longest = 0.0
        self._task = asyncio.create_task(self._run())

    def stop(self) -> float:
        """End, and return the longest step."""
        if self._task:
            self._task.cancel()
        return self.longest

    async def _run(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)  # due again at once: each time round is one step of the loop
            now = time.thread_time()
            self.longest = max(self.longest, now - before)
            before = now
