"""Accepting a list of names that may be wrong: tenants of a switch, extensions of a tenant.

A list that is suddenly short is more often a fault of the switch than the truth, and acting on it would
silence the alerts of all who are missing. Pure: no clock, no network.
"""

from collections.abc import Collection

_ALIKE = 3


class Roll:
    """The names that are believed, after each list that came."""

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        self._missing: frozenset[str] = frozenset()
        self._doubtful: frozenset[str] = frozenset()
        self._times = 0  # in a row that the doubtful list came
        self._trusts_next = False

    def call(self, listed: Collection[str], *, is_complete: bool = True) -> bool:
        """Take in a list; return False where it is not believed, and then nothing changes.

        It is not believed when it is empty or has lost more than half of the names, unless it comes for the
        third time alike. A name that is missing from two believed lists in a row is dropped. A list that is
        not complete, because a name in it could not be read, adds names and proves none to be missing.
        """
        new = frozenset(listed)
        lost = len(self.names - new)
        if not new or 2 * lost > len(self.names):
            self._times = self._times + 1 if new == self._doubtful else 1
            self._doubtful = new
            if self._times < _ALIKE and not self._trusts_next:
                self._missing -= new  # who is listed is there, whoever else is not
                return False
            self.names = new
            missing: frozenset[str] = frozenset()
        elif not is_complete:
            missing = self._missing - new
            self.names |= new
        else:
            missing = self.names - new
            self.names = (self.names | new) - (missing & self._missing)
        self._missing = missing
        self._times = 0
        self._trusts_next = False
        return True

    @property
    def is_in_doubt(self) -> bool:
        """Whether the newest list was not believed."""
        return self._times > 0

    def doubt_nothing(self) -> None:
        """Accept the next list if one is in doubt now: the operator reloaded the configuration.

        At any other time a reload says nothing about a list that may come hours later.
        """
        self._trusts_next = self.is_in_doubt
