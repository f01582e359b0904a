"""The registrations of one tenant, asked one extension at a time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from exporter import catalogue
from exporter.model import Failure, Registration, RegistrationState
from exporter.store import Families

_ENOUGH = 0.9
"""The share of extensions that must have given a state for the query to succeed (design, section 5)."""


@dataclass(frozen=True, slots=True)
class _State:
    state: Registration
    at: float


class Registrations:
    """What is known of each extension of one tenant. Times are monotonic seconds."""

    def __init__(self, extensions: Sequence[str]) -> None:
        self._extensions = tuple(extensions)
        self._states: dict[str, _State] = {}
        self._failures: dict[str, Failure] = {}

    def take_in(self, extension: str, outcome: RegistrationState | Failure, now: float) -> None:
        """Note what came back for one extension. A failure changes no state."""
        if isinstance(outcome, Failure):
            self._failures[extension] = outcome
        else:
            self._failures.pop(extension, None)
            self._states[extension] = _State(outcome.state, now)

    def verdict(self) -> Failure | bool:
        """Tell how the query goes: True, or the commonest failure; False while that is not decided yet."""
        failed = len(self._failures)
        succeeded = len(self._states.keys() - self._failures.keys())
        if failed > len(self._extensions) * (1 - _ENOUGH):
            commonest, _ = Counter(failure.reason for failure in self._failures.values()).most_common(1)[0]
            detail = next(f.detail for f in self._failures.values() if f.reason is commonest)
            return Failure(commonest, f"{failed} of {len(self._extensions)} extensions: {detail}")
        return succeeded >= len(self._extensions) * _ENOUGH

    def families(self, *, oldest: float) -> Families:
        """Return the values of the tenant; a state that is older than ``oldest`` counts as unknown."""
        return registration_families(
            {extension: self._state(extension, oldest) for extension in self._extensions}
        )

    def _state(self, extension: str, oldest: float) -> Registration:
        held = self._states.get(extension)
        return held.state if held and held.at >= oldest else Registration.UNKNOWN


def registration_families(states: dict[str, Registration]) -> Families:
    """Return the values of a tenant whose extensions have these states."""
    counted = Counter(states.values())
    by_state = {state.value: float(counted[state]) for state in Registration}
    by_extension = {
        extension: float(state is Registration.REGISTERED)
        for extension, state in states.items()
        if state is not Registration.UNKNOWN
    }
    families: Families = {catalogue.TENANT_EXTENSIONS: by_state}
    return {**families, catalogue.EXTENSION_REGISTERED: by_extension} if by_extension else families
