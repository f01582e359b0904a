"""Registrations in a list of peers: which tenant a peer belongs to, and what its absence means. Pure.

A peer is a phone if its user name is ``<number>-<CODE>`` (seen, wire notes 2026-10). A wallboard for the same
switch also parts user names at ``_``, and the vendor accepts a tenant's name wherever it accepts its code.
"""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

from exporter.model import Peers, Registration, Technology
from exporter.poll.technologies import Technologies

MOST_REMEMBERED = 300_000
"""Per switch; the largest supported installation has 250,000 extensions."""

_SEPARATOR = re.compile("[-_]")

StatesByTenant = Mapping[str, Mapping[str, Registration]]
"""The states of extensions by tenant code and number."""


def codes_by_ending(codes: Iterable[str], names: Mapping[str, str]) -> dict[str, str]:
    """Return the code of each tenant by what its user names may end with: its code or its name.

    ``names``: of all tenants of the switch, by code. A name that several tenants share matches none of them,
    and one that is the code of another tenant means that other one.
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

    An absent one is unregistered if the list is expected to contain it while it is registered, else unknown:
    CHANSIPPEERS lists only registered chan_sip phones (documented), so its silence proves nothing about
    others.
    """
    states = {}
    for number in extensions:
        state = found.get(number)
        if state is None:
            state = Registration.UNREGISTERED if is_expected(number) else Registration.UNKNOWN
        states[number] = state
    return states


class SeenPeers:
    """The phones that a kind of list contained since the start: it contains them while they are registered.

    At most 300,000; further ones are not remembered, so their absence stays unknown.
    """

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._origin: object = None
        self._seen: dict[str, set[str]] = {}
        self._count = 0

    def start(self, origin: object) -> None:
        """Forget everything if the lists are now of another kind, or of another switch."""
        if origin != self._origin:
            self._origin = origin
            self._seen.clear()
            self._count = 0

    def add(self, code: str, numbers: Collection[str]) -> None:
        """Remember the phones of a tenant in the newest list."""
        seen = self._seen.setdefault(code, set())
        new = [sys.intern(number) for number in numbers if number not in seen]  # most tenants have a 100
        new = new[: self._most - self._count]
        seen.update(new)
        self._count += len(new)

    def expects(self, code: str, technologies: Technologies, *, has_pjsip: bool) -> Callable[[str], bool]:
        """Return whether a list contains an extension of a tenant while it is registered, as a function.

        It contains a chan_sip phone, and one that it contained before. If the phone is now known to have
        another technology, only a list that may contain that, too (``has_pjsip``), is expected to.
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
            self._count -= len(self._seen.pop(code, ()))
