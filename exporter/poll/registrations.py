"""The registrations of a tenant: requested for one extension at a time, or read from a list."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from exporter.metrics import catalogue
from exporter.model import Extensions, Failure, Peers, Reason, Registration, RegistrationState
from exporter.store import Families

_ENOUGH = 90
"""Percent of the extensions that need a state for the query to succeed (design, section 5)."""


class _State(NamedTuple):
    state: Registration
    at: float


class Registrations:
    """The states of one tenant's extensions that are requested one by one. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._extensions: tuple[str, ...] = ()
        self._states: dict[str, _State] = {}
        self._failures: dict[str, Failure] = {}

    def set_extensions(self, extensions: Sequence[str]) -> None:
        """Keep these extensions, and drop all others."""
        if self._extensions == extensions:
            return
        self._extensions = tuple(extensions)
        self._states = {number: self._states[number] for number in extensions if number in self._states}
        self._failures = {number: self._failures[number] for number in extensions if number in self._failures}

    def record(self, extension: str, outcome: RegistrationState | Failure, now: float) -> None:
        """Store the outcome for one extension. A failure changes no state."""
        if extension not in self._extensions:
            return  # removed while its request was in flight
        if isinstance(outcome, Failure):
            self._failures[extension] = outcome
        else:
            self._failures.pop(extension, None)
            self._states[extension] = _State(outcome.state, now)

    def verdict(self) -> Failure | bool:
        """Return True if the query succeeds, the most common failure if not, and False if undecided."""
        failed = len(self._failures)
        if 100 * failed > len(self._extensions) * (100 - _ENOUGH):
            reason, _ = Counter(failure.reason for failure in self._failures.values()).most_common(1)[0]
            detail = next(failure.detail for failure in self._failures.values() if failure.reason is reason)
            return Failure(reason, f"{failed} of {len(self._extensions)} extensions: {detail}")
        succeeded = len(self._states.keys() - self._failures.keys())
        return 100 * succeeded >= len(self._extensions) * _ENOUGH

    def families(self, *, oldest: float) -> Families:
        """Return the values of the tenant; a state older than ``oldest`` counts as unknown."""
        states = dict.fromkeys(self._extensions, Registration.UNKNOWN)
        states |= {number: known.state for number, known in self._states.items() if known.at >= oldest}
        return registration_families(states)


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
    if 100 * missing > len(polled) * (100 - _ENOUGH):
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
