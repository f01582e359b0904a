"""Lists of phones: INFO extensions, CHANSIPPEERS, PEERS and BLFS. Source: wire notes 2026-10."""

import json
from collections.abc import Iterator
from itertools import chain

from exporter.simulator import trunks
from exporter.simulator.tenants import BUSY, FIRST_EXTENSION, ROUND_TRIP, Technology, Tenant, draw
from exporter.simulator.wire import SECRET, Context, Row, as_json, listing
from exporter.simulator.world import World

_EXTENSION_COLUMNS = ("Number", "Name", "Tech", "State", "Username", "Password")
_PEER_COLUMNS = (
    "node", "Name", "Host", "Dyn", "Forcerport", "Comedia",
    "ACL", "Port", "Status", "Description", "Realtime",
)  # fmt: skip
# "BLF status, peers and flows" (vendor's reference); the names of flows are a guess.
_FLOWS = {"FLOW1": "NOT_INUSE", "FLOW2": "INUSE"}
_BLF_COLUMNS = ("st_extension", "st_state", "st_timestamp")
_FEATURES = (
    "voicemail", "callforward", "followme", "recording", "ringgroup", "busy", "noanswer", "unavailable",
    "hotdesk", "intercom", "pickup", "park", "dnd", "callerid", "fax", "directory", "queue", "conference",
)  # fmt: skip
_ASPECTS = ("enabled", "timeout", "destination", "number", "sound", "limit", "prefix")
_STATIC_EXTENSION = {
    **{f"ex_{feature}_{aspect}": "" for feature in _FEATURES for aspect in _ASPECTS},
    "ex_firstname": "Some",
    "ex_lastname": "Body",
    "ex_email": "person@example.com",
    "ex_mobile": "+39 055 0000000",
    "ex_address": "Example Street 1",
    "ex_macaddress": "00:00:5E:00:53:01",
    "ex_notes": None,
    "ex_language": "it",
    "ex_lockpin": f"{SECRET}-PIN",
    "ex_2fa_enabled": "on",
    "ex_2fa_secret": f"{SECRET}-2FA",
    "ex_2fa_recovery": f"{SECRET}-RECOVERY",
    "ex_voicemail_timeout": "20",
    "ex_recording_enabled": None,
    "ex_busy_limit": 2,
}
# Rendered once: 50 extensions take 170 KB, and only a few fields of each ever change.
_STATIC_EXTENSION_JSON = json.dumps(_STATIC_EXTENSION, separators=(",", ":"))[1:]


UNAVAILABLE = "UNAVAILABLE"
_BUSY_EVERY = 8


def device_states(world: World, tenant: Tenant, moment: float) -> list[str | None]:
    """Return the state of each phone of a tenant, None for extensions that cannot register.

    The tenant's calls are on its first registered phones. A call that rings has one channel instead of two.
    A phone in a call is INUSE; one in eight has a single line and is BUSY instead.
    """
    figures = world.figures(tenant, moment)
    ringing = 2 * figures.calls - sum(figures.channels.values())
    talking = figures.calls - ringing
    states: list[str | None] = []
    for position, registered in enumerate(world.phones.registrations(tenant, moment)):
        if position in tenant.never_register:
            states.append(None)
        elif not registered:
            states.append(UNAVAILABLE)
        elif ringing > 0:
            ringing -= 1
            states.append("RINGING")
        elif talking > 0:
            talking -= 1
            busy = draw(world.seed, BUSY, tenant.index, position) % _BUSY_EVERY == 0
            states.append("BUSY" if busy else "INUSE")
        else:
            states.append("NOT_INUSE")
    return states


def extensions(context: Context) -> str:
    """Return INFO extensions: every extension of a tenant, with credentials."""
    rows = _extension_rows(context, context.the_tenant)
    return listing(context, _EXTENSION_COLUMNS, rows, _extension_json)


def chan_sip_peers(context: Context) -> str:
    """Return CHANSIPPEERS: the chan_sip peers of the installation, or of a tenant."""
    tenants = context.world.tenants() if context.tenant is None else [context.tenant]
    registered_only = context.options.chansippeers == "registered"
    rows = (row for tenant in tenants for row in _peer_rows(context, tenant, {Technology.SIP}))
    if registered_only:
        rows = (row for row in rows if row[2] != _NO_HOST)
    return _peer_listing(
        context, chain(rows, trunks.peer_rows(context, context.tenant, registered_only=registered_only))
    )


def peers(context: Context) -> str:
    """Return PEERS: the peers of a tenant."""
    tenant, technologies = context.the_tenant, {Technology.SIP}
    if context.options.pjsip_in_peers:
        technologies.add(Technology.PJSIP)
    rows = _peer_rows(context, tenant, technologies)
    return _peer_listing(context, chain(rows, trunks.peer_rows(context, tenant)))


def blfs(context: Context) -> str:
    """Return BLFS: the device state of every extension of a tenant.

    Inferred: in plain text, each record has its own line; timestamps are seconds since 1970.
    """
    rows = _blf_rows(context, context.the_tenant)
    if context.request.json:
        body = ",".join(as_json(dict(zip(_BLF_COLUMNS, row, strict=True))) for row in rows)
        return f"[{body}]" if body else "]"
    return "".join("|".join(value for value in row for _ in range(2)) + "|\n" for row in rows)


def _user(context: Context, tenant: Tenant, number: str) -> str:
    """Return the SIP user of a phone; ``<number>-<CODE>`` was seen (wire notes 2026-10)."""
    ending = tenant.name if context.options.user_ending == "name" else tenant.code
    return f"{number}{context.options.user_separator}{ending}"


def _states(context: Context, tenant: Tenant) -> list[str]:
    unknown = context.options.unregistrable_state
    return [state or unknown for state in device_states(context.world, tenant, context.moment)]


def _extension_rows(context: Context, tenant: Tenant) -> Iterator[Row]:
    for position, state in enumerate(_states(context, tenant)):
        number, technology = str(FIRST_EXTENSION + position), tenant.technologies[position]
        secret = f"{SECRET}-{tenant.code}-{number}"
        user = _user(context, tenant, number)
        yield (number, f"Desk {number}, {tenant.name}", technology.value, state, user, secret)


def _extension_json(row: Row) -> str:
    """Return an extension as JSON, with about 148 fields (seen, wire notes 2026-10)."""
    number, name, technology, state, username, secret = row
    own = {
        "ex_id": int(number) * 10,
        "ex_number": number,
        "ex_name": name,
        "ex_tech": technology,
        "st_state": state,
        "username": username,
        "password": secret,
        "ex_webuser": username,
        "ex_webpassword": f"{secret}-WEB",
        "ex_voicemailpin": f"{secret}-VM",
    }
    return f"{as_json(own)[:-1]},{_STATIC_EXTENSION_JSON}"


def _blf_rows(context: Context, tenant: Tenant) -> Iterator[Row]:
    changed = str(int(context.world.time.wall_time()) // 60 * 60)
    for position, state in enumerate(_states(context, tenant)):
        yield (str(FIRST_EXTENSION + position), state, changed)
    if context.options.flows_in_blfs:
        yield from ((flow, state, changed) for flow, state in _FLOWS.items())


_NO_HOST = "(Unspecified)"  # as Asterisk shows a peer that is not registered


def _peer_listing(context: Context, rows: Iterator[Row]) -> str:
    return listing(
        context, _PEER_COLUMNS, rows, lambda row: as_json(dict(zip(_PEER_COLUMNS, row, strict=True)))
    )


def _peer_rows(context: Context, tenant: Tenant, technologies: set[Technology]) -> Iterator[Row]:
    """Yield a row per peer of a tenant, as Asterisk lists them, on nodes that are present."""
    world = context.world
    if world.disabled(tenant):
        return
    nodes = set(world.nodes())
    for position, registered in enumerate(world.phones.registrations(tenant, context.moment)):
        node = world.phones.home_node(tenant, position)
        technology = tenant.technologies[position]
        if node not in nodes or technology not in technologies:
            continue
        name = _user(context, tenant, str(FIRST_EXTENSION + position))
        chance = draw(world.seed, ROUND_TRIP, tenant.index, position)
        host = f"198.51.100.{chance % 254 + 1}" if registered else _NO_HOST
        port = str(1024 + chance % 60000) if registered else "0"
        status = _status(context, technology, registered=registered, chance=chance)
        yield (node, f"{name}/{name}", host, "D", "Yes", "Yes", "", port, status, "", "Cached RT")


def _status(context: Context, technology: Technology, *, registered: bool, chance: int) -> str:
    if technology is Technology.PJSIP and context.options.pjsip_words:
        return "Avail" if registered else "Unavail"
    return _round_trip(chance) if registered else context.options.unregistered_status


def _round_trip(chance: int) -> str:
    milliseconds = 5 + (chance >> 20) % 120
    return f"LAGGED ({2000 + milliseconds} ms)" if chance % 50 == 0 else f"OK ({milliseconds} ms)"
