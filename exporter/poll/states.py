"""The states of the extensions and queues of a tenant: requested one by one, or read from a list. Pure.

A peer is a phone if its user name is ``<number>-<CODE>`` (seen, wire notes 2026-10). A wallboard for this
switch also splits user names at ``_``, and the vendor accepts a tenant's name wherever it accepts its code.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from exporter.metrics import catalogue
from exporter.model import Extensions, Failure, Peers, Reason, Registration
from exporter.store import Families

ENOUGH = 90
"""Percent of the parts that need a value for the query to succeed."""

Value = TypeVar("Value")


class _Known(NamedTuple, Generic[Value]):
    value: Value
    at: float


class PartValues(Generic[Value]):
    """The newest value of each part of one tenant, and which parts failed. Times are monotonic seconds.

    ``noun``: what the parts are, for messages.
    """

    def __init__(self, noun: str) -> None:
        self.parts: tuple[str, ...] = ()
        self._noun = noun
        self._values: dict[str, _Known[Value]] = {}
        self._failures: dict[str, Failure] = {}

    def set_parts(self, parts: Sequence[str]) -> None:
        """Keep these parts, and drop all others."""
        if self.parts == parts:
            return
        self.parts = tuple(parts)
        self._values = {part: self._values[part] for part in parts if part in self._values}
        self._failures = {part: self._failures[part] for part in parts if part in self._failures}

    def record(self, part: str, outcome: Value | Failure, now: float) -> None:
        """Store the outcome for one part. A failure changes no value."""
        if part not in self.parts:
            return  # removed while its request was in flight
        if isinstance(outcome, Failure):
            self._failures[part] = outcome
        else:
            self._failures.pop(part, None)
            self._values[part] = _Known(outcome, now)

    def current(self, *, oldest: float) -> dict[str, Value]:
        """Return the values that are not older than ``oldest``."""
        return {part: known.value for part, known in self._values.items() if known.at >= oldest}

    def verdict(self) -> Failure | bool:
        """Return True if the query succeeds, the most common failure if not, and False if undecided."""
        failed = len(self._failures)
        if 100 * failed > len(self.parts) * (100 - ENOUGH):
            reason, _ = Counter(failure.reason for failure in self._failures.values()).most_common(1)[0]
            detail = next(failure.detail for failure in self._failures.values() if failure.reason is reason)
            return Failure(reason, f"{failed} of {len(self.parts)} {self._noun}: {detail}")
        succeeded = len(self._values.keys() - self._failures.keys())
        return 100 * succeeded >= len(self.parts) * ENOUGH


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


_SEPARATOR = re.compile("[-_]")

StatesByTenant = Mapping[str, Mapping[str, Registration]]
"""The states of extensions by tenant code and number."""


def codes_by_ending(codes: Iterable[str], names: Mapping[str, str]) -> dict[str, str]:
    """Return the tenant's code for each ending that a user name may have: a tenant's code or name.

    ``names``: the names of all tenants of the switch, by code. A name that several tenants share matches none
    of them. A name that is also the code of another tenant means that other tenant.
    """
    shared = Counter(names.values())
    by_name = {name: code for code, name in names.items() if name and shared[name] == 1}
    return by_name | {code: code for code in (*names, *codes)}


def states_by_tenant(listed: Peers, codes: Mapping[str, str]) -> StatesByTenant:
    """Return the states of the phones in a list. ``codes`` are those of ``codes_by_ending``.

    A phone that is on several nodes is registered if any of them says so.
    """
    tenants: dict[str, dict[str, Registration]] = defaultdict(dict)
    for row in listed.rows:
        number, *ending = _SEPARATOR.split(row.user, maxsplit=1)
        code = codes.get("".join(ending))  # no tenant's code or name is empty
        if code is not None and tenants[code].get(number) is not Registration.REGISTERED:
            tenants[code][number] = row.state
    return tenants


def states_of_peers(
    found: Mapping[str, Registration], extensions: Iterable[str], is_expected: Callable[[str], bool]
) -> dict[str, Registration]:
    """Return the states of a tenant's extensions from its peers.

    An absent extension is unregistered if the list is expected to contain it while it is registered.
    Otherwise, it is unknown: CHANSIPPEERS lists only registered chan_sip phones (documented), so absence
    proves nothing about other phones.
    """
    states = {}
    for number in extensions:
        state = found.get(number)
        if state is None:
            state = Registration.UNREGISTERED if is_expected(number) else Registration.UNKNOWN
        states[number] = state
    return states
