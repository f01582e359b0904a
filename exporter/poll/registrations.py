"""The registrations of a tenant: requested for one extension at a time, or read from a list."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from exporter.metrics import catalogue
from exporter.model import Extensions, Failure, Peers, Reason, Registration
from exporter.poll.parts import ENOUGH, PartValues
from exporter.store import Families


class Registrations(PartValues[Registration]):
    """The states of one tenant's extensions that are requested one by one."""

    def __init__(self) -> None:
        super().__init__("extensions")

    def families(self, *, oldest: float) -> Families:
        """Return the values of the tenant; a state older than ``oldest`` counts as unknown."""
        return registration_families(
            dict.fromkeys(self.parts, Registration.UNKNOWN) | self.current(oldest=oldest)
        )


def registration_families(states: Mapping[str, Registration]) -> Families:
    """Return the values of a tenant whose extensions have these states."""
    counted = Counter(states.values())
    by_state = {state.value: float(counted[state]) for state in Registration}
    by_extension = {
        extension: float(state is Registration.REGISTERED)
        for extension, state in states.items()
        if state is not Registration.UNKNOWN
    }
    return {catalogue.TENANT_EXTENSIONS: by_state, catalogue.EXTENSION_REGISTERED: by_extension}


def states_in_list(
    listed: Extensions, polled: Sequence[str] | None
) -> tuple[dict[str, Registration], Failure | None]:
    """Return the states in a tenant's list of the ``polled`` extensions, or of all if None.

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


def states_by_tenant(listed: Peers) -> dict[str, dict[str, Registration]]:
    """Return the states of all peers by tenant code and number: a SIP user is ``<number>-<CODE>`` (seen).

    A phone that is on several nodes is registered if any of them says so.
    """
    tenants: dict[str, dict[str, Registration]] = defaultdict(dict)
    for row in listed.rows:
        number, dash, code = row.user.partition("-")
        if dash and tenants[code].get(number) is not Registration.REGISTERED:
            tenants[code][number] = row.state
    return tenants


def states_of_peers(
    found: Mapping[str, Registration], extensions: Iterable[str], *, is_complete: bool = True
) -> dict[str, Registration]:
    """Return the states of a tenant's extensions from its peers.

    CHANSIPPEERS shows "the peers registered on all nodes" (vendor's reference), so a missing peer is
    unregistered. If the list has rows without a readable name, a missing peer is unknown.
    """
    missing = Registration.UNREGISTERED if is_complete else Registration.UNKNOWN
    return {number: found.get(number, missing) for number in extensions}
