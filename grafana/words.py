"""Colors and words for values. A state is always shown as a word (a value mapping), never as a color alone.

An empty result may mean that nothing is wrong, or that nothing is known. If an empty result would look like
good news, the query returns one of the constants below instead (see ``known``). They are negative, unlike
counts and ratios, and too small to change the scale of a graph.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

GOOD, WARNING, CRITICAL, NEUTRAL = "green", "orange", "red", "text"


class Word(NamedTuple):
    """The text and color that replace a value."""

    text: str
    colour: str


Numbered = Mapping[float, Word]
Words = Numbered | Mapping[str, Word]
Steps = Sequence[tuple[float | None, str]]
"""Colors, each with the value from which it applies. None is the lowest value."""

NO_DATA, NO_RULES, INCOMPLETE, CLEAR = -0.001, -0.002, -0.003, -0.009
NOT_POLLED, NO_LIMIT, NOT_SET, NOTHING_SPENT = -0.005, -0.006, -0.007, -0.008

UNKNOWN: Numbered = MappingProxyType(
    {
        NO_DATA: Word("NO DATA", CRITICAL),
        NO_RULES: Word("NO RULES", CRITICAL),
        INCOMPLETE: Word("some unknown", WARNING),
        NOT_POLLED: Word("not polled", NEUTRAL),
        NO_LIMIT: Word("no limit", NEUTRAL),
        NOT_SET: Word("not set", NEUTRAL),
        NOTHING_SPENT: Word("no spending", NEUTRAL),
    }
)
"""All constants except ``CLEAR``."""

BALANCE_UNKNOWN, STATE_UNKNOWN = -(10**12), 3
"""Instead of ``NO_DATA`` in a table of balances, which may be negative, and of severities: worst first."""

NONE_FOUND: Numbered = MappingProxyType({CLEAR: Word("none", GOOD)})
NONE_OF_THEM: Numbered = MappingProxyType({0: Word("none", GOOD)})
OF_SEVERITIES = {"critical": CRITICAL, "warning": WARNING}
"""The colors of thresholds in graphs."""

SEVERITIES: Words = MappingProxyType(
    {"critical": Word("CRITICAL", CRITICAL), "warning": Word("warning", WARNING)}
)
WORST: Numbered = MappingProxyType({1: Word("warning", WARNING), 2: Word("CRITICAL", CRITICAL), **NONE_FOUND})
"""The severity of the worst alert."""

BELOW: Numbered = MappingProxyType(
    {0: Word("ok", GOOD), 1: Word("below warning", WARNING), 2: Word("BELOW CRITICAL", CRITICAL)}
)
"""How a value compares to its thresholds."""

UP: Numbered = MappingProxyType({0: Word("DOWN", CRITICAL), 1: Word("up", GOOD)})
ANY_IS_CRITICAL: Steps = ((None, GOOD), (1, CRITICAL))
ANY_IS_WARNING: Steps = ((None, GOOD), (1, WARNING))
LOW_BALANCE: Steps = ((None, CRITICAL), (4, WARNING), (24, GOOD))
"""Hours until the balance is used up: the thresholds of SoftswitchBalanceRunningOut."""

NODE_FULL: Steps = ((None, GOOD), (0.8, WARNING), (0.95, CRITICAL))
"""Used share of a node's channels: the thresholds of SoftswitchNodeChannelsNearLimit."""

TENANT_FULL: Steps = ((None, GOOD), (0.9, WARNING), (1.0, CRITICAL))
"""Used share of a tenant's limit: the threshold of SoftswitchTenantChannelsNearLimit, and the limit."""

PLAIN: Steps = ((None, NEUTRAL),)
