"""The newest answers that gave no value, as far as they may be shown.

They are kept apart from the failures, of which there may be one for each of 250,000 extensions.
"""

from exporter.model import Reason, Target

_KEPT = 50
"""Of each switch, with at most 2,048 characters each."""


class Answers:
    """What a switch answered to targets that failed: the newest of each, and of the newest 50 targets."""

    def __init__(self) -> None:
        self._kept: dict[Target, tuple[Reason, str]] = {}

    def keep(self, target: Target, reason: Reason, text: str) -> None:
        """Keep what may be shown of an answer that failed for this reason; the oldest makes room."""
        self._kept.pop(target, None)
        self._kept[target] = reason, text
        if len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]

    def forget(self, target: Target) -> None:
        """Forget the answer of a target, whose newest request gave a value, or no answer at all."""
        self._kept.pop(target, None)

    def of(self, target: Target, reason: Reason) -> str | None:
        """Return the answer behind a failure, or None where there was none or it had to make room."""
        kept = self._kept.get(target)
        return kept[1] if kept and kept[0] is reason else None
