"""Response bodies of the simulated switch: one function per operation, in plain text and in JSON.

Source: wire notes 2026-10. Where no response of a real switch is on record, ``Options`` decides.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.simulator.options import Options
from exporter.simulator.request import ApiRequest
from exporter.simulator.tenants import FIRST_EXTENSION, ROUND_TRIP, Tenant, draw
from exporter.simulator.world import Figures, World

_Row = tuple[str, ...]
_NO_TENANT = "No tenant specified"
_NOT_FOUND = "\r\n"  # seen, wire notes 2026-10; other errors have an empty body

SECRET = "PASSWORD-MUST-NOT-SHOW"  # noqa: S105 - a mark to look for, not a password
"""Prefix of every credential in a list, so that a test can search logs, pages and metrics for leaks."""

_EXTENSION_COLUMNS = ("Number", "Name", "Tech", "State", "Username", "Password")
_PEER_COLUMNS = (
    "node", "Name", "Host", "Dyn", "Forcerport", "Comedia",
    "ACL", "Port", "Status", "Description", "Realtime",
)  # fmt: skip
_TENANT_COLUMNS = ("te_id", "te_name", "te_code", "te_disabled")

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
_HELP = """<html><body><pre>
Parameters:
  reqtype - Request type
  tenant  - The tenant code, optional with the Admin API key
  key     - The Admin API key or the Tenant API key
  format  - Optional, <i>json</i> or <i>plain</i>

Request types (reqtype) that this simulator supports:
COUNTPEERS, COUNTCHANNELS, COUNTCALLS, LICENSEDAYS, CHANSIPPEERS
INFO - info: balance, regstate, extensions, config
MANAGEDB - object=tenant, action=list
</pre></body></html>
"""


@dataclass(frozen=True, slots=True)
class _Context:
    """What a response is made from. ``tenant`` is None for an installation-wide request."""

    world: World
    options: Options
    request: ApiRequest
    tenant: Tenant | None
    moment: float

    @property
    def the_tenant(self) -> Tenant:
        if self.tenant is None:
            raise ValueError(f"{self.request.operation} needs a tenant")
        return self.tenant

    def figures(self) -> Figures:
        if self.tenant is None:
            return self.world.whole(self.moment)
        return self.world.figures(self.tenant, self.moment)


def body(world: World, options: Options, request: ApiRequest) -> str:
    """Return the response to an authorized request whose tenant, if any, exists."""
    tenant = world.tenant(request.tenant)
    render, needs_tenant = _OPERATIONS[request.operation]
    if needs_tenant and tenant is None:
        return _NO_TENANT
    return render(_Context(world, options, request, tenant, world.moment()))


def _counts(context: _Context, counts: Mapping[str, int]) -> str:
    if total_name := context.options.total_name:
        counts = {**counts, total_name: sum(counts.values())}
    if context.request.json:
        return _as_json(counts)
    return "".join(f"{node}:{count}|" for node, count in counts.items())


def _count_channels(context: _Context) -> str:
    channels = context.figures().channels
    node = context.request.node
    if node:
        if node not in channels:
            return _NOT_FOUND
        channels = {node: channels[node]}
    if context.options.channels == "total":
        return str(sum(channels.values()))
    return _counts(context, channels)


def _count_calls(context: _Context) -> str:
    # The body is empty without calls, in either format (seen, wire notes 2026-10).
    return str(context.figures().calls or "")


def _license_days(context: _Context) -> str:
    days = context.world.license_days(context.moment)
    return f"The license expires in {days} days" if context.options.license == "sentence" else str(days)


def _balance(context: _Context) -> str:
    # The same bytes in either format (seen, wire notes 2026-10).
    return f"{context.world.balance(context.the_tenant, context.moment):.4f}"


def _registration(context: _Context) -> str:
    options, tenant = context.options, context.the_tenant
    number = context.request.parameters.get(options.regstate_parameter, "")
    if not number:
        return f"No {options.regstate_parameter} specified"
    position = tenant.position(number)
    if position is None:
        return _NOT_FOUND
    registered = context.world.phones.registered(tenant, position, context.moment)
    word = options.registered_word if registered else options.unregistered_word
    if not context.request.json:
        return word
    return _as_json({"extension": number, "state": word} if options.regstate_json == "object" else word)


def _extensions(context: _Context) -> str:
    return _listing(
        context, _EXTENSION_COLUMNS, _extension_rows(context, context.the_tenant), _extension_json
    )


def _config(context: _Context) -> str:
    limits = {
        "maxchannels": context.world.max_channels(context.the_tenant),
        "maxextensions": -1,
        "maxdids": 10,
    }
    if context.request.json:
        # Numbers as strings, and every value twice (both seen, wire notes 2026-10).
        return _as_json(_with_positions({name: str(limit) for name, limit in limits.items()}))
    return "|".join(map(str, (*limits.values(), -1, 5, -1, 0))) + "|"


def _tenants(context: _Context) -> str:
    world = context.world
    rows = (
        (str(tenant.index + 1), tenant.name, tenant.code, "on" if world.disabled(tenant) else "")
        for tenant in world.tenants()
    )
    return _listing(context, _TENANT_COLUMNS, rows, _tenant_json)


def _peers(context: _Context) -> str:
    tenants = context.world.tenants() if context.tenant is None else [context.tenant]
    rows = (row for tenant in tenants for row in _peer_rows(context, tenant))
    return _listing(
        context, _PEER_COLUMNS, rows, lambda row: _as_json(dict(zip(_PEER_COLUMNS, row, strict=True)))
    )


def _listing(
    context: _Context, columns: Sequence[str], rows: Iterable[_Row], to_json: Callable[[_Row], str]
) -> str:
    if not context.request.json:
        return "".join("|".join(line) + "\n" for line in (columns, *rows))
    body = ",".join(map(to_json, rows))
    return f"[{body}]" if body else "]"  # an empty list lacks its first bracket (seen, wire notes 2026-10)


# Operation -> its function, and whether it needs a tenant.
_OPERATIONS: dict[str, tuple[Callable[[_Context], str], bool]] = {
    "COUNTPEERS": (lambda context: _counts(context, context.figures().peers), False),
    "COUNTCHANNELS": (_count_channels, False),
    "COUNTCALLS": (_count_calls, False),
    "LICENSEDAYS": (_license_days, False),
    "CHANSIPPEERS": (_peers, False),
    "INFO balance": (_balance, True),
    "INFO regstate": (_registration, True),
    "INFO extensions": (_extensions, True),
    "INFO config": (_config, True),
    "MANAGEDB tenant list": (_tenants, False),
    "HELP": (lambda _: _HELP, False),
}


def _as_json(value: object) -> str:
    """Return compact JSON with non-ASCII characters escaped, as PHP writes it."""
    return json.dumps(value, separators=(",", ":"))


def _with_positions(record: Mapping[str, object]) -> dict[str, object]:
    """Return a record with every value twice, by position and by name (seen, wire notes 2026-10)."""
    items = enumerate(record.items())
    return {key: value for position, (name, value) in items for key in (str(position), name)}


def _extension_rows(context: _Context, tenant: Tenant) -> Iterator[_Row]:
    """Yield a row per extension. The tenant's calls are on the first registered extensions."""
    calls = context.figures().calls
    for position, registered in enumerate(context.world.phones.registrations(tenant, context.moment)):
        state = ("INUSE" if calls > 0 else "NOT_INUSE") if registered else "UNAVAILABLE"
        calls -= registered
        number = str(FIRST_EXTENSION + position)
        user, secret = f"{number}-{tenant.code}", f"{SECRET}-{tenant.code}-{number}"
        yield (number, f"Desk {number}, {tenant.name}", "SIP", state, user, secret)


def _extension_json(row: _Row) -> str:
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
    return f"{_as_json(own)[:-1]},{_STATIC_EXTENSION_JSON}"


def _peer_rows(context: _Context, tenant: Tenant) -> Iterator[_Row]:
    """Yield a row per peer of a tenant, as Asterisk lists them, on nodes that are present."""
    world = context.world
    if world.disabled(tenant):
        return
    nodes = set(world.nodes())
    for position, registered in enumerate(world.phones.registrations(tenant, context.moment)):
        node = world.phones.home_node(tenant, position)
        if node not in nodes:
            continue
        name = f"{FIRST_EXTENSION + position}-{tenant.code}"  # the SIP user (seen, wire notes 2026-10)
        chance = draw(world.seed, ROUND_TRIP, tenant.index, position)
        host = f"198.51.100.{chance % 254 + 1}" if registered else "(Unspecified)"
        port = str(1024 + chance % 60000) if registered else "0"
        status = _round_trip(chance) if registered else context.options.unregistered_status
        yield (node, f"{name}/{name}", host, "D", "Yes", "Yes", "", port, status, "", "Cached RT")


def _round_trip(chance: int) -> str:
    milliseconds = 5 + (chance >> 20) % 120
    return f"LAGGED ({2000 + milliseconds} ms)" if chance % 50 == 0 else f"OK ({milliseconds} ms)"


def _tenant_json(row: _Row) -> str:
    """Return a tenant as JSON, with credentials and every value twice."""
    code = row[2]
    record = {
        **dict(zip(_TENANT_COLUMNS, row, strict=True)),
        "te_apikey": f"{SECRET}-{code}-KEY",
        "te_webpassword": f"{SECRET}-{code}-WEB",
        "te_smtppassword": f"{SECRET}-{code}-SMTP",
        "te_email": "billing@example.com",
        "te_timezone": "Europe/Rome",
        "te_notes": None,
    }
    return _as_json(_with_positions(record))
