"""The registrations of a tenant: requested for one extension at a time, or read from a list."""

from collections import Counter
from collections.abc import Mapping, Sequence

from exporter.metrics import catalogue
from exporter.model import Extensions, Failure, Reason, Registration
from exporter.poll.parts import ENOUGH, PartValues
from exporter.store import Families

NOT_APPLICABLE = "not_applicable"
"""The state of extensions that cannot register."""


class Registrations(PartValues[Registration]):
    """The states of one tenant's extensions, which are requested one by one."""

    def __init__(self) -> None:
        super().__init__("extensions")

    def families(self, not_applicable: int | None = None, *, oldest: float) -> Families:
        """Return the values of the tenant; a state older than ``oldest`` counts as unknown."""
        states = dict.fromkeys(self.parts, Registration.UNKNOWN) | self.current(oldest=oldest)
        return registration_families(states, not_applicable)


def registration_families(states: Mapping[str, Registration], not_applicable: int | None = None) -> Families:
    """Return the values of a tenant whose extensions have these states.

    ``not_applicable``: the number of other extensions, which cannot register; None if unknown.
    """
    counted = Counter(states.values())
    by_state = {state.value: float(counted[state]) for state in Registration}
    if not_applicable is not None:
        by_state[NOT_APPLICABLE] = float(not_applicable)
    by_extension = {
        extension: float(state is Registration.REGISTERED)
        for extension, state in states.items()
        if state is not Registration.UNKNOWN
    }
    return {catalogue.TENANT_EXTENSIONS: by_state, catalogue.EXTENSION_REGISTERED: by_extension}


def states_in_list(
    listed: Extensions, polled: Sequence[str] | None
) -> tuple[dict[str, Registration], Failure | None]:
    """Return the states of the ``polled`` extensions in a tenant's list; of all extensions if None.

    Also returns a failure if too many of the polled extensions are missing.
    """
    states = {row.number: row.state for row in listed.rows}
    if polled is None:
        return states, None
    missing = len(polled) - len(states.keys() & set(polled))
    failure = None
    if 100 * missing > len(polled) * (100 - ENOUGH):
        detail = f"{missing} of {len(polled)} extensions are not in the tenant's list: check their numbers"
        failure = Failure(Reason.DECODE, detail)
    return {number: states.get(number, Registration.UNKNOWN) for number in polled}, failure
