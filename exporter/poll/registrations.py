"""The registrations of a tenant: asked one extension at a time, or read from a list."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from exporter.metrics import catalogue
from exporter.model import Extensions, Failure, Peers, Reason, Registration, RegistrationState
from exporter.store import Families

_ENOUGH = 90
"""Per cent of the extensions that must have given a state for the query to succeed (design, section 5)."""


@dataclass(frozen=True, slots=True)
class _State:
    state: Registration
    at: float


class Registrations:
    """What is known of each extension of one tenant that is asked one by one. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._extensions: tuple[str, ...] = ()
        self._states: dict[str, _State] = {}
        self._failures: dict[str, Failure] = {}

    def set_extensions(self, extensions: Sequence[str]) -> None:
        """Follow these extensions, and forget all others."""
        if self._extensions == extensions:
            return
        self._extensions = tuple(extensions)
        for known in (self._states, self._failures):
            for extension in known.keys() - set(extensions):
                del known[extension]

    def record(self, extension: str, outcome: RegistrationState | Failure, now: float) -> None:
        """Note what came back for one extension. A failure changes no state."""
        if extension not in self._extensions:
            return  # it left while it was being asked
        if isinstance(outcome, Failure):
            self._failures[extension] = outcome
        else:
            self._failures.pop(extension, None)
            self._states[extension] = _State(outcome.state, now)

    def verdict(self) -> Failure | bool:
        """Tell how the query goes: True, or the commonest failure; False while that is not decided yet."""
        failed = len(self._failures)
        if 100 * failed > len(self._extensions) * (100 - _ENOUGH):
            commonest, _ = Counter(failure.reason for failure in self._failures.values()).most_common(1)[0]
            detail = next(f.detail for f in self._failures.values() if f.reason is commonest)
            return Failure(commonest, f"{failed} of {len(self._extensions)} extensions: {detail}")
        succeeded = len(self._states.keys() - self._failures.keys())
        return 100 * succeeded >= len(self._extensions) * _ENOUGH

    def families(self, *, oldest: float) -> Families:
        """Return the values of the tenant; a state that is older than ``oldest`` counts as unknown."""
        return registration_families(
            {extension: self._state(extension, oldest) for extension in self._extensions}
        )

    def _state(self, extension: str, oldest: float) -> Registration:
        held = self._states.get(extension)
        return held.state if held and held.at >= oldest else Registration.UNKNOWN


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
    listed: Extensions, wanted: Sequence[str] | None
) -> tuple[dict[str, Registration], Failure | None]:
    """Read the states of a tenant's extensions from its list; ``wanted`` None is every one of them.

    Also returns why the query failed, where too few of those that are wanted are in the list.
    """
    states = {row.number: row.state for row in listed.rows}
    if wanted is None:
        return states, None
    missing = len(wanted) - len(states.keys() & set(wanted))
    failure = None
    if 100 * missing > len(wanted) * (100 - _ENOUGH):
        detail = f"{missing} of {len(wanted)} extensions are not in the tenant's list: check their numbers"
        failure = Failure(Reason.DECODE, detail)
    return {number: states.get(number, Registration.UNKNOWN) for number in wanted}, failure


def states_by_tenant(listed: Peers) -> dict[str, dict[str, Registration]]:
    """Sort the peers of a whole installation by tenant code: a SIP user is ``<number>-<CODE>`` (seen).

    A phone that is on several nodes is registered if it is on any of them.
    """
    tenants: dict[str, dict[str, Registration]] = defaultdict(dict)
    for row in listed.rows:
        number, dash, code = row.user.partition("-")
        if dash and tenants[code].get(number) is not Registration.REGISTERED:
            tenants[code][number] = row.state
    return tenants


def states_of_peers(
    found: Mapping[str, Registration], wanted: Iterable[str], *, is_complete: bool = True
) -> dict[str, Registration]:
    """Return the states of a tenant's extensions from its peers.

    CHANSIPPEERS shows "the peers registered on all nodes" (vendor's reference): who is not there is not. Of a
    list that is not complete, because a name in it could not be read, that is unknown.
    """
    absent = Registration.UNREGISTERED if is_complete else Registration.UNKNOWN
    return {number: found.get(number, absent) for number in wanted}
