"""Chance that can be repeated: the same numbers in, the same number out, on every machine and Python.

The state of the simulated world at any moment is computed from the seed alone, without the moments before
it. So nothing has to be kept for 250,000 phones, and skipping a year costs as much as skipping a second.
"""

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_MULTIPLIER = 0x9E37_79B9_7F4A_7C15
_INCREMENT = 0xD1B5_4A32_D192_ED03

# Topics keep the draws of one purpose apart from those of another.
CHARACTER = 1
OUTAGES = 2
SPARES = 3
WOBBLE = 4
ROUNDING = 5
RINGING = 6
DROPPED = 7
ROUND_TRIP = 8


def draw(*numbers: int) -> int:
    """Return a whole number of 64 bits that is fixed by ``numbers`` and looks like chance."""
    state = 0
    for number in numbers:
        state = ((state ^ number) * _MULTIPLIER + _INCREMENT) & _MASK
        state ^= state >> 32
    state = (state * _MULTIPLIER) & _MASK
    return state ^ (state >> 32)


def fraction(*numbers: int) -> float:
    """Return a number from 0 up to but not including 1 that is fixed by ``numbers``."""
    return (draw(*numbers) >> 11) / 2.0**53
