"""The clocks, as an argument: nothing that decides reads the time behind one's back."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """``monotonic`` measures ages and never jumps; ``wall`` is for people: seconds since 1970."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
