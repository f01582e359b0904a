"""The time of the simulated world: faster than ours if wanted, and it can be stopped."""

from collections.abc import Callable

_MORNING = 9 * 3600.0
"""The world begins at nine in the morning, when there is something to see."""


class WorldClock:
    """Tells the moment: seconds since the world's first midnight.

    It moves once per second of ``clock``, by ``speed`` seconds. So all answers within one second describe
    the same moment and agree with each other.
    """

    def __init__(self, clock: Callable[[], float], *, speed: float = 1.0) -> None:
        self._clock = clock
        self._speed = speed
        self._since = clock()
        self._moment = _MORNING
        self._frozen = False

    @property
    def frozen(self) -> bool:
        """Whether time stands still."""
        return self._frozen

    @property
    def speed(self) -> float:
        """Seconds of the world per second of ours."""
        return self._speed

    def moment(self) -> float:
        """Return the seconds since the world's first midnight."""
        return self._moment if self._frozen else self._moment + int(self._clock() - self._since) * self._speed

    def freeze(self, *, frozen: bool = True) -> None:
        """Stop time, or let it go on from where it stopped."""
        self._settle()
        self._frozen = frozen

    def set_speed(self, speed: float) -> None:
        """Go on at another speed from here. Raises ValueError where it is not above 0."""
        if not speed > 0:
            raise ValueError("the speed must be above 0")
        self._settle()
        self._speed = speed

    def advance(self, seconds: float) -> None:
        """Skip seconds of the world, frozen or not."""
        self._settle()
        self._moment += seconds

    def _settle(self) -> None:
        now = self._clock()
        # The begun second is kept, or else whoever changes something often would hold time still.
        begun = 0.0 if self._frozen else (now - self._since) % 1
        self._moment = self.moment()
        self._since = now - begun
