"""The lists of the API: extensions, peers and tenants, record by record, in JSON and as plain tables.

Credentials in them begin with ``PASSWORD-MUST-NOT-SHOW``, so that a test can look for one in every log, page
and metric.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from exporter.simulator.tenants import FIRST_EXTENSION, ROUND_TRIP, Tenant, draw
from exporter.simulator.world import World

SECRET = "PASSWORD-MUST-NOT-SHOW"  # noqa: S105 - a mark to look for, not a password

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
    doubled: dict[str, object] = {}
    for position, (name, value) in enumerate(record.items()):
        doubled[str(position)] = value
        doubled[name] = value
    return doubled


def user(tenant: Tenant, position: int) -> str:
    """Return the SIP user of an extension, ``<number>-<CODE>`` (seen, wire notes 2026-10)."""
    return f"{FIRST_EXTENSION + position}-{tenant.code}"


def extension_rows(world: World, tenant: Tenant, moment: float) -> Iterator[tuple[str, ...]]:
    """Yield the columns of each extension of a tenant. The first ones that are registered carry its calls."""
    calls = world.figures(tenant, moment).calls
    for position, registered in enumerate(world.phones.registrations(tenant, moment)):
        state = ("INUSE" if calls > 0 else "NOT_INUSE") if registered else "UNAVAILABLE"
        calls -= registered
        number = str(FIRST_EXTENSION + position)
        secret = f"{SECRET}-{tenant.code}-{number}"
        yield (number, f"Desk {number}, {tenant.name}", "SIP", state, user(tenant, position), secret)


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
        name = user(tenant, position)
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
