"""Whether a key is refused for everything: pure decisions, with the clock passed in.

One refusal proves nothing: the same sentence answers a wrong key, an unknown tenant and an operation the key
may not use (seen, wire notes 2026-10).
"""

from dataclasses import dataclass, field

from exporter.model import Failure, Target

_WITNESSES = 3
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 15 * 60.0
_DOUBLINGS = 20  # far above the cap, far below what a float can hold


@dataclass(slots=True, eq=False)
class KeyHealth:
    """How one key fares. Times are those of ``Clock.elapsed``.

    A changed key has a record of its own. Each request keeps the record of the key that it was sent with, so
    that its answer is credited to that key, whatever the key is by then.

    The key counts as refused after refusals of three different targets with no success since. Then one trial
    is let through after 5 s, the next after twice as long, and so on, up to 15 minutes.

    ``owner`` is a tenant code, or "" for the admin key; ``source`` is where the key comes from. ``slowed``
    are the targets that are asked more slowly because this key was refused. ``has_counted_calls``: COUNTCALLS
    has given a number with it, so an empty answer means no calls.
    """

    key: str = field(repr=False)
    owner: str = ""
    source: str = ""
    refused: set[Target] = field(default_factory=set)
    slowed: set[Target] = field(default_factory=set)
    trials: int = 0
    retry_at: float = 0.0
    is_refused: bool = False
    has_counted_calls: bool = False

    def may_send(self, now: float) -> bool:
        """Tell whether a request with this key may go."""
        return not self.is_refused or now >= self.retry_at

    def record_send(self, now: float) -> None:
        """Take note that a request goes: with a refused key it is a trial, and the next one is later."""
        if self.is_refused:
            self._pause(now)

    def record(self, target: Target, failure: Failure | None, *, now: float) -> bool:
        """Learn from an attempt; return whether the key came to be refused, or to be accepted again."""
        was_refused = self.is_refused
        if failure is None:
            self.is_refused = False
            self.refused.clear()
            self.trials = 0
        elif failure.is_refusal and not was_refused:
            self.refused.add(target)
            if len(self.refused) >= _WITNESSES:
                self.is_refused = True
                self._pause(now)
        return self.is_refused is not was_refused

    def _pause(self, now: float) -> None:
        self.retry_at = now + min(_FIRST_PAUSE * 2.0 ** min(self.trials, _DOUBLINGS), _LONGEST_PAUSE)
        self.trials += 1
