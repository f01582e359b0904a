"""Which tenants a switch has, from its own list."""

from exporter.config import SwitchConfiguration
from exporter.model import Failure, Reason, Tenants, names_all
from exporter.poll.roll import Roll


class TenantDiscovery:
    """The tenants that were found on one switch, and what they are called."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        """The name of each tenant that is believed to be there, disabled ones too, by code."""
        self._roll = Roll()
        self._disabled: frozenset[str] = frozenset()

    def take_in(self, listed: Tenants) -> Failure | None:
        """Take in a list; return why it is not believed, and then nothing changes."""
        rows = {row.code: row for row in listed.rows}
        if not self._roll.call(rows.keys(), is_complete=names_all(listed)):
            return _doubt(len(rows), len(self._roll.names))
        missing = self._roll.names - rows.keys()  # for the first time: of these, what was known holds on
        unclear = {code for code, row in rows.items() if row.disabled is None}
        held = self._disabled & (missing | unclear) | (unclear - self.names.keys())
        self._disabled = held | {code for code, row in rows.items() if row.disabled}
        self.names = {
            code: rows[code].name if code in rows else self.names.get(code, "") for code in self._roll.names
        }
        return None

    def wanted(self, configuration: SwitchConfiguration) -> list[str]:
        """Return the codes that the configuration wants polled, sorted. Its patterns match whole codes."""
        discover = configuration.discover_tenants
        if not discover.enabled:
            return []
        there = self._roll.names - self._disabled
        included = {code for pattern in discover.include for code in there if pattern.matches_whole(code)}
        excluded = {code for pattern in discover.exclude for code in included if pattern.matches_whole(code)}
        return sorted(included - excluded)

    @property
    def is_in_doubt(self) -> bool:
        """Whether the newest list was not believed."""
        return self._roll.is_in_doubt

    def believe_next(self) -> None:
        """Accept the next list if one is in doubt now: the operator reloaded the configuration."""
        self._roll.doubt_nothing()


def _doubt(listed: int, known: int) -> Failure:
    if not listed:
        return Failure(Reason.EMPTY, "the list of tenants is empty; the tenants known so far stay")
    return Failure(
        Reason.DECODE,
        f"the list has lost more than half of {known} tenants, {listed} are left; none is dropped unless the "
        "list comes three times alike or the configuration is reloaded",
    )
