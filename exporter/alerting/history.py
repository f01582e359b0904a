"""What was recorded at each evaluation of late: ``avg_over_time`` and ``min_over_time`` of the rules."""

import math
from collections import deque
from collections.abc import Iterator
from statistics import fmean

_PRECISION = 1_000_000
"""As in the rules: an average that is exactly on a limit must not pass it by its last digit."""


class History:
    """What was recorded of late: a mapping for each moment."""

    def __init__(self, window: float) -> None:
        self._window = window
        self.recorded: deque[tuple[float, dict[str, float]]] = deque()

    def record(self, values: dict[str, float], now: float) -> None:
        """Record what is so now, and forget what is older than the window."""
        if self.recorded and self.recorded[-1][0] == now:
            self.recorded.pop()
        self.recorded.append((now, values))
        while now - self.recorded[0][0] > self._window:
            self.recorded.popleft()

    def restore(self, key: str, value: float, moment: float) -> None:
        """Take back one value that was recorded; the moments come in their order."""
        if not self.recorded or self.recorded[-1][0] != moment:
            self.recorded.append((moment, {}))
        self.recorded[-1][1][key] = value

    def averages_above(self, limit: float) -> Iterator[tuple[str, float]]:
        """Return every key whose rounded average over the window is greater, with that average."""
        candidates = {key for _, values in self.recorded for key, value in values.items() if value > limit}
        for key in candidates:
            mean = rounded(fmean(values[key] for _, values in self.recorded if key in values))
            if mean > limit:
                yield key, mean


def rounded(value: float) -> float:
    """Return what ``round(value, 0.000001)`` of PromQL returns: a half is rounded up."""
    scaled = value * _PRECISION + 0.5
    return math.floor(scaled) / _PRECISION if math.isfinite(scaled) else value
