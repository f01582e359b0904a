"""Registrations in a list of peers: which tenant a peer belongs to, and what its absence means. Pure.

A peer is a phone if its user name is ``<number>-<CODE>`` (seen, wire notes 2026-10). A wallboard for this
switch also splits user names at ``_``, and the vendor accepts a tenant's name wherever it accepts its code.
"""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping

from exporter.model import Peers, Registration, Technology
from exporter.poll.technologies import Technologies

MOST_REMEMBERED = 300_000
"""Per switch; the largest supported installation has 250,000 extensions."""

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


class SeenPeers:
    """The phones that one kind of list has contained.

    Such a list is expected to contain them while they are registered. At most 300,000 are remembered; the
    absence of any other proves nothing. ``version`` changes with each change.
    """

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self.version = 0
        self._most = most
        self._origin = ""
        self._seen: dict[str, set[str]] = {}
        self._count = 0

    def start(self, origin: str) -> None:
        """Forget everything if the lists are now of another kind, or of another switch."""
        if origin != self._origin:
            self._origin = origin
            self._seen.clear()
            self._count = 0
            self.version += 1

    def add(self, code: str, numbers: Collection[str]) -> None:
        """Remember the phones of a tenant in the newest list."""
        seen = self._seen.setdefault(code, set())
        new = [sys.intern(number) for number in numbers if number not in seen]  # tenants share numbers
        new = new[: self._most - self._count]
        seen.update(new)
        self._count += len(new)
        self.version += bool(new)

    def expects(self, code: str, technologies: Technologies, *, has_pjsip: bool) -> Callable[[str], bool]:
        """Return a function: whether a list contains an extension of a tenant while it is registered.

        A list contains chan_sip phones, and any phone that it contained before. But if the phone is now known
        to have another technology, this holds only for lists that may contain it (``has_pjsip``).
        """
        seen = self._seen.get(code, ())

        def is_expected(number: str) -> bool:
            technology = technologies.get(number)
            if technology is None or has_pjsip:
                return number in seen or technology is Technology.SIP
            return technology is Technology.SIP

        return is_expected

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        for code in codes:
            if phones := self._seen.pop(code, None):
                self._count -= len(phones)
                self.version += 1

    def keep_tenants(self, codes: Container[str]) -> None:
        """Forget the phones of all other tenants."""
        self.drop_tenants([code for code in self._seen if code not in codes])

    def remembered(self) -> Iterator[tuple[str, str, list[str]]]:
        """Yield origin, tenant and phones of each tenant, for ``restore``."""
        for code in list(self._seen):
            if phones := self._seen.get(code):
                yield self._origin, code, sorted(phones)

    def restore(self, origin: str, code: str, numbers: Collection[str]) -> None:
        """Restore phones of the previous run. They are forgotten when a list of another origin starts."""
        if not self._seen:
            self._origin = origin
        if origin == self._origin:
            self.add(code, numbers)
