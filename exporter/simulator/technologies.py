"""The technologies of phones. SIP and PJSIP phones register; custom and virtual extensions do not."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

_GOLDEN_RATIO = 0.6180339887498949
"""Its multiples, modulo 1, are spread evenly: even ten phones have about the configured shares."""


class Technology(StrEnum):
    """``ex_tech`` in INFO extensions. Names are documented (wire notes 2026-10), upper case is a guess."""

    SIP = "SIP"  # chan_sip
    PJSIP = "PJSIP"
    CUSTOM = "CUSTOM"
    VIRTUAL = "VIRTUAL"


UNREGISTRABLE = frozenset({Technology.CUSTOM, Technology.VIRTUAL})
"""Technologies of extensions that never register (documented, wire notes 2026-10)."""


@dataclass(frozen=True, slots=True)
class Technologies:
    """The shares (0 to 1) of phones that are not SIP. Raises ValueError if they exceed 1 in total."""

    pjsip: float = 0.0
    custom: float = 0.0
    virtual: float = 0.0

    def __post_init__(self) -> None:
        shares = (self.pjsip, self.custom, self.virtual)
        if not (all(share >= 0 for share in shares) and sum(shares) <= 1):
            raise ValueError("technologies: expected shares of at least 0 that are at most 1 in total")

    @classmethod
    def parse(cls, text: str) -> "Technologies":
        """Return the shares in a text such as ``pjsip=0.4,custom=0.05``. Raises ValueError."""
        pairs = [pair.split("=", 1) for pair in text.split(",") if pair]
        try:
            return cls(**{name.strip(): float(share) for name, share in pairs})
        except (TypeError, ValueError) as error:
            raise ValueError(
                f'expected shares such as pjsip=0.4,custom=0.05,virtual=0.05, got "{text}"'
            ) from error

    def of_phones(self, count: int, first: float) -> tuple[Technology, ...]:
        """Return the technology of each phone of a tenant. ``first`` (0 to 1) makes tenants differ."""
        return _of_phones(self, count, first if self != ONLY_SIP else 0.0)


ONLY_SIP = Technologies()


@lru_cache(maxsize=64)
def _of_phones(shares: Technologies, count: int, first: float) -> tuple[Technology, ...]:
    return tuple(_at(shares, (first + position * _GOLDEN_RATIO) % 1) for position in range(count))


def _at(shares: Technologies, place: float) -> Technology:
    for technology, share in (
        (Technology.PJSIP, shares.pjsip),
        (Technology.CUSTOM, shares.custom),
        (Technology.VIRTUAL, shares.virtual),
    ):
        if place < share:
            return technology
        place -= share
    return Technology.SIP
