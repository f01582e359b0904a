"""Whether the switch, or a proxy before it, asked to be left alone. Pure: the time is passed in."""

from exporter.model import Failure
from exporter.poll.backoff import LONGEST

_LOGGED_EVERY = 15 * 60.0


class Pause:
    """Sends nothing to a switch for as long as ``Retry-After`` says, up to 15 minutes. Times are seconds.

    Before ``until`` it is too early to ask anything.
    """

    def __init__(self) -> None:
        self.until = float("-inf")
        self._logged_at = float("-inf")

    def note(self, failure: Failure, now: float) -> float | None:
        """Learn from an attempt; return for how many seconds nothing is sent, where that is to be logged.

        That is not more often than every 15 minutes: a switch may ask for it every second.
        """
        if not failure.retry_after:
            return None
        seconds = min(failure.retry_after, LONGEST)
        self.until = max(self.until, now + seconds)
        if now - self._logged_at < _LOGGED_EVERY:
            return None
        self._logged_at = now
        return seconds
