"""What the simulated switch answers: one function for each operation, each in plain text and in JSON.

They follow wire notes 2026-10; where no answer of a real switch was seen, ``Options`` chooses.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.simulator.options import Options
from exporter.simulator.request import ApiRequest
from exporter.simulator.tenants import FIRST_EXTENSION, ROUND_TRIP, Tenant, draw
from exporter.simulator.world import Figures, World

_NO_TENANT = "No tenant specified"
_NOT_FOUND = "\r\n"  # other error paths have no body at all (seen, wire notes 2026-10)

SECRET = "PASSWORD-MUST-NOT-SHOW"  # noqa: S105 - a mark to look for, not a password
"""Credentials in lists begin with it, so that a test can look for one in every log, page and metric."""

EXTENSION_COLUMNS = ("Number", "Name", "Tech", "State", "Username", "Password")
PEER_COLUMNS = (
    "node", "Name", "Host", "Dyn", "Forcerport", "Comedia",
    "ACL", "Port", "Status", "Description", "Realtime",
)  # fmt: skip
TENANT_COLUMNS = ("te_id", "te_name", "te_code", "te_disabled")

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
# Rendered once: a list of 50 extensions takes 170 KB, and only a few fields of it ever change.
_STATIC_EXTENSION_JSON = json.dumps(_STATIC_EXTENSION, separators=(",", ":"))[1:]
_HELP = """<html><body><pre>
Parameters:
  reqtype - Request type
  tenant  - The tenant code, optional with the Admin API key
  key     - The Admin API key or the Tenant API key
  format  - Optional, <i>json</i> or <i>plain</i>

Request type (reqtype) that this simulator answers:
COUNTPEERS, COUNTCHANNELS, COUNTCALLS, LICENSEDAYS, CHANSIPPEERS
INFO - info: balance, regstate, extensions, config
MANAGEDB - object=tenant, action=list
</pre></body></html>
"""


@dataclass(frozen=True, slots=True)
class _Question:
    """What an answer is made from; ``tenant`` is None for the whole installation."""

    world: World
    options: Options
    request: ApiRequest
    tenant: Tenant | None
    moment: float

    def figures(self) -> Figures:
        if self.tenant is None:
            return self.world.whole(self.moment)
        return self.world.figures(self.tenant, self.moment)


def body(world: World, options: Options, request: ApiRequest) -> str:
    """Return the body of an answer to a request that the key may send and whose tenant, if any, is known."""
    tenant = world.tenant(request.tenant)
    answer, of_one_tenant = _ANSWERS[request.operation]
    if of_one_tenant and tenant is None:
        return _NO_TENANT
    return answer(_Question(world, options, request, tenant, world.moment()))


def content_type(*, json: bool) -> str:
    """Return the content type: it follows the format asked for, not the body (seen, wire notes 2026-10)."""
    return "application/json" if json else "text/html; charset=UTF-8"


def _counts(question: _Question, counts: Mapping[str, int]) -> str:
    name = question.options.total_name
    stated = {**counts, name: sum(counts.values())} if name else dict(counts)
    return (
        as_json(stated)
        if question.request.json
        else "".join(f"{node}:{count}|" for node, count in stated.items())
    )


def _count_channels(question: _Question) -> str:
    channels = question.figures().channels
    node = question.request.node
    if node:
        if node not in channels:
            return _NOT_FOUND
        channels = {node: channels[node]}
    if question.options.channels == "total":
        return str(sum(channels.values()))
    return _counts(question, channels)


def _count_calls(question: _Question) -> str:
    # No body at all while nothing runs (seen, wire notes 2026-10), in either format.
    return str(question.figures().calls or "")


def _license_days(question: _Question) -> str:
    days = question.world.license_days(question.moment)
    return f"The license expires in {days} days" if question.options.license == "sentence" else str(days)


def _balance(question: _Question) -> str:
    # The same bytes in either format (seen, wire notes 2026-10).
    return f"{question.world.balance(_the_tenant(question), question.moment):.4f}"


def _registration(question: _Question) -> str:
    options = question.options
    number = question.request.parameters.get(options.regstate_parameter, "")
    if not number:
        return f"No {options.regstate_parameter} specified"
    tenant = _the_tenant(question)
    position = tenant.position(number)
    if position is None:
        return _NOT_FOUND
    registered = question.world.phones.registered(tenant, position, question.moment)
    word = options.registered_word if registered else options.unregistered_word
    if not question.request.json:
        return word
    return as_json({"extension": number, "state": word} if options.regstate_json == "object" else word)


def _extensions(question: _Question) -> str:
    rows = extension_rows(question.world, _the_tenant(question), question.moment)
    if question.request.json:
        return as_list(map(extension_json, rows))
    return as_table(EXTENSION_COLUMNS, rows)


def _config(question: _Question) -> str:
    tenant = _the_tenant(question)
    limits = {"maxchannels": question.world.max_channels(tenant), "maxextensions": -1, "maxdids": 10}
    if question.request.json:
        # Numbers as strings, and every one twice (both seen in this API, wire notes 2026-10).
        return as_json(with_positions({name: str(limit) for name, limit in limits.items()}))
    return "|".join(map(str, (*limits.values(), -1, 5, -1, 0))) + "|"


def _tenants(question: _Question) -> str:
    rows = (tenant_row(question.world, tenant) for tenant in question.world.tenants())
    if question.request.json:
        return as_list(map(tenant_json, rows))
    return as_table(TENANT_COLUMNS, rows)


def _peers(question: _Question) -> str:
    world, tenant = question.world, question.tenant
    rows = (
        row
        for one in (world.tenants() if tenant is None else [tenant])
        for row in peer_rows(world, one, question.moment, question.options.unregistered_status)
    )
    if question.request.json:
        return as_list(as_json(dict(zip(PEER_COLUMNS, row, strict=True))) for row in rows)
    return as_table(PEER_COLUMNS, rows)


def _the_tenant(question: _Question) -> Tenant:
    if question.tenant is None:
        raise ValueError(f"{question.request.operation} is answered for a tenant only")
    return question.tenant


# Operation -> what answers it, and whether it can only be asked of one tenant.
_ANSWERS: dict[str, tuple[Callable[[_Question], str], bool]] = {
    "COUNTPEERS": (lambda question: _counts(question, question.figures().peers), False),
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


def as_json(value: object) -> str:
    """Return JSON without spaces, letters beyond ASCII as escapes: PHP's way."""
    return json.dumps(value, separators=(",", ":"))


def as_list(records: Iterable[str]) -> str:
    """Return a JSON list of JSON records; an empty one is ``]`` (seen, wire notes 2026-10)."""
    body = ",".join(records)
    return f"[{body}]" if body else "]"


def as_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a header and rows, their cells parted by bars, each line ended by a newline."""
    return "".join("|".join(map(str, line)) + "\n" for line in (header, *rows))


def with_positions(record: Mapping[str, object]) -> dict[str, object]:
    """Return a record that has every value twice, under its position and under its name (seen, 2026-10)."""
    items = enumerate(record.items())
    return {key: value for position, (name, value) in items for key in (str(position), name)}


def extension_rows(world: World, tenant: Tenant, moment: float) -> Iterator[tuple[str, ...]]:
    """Yield the columns of each extension of a tenant. The first ones that are registered carry its calls."""
    calls = world.figures(tenant, moment).calls
    for position, registered in enumerate(world.phones.registrations(tenant, moment)):
        state = ("INUSE" if calls > 0 else "NOT_INUSE") if registered else "UNAVAILABLE"
        calls -= registered
        number = str(FIRST_EXTENSION + position)
        user, secret = f"{number}-{tenant.code}", f"{SECRET}-{tenant.code}-{number}"
        yield (number, f"Desk {number}, {tenant.name}", "SIP", state, user, secret)


def extension_json(row: tuple[str, ...]) -> str:
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


def peer_rows(
    world: World, tenant: Tenant, moment: float, unregistered_status: str
) -> Iterator[tuple[str, ...]]:
    """Yield the columns of each peer of a tenant, as Asterisk shows them; an absent node shows none."""
    if world.disabled(tenant):
        return
    nodes = set(world.nodes())
    for position, registered in enumerate(world.phones.registrations(tenant, moment)):
        node = world.phones.home(tenant, position)
        if node not in nodes:
            continue
        name = f"{FIRST_EXTENSION + position}-{tenant.code}"  # the SIP user (seen, wire notes 2026-10)
        chance = draw(world.seed, ROUND_TRIP, tenant.index, position)
        host = f"198.51.100.{chance % 254 + 1}" if registered else "(Unspecified)"
        port = str(1024 + chance % 60000) if registered else "0"
        status = _round_trip(chance) if registered else unregistered_status
        yield (node, f"{name}/{name}", host, "D", "Yes", "Yes", "", port, status, "", "Cached RT")


def _round_trip(chance: int) -> str:
    milliseconds = 5 + (chance >> 20) % 120
    return f"LAGGED ({2000 + milliseconds} ms)" if chance % 50 == 0 else f"OK ({milliseconds} ms)"


def tenant_row(world: World, tenant: Tenant) -> tuple[str, ...]:
    """Return the columns of a tenant in the installation's list."""
    return (str(tenant.index + 1), tenant.name, tenant.code, "on" if world.disabled(tenant) else "")


def tenant_json(row: tuple[str, ...]) -> str:
    """Return a tenant as JSON: every value twice, credentials among them."""
    code = row[2]
    record = {
        **dict(zip(TENANT_COLUMNS, row, strict=True)),
        "te_apikey": f"{SECRET}-{code}-KEY",
        "te_webpassword": f"{SECRET}-{code}-WEB",
        "te_smtppassword": f"{SECRET}-{code}-SMTP",
        "te_email": "billing@example.com",
        "te_timezone": "Europe/Rome",
        "te_notes": None,
    }
    return as_json(with_positions(record))
