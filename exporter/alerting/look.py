"""What the daemon is shown of one switch."""

from dataclasses import dataclass

from exporter.store import Store


@dataclass(frozen=True, slots=True)
class Look:
    """One switch as it is now.

    ``up`` is None before the first attempt has ended; ``offset`` is added to monotonic seconds for a moment;
    ``speed`` is how many seconds of moments go by in a second of the switch: 1, but for tests.
    """

    store: Store
    up: bool | None
    breaker_open: bool
    offset: float
    speed: float = 1.0
