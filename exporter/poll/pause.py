"""Whether the switch, or a proxy before it, asked to be left alone. Pure: the time is passed in."""

from exporter.model import Failure, Target
from exporter.poll.backoff import LONGEST

_WITNESSES = 3
_LOGGED_EVERY = 15 * 60.0


class Pause:
    """Sends nothing to a switch for as long as ``Retry-After`` says, up to 15 minutes. Times are seconds.

    It takes three different targets that were told so with no success since: one odd answer must not silence
    a switch. Each of the targets is left alone for as long in any case (``backoff``).

    Before ``until`` it is too early to ask anything. ``told`` are the first targets that were told so; when
    the time is over, one more that is told so is enough, until there is a success.
    """

    def __init__(self) -> None:
        self.until = float("-inf")
        self.told: set[Target] = set()
        self._logged_at = float("-inf")

    def note(self, target: Target, failure: Failure | None, now: float) -> float | None:
        """Learn from an attempt; return for how many seconds nothing is sent, where that is to be logged.

        That is not more often than every 15 minutes: a switch may ask for it every second.
        """
        if failure is None:
            self.told.clear()
        if failure is None or not failure.retry_after:
            return None
        if len(self.told) < _WITNESSES:
            self.told.add(target)
        if len(self.told) < _WITNESSES:
            return None
        seconds = min(failure.retry_after, LONGEST)
        self.until = max(self.until, now + seconds)
        if now - self._logged_at < _LOGGED_EVERY:
            return None
        self._logged_at = now
        return seconds
