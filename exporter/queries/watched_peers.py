"""Watched peers, such as trunks: CHANSIPPEERS for the installation, PEERS for a tenant."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from exporter.fields import Interval, Section
from exporter.metrics import catalogue
from exporter.model import Peer, Peers, Query, Registration
from exporter.queries.registrations import read_peers
from exporter.queries.spec import Endpoint, Families, QuerySpec, every
from exporter.request import Operation

_ROUND_TRIP = re.compile(r"\(\s*([0-9]{1,9})\s*ms\s*\)\Z")
"""The end of `OK (10 ms)` (seen) and `LAGGED (2005 ms)` (documented), wire notes 2026-10."""


class WatchedPeersQuery(Section):
    """For the installation and for tenants, each only if it has ``watch_peers``."""

    interval: Interval = every(
        "1m",
        "How often to request the list of all peers, if the switch has `watch_peers`. The list contains "
        "every phone. It is requested even if `queries.registrations.source` is `peers`.",
        example="2m",
    )
    tenant_interval: Interval = every(
        "1m", "How often to request the list of peers of each tenant with `watch_peers`.", example="2m"
    )


def watched(listed: Peers, names: Sequence[str]) -> tuple[Families, tuple[str, ...]]:
    """Return the values of the watched peers, and the names that are not in the list.

    A name is that of the peer, or ``name/user`` as in the list. Several nodes may list a peer. It is
    reachable if any of them reaches it.
    """
    wanted = {_user(name) for name in names}
    rows: dict[str, list[Peer]] = defaultdict(list)
    for row in listed.rows:
        if row.user in wanted:
            rows[row.user].append(row)
    reachable, round_trips = {}, {}
    for name in names:
        states = {row.state for row in rows[_user(name)]} - {Registration.UNKNOWN}
        if states:
            reachable[name] = float(Registration.REGISTERED in states)
        times = list(_round_trips(rows[_user(name)]))
        if times:
            round_trips[name] = min(times)
    missing = tuple(name for name in names if not rows[_user(name)])
    return {catalogue.PEER_REACHABLE: reachable, catalogue.PEER_ROUND_TRIP: round_trips}, missing


def _user(name: str) -> str:
    return name.partition("/")[0].strip()


def _round_trips(rows: Iterable[Peer]) -> Iterable[float]:
    for row in rows:
        if row.state is Registration.REGISTERED and (found := _ROUND_TRIP.search(row.word)):
            yield int(found[1]) / 1000


SPEC: QuerySpec[WatchedPeersQuery] = QuerySpec(
    query=Query.WATCHED_PEERS,
    summary="Peers in `watch_peers` (CHANSIPPEERS; PEERS for a tenant).",
    section=WatchedPeersQuery,
    switch=Endpoint(
        operation=Operation.PEERS,
        rows=lambda windows, _: read_peers(windows, {}),
        fills=None,
        note="one list of every phone on every node, the largest response of the API",
    ),
    tenant=Endpoint(
        operation=Operation.TENANT_PEERS, rows=lambda windows, _: read_peers(windows, {}), fills=None
    ),
    start=0.75,
    series=0,
    unused="there is no `watch_peers`",
)
