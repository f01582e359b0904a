"""Response bodies of the simulated switch: one function per operation, in plain text and in JSON.

Source: wire notes 2026-10. Where no response of a real switch is on record, ``Options`` decides.
"""

from collections.abc import Callable, Mapping, Sequence

from exporter.simulator import call_history, phone_lists, queues, trunks
from exporter.simulator.options import Options
from exporter.simulator.request import ApiRequest
from exporter.simulator.tenants import Tenant
from exporter.simulator.wire import NOT_FOUND, SECRET, Context, Row, as_json, listing, with_positions
from exporter.simulator.world import World

_NO_TENANT = "No tenant specified"
_TENANT_COLUMNS = ("te_id", "te_name", "te_code", "te_disabled")
_HELP = """<html><body><pre>
Parameters:
  reqtype - Request type
  tenant  - The tenant code, optional with the Admin API key
  key     - The Admin API key or the Tenant API key
  format  - Optional, <i>json</i> or <i>plain</i>

Request types (reqtype) that this simulator supports:
COUNTPEERS, COUNTCHANNELS, COUNTCALLS, LICENSEDAYS, CHANSIPPEERS, PEERS, BLFS
INFO - info: balance, regstate, extensions, config, queues, queue, simplecdrs
MANAGEDB - object: tenant, sipregs; action=list
</pre></body></html>
"""


def body(world: World, options: Options, request: ApiRequest) -> str:
    """Return the response to an authorized request whose tenant, if any, exists."""
    tenant = world.tenant(request.tenant)
    render, needs_tenant = _OPERATIONS[request.operation]
    if needs_tenant and tenant is None and not request.every_tenant:
        return _NO_TENANT
    return render(Context(world, options, request, tenant, world.moment()))


def _counts(context: Context, counts: Mapping[str, int]) -> str:
    if total_name := context.options.total_name:
        counts = {**counts, total_name: sum(counts.values())}
    if context.request.json:
        return as_json(counts)
    return "".join(f"{node}:{count}|" for node, count in counts.items())


def _count_channels(context: Context) -> str:
    channels = context.figures().channels
    node = context.request.node
    if node:
        if node not in channels:
            return NOT_FOUND
        channels = {node: channels[node]}
    if context.options.channels == "total":
        return str(sum(channels.values()))
    return _counts(context, channels)


def _count_calls(context: Context) -> str:
    # The body is empty without calls, in either format (seen, wire notes 2026-10).
    return str(context.figures().calls or "")


def _license_days(context: Context) -> str:
    days = context.world.license_days(context.moment)
    return f"The license expires in {days} days" if context.options.license == "sentence" else str(days)


def _balance(context: Context) -> str:
    # The same bytes in either format (seen, wire notes 2026-10).
    return f"{context.world.balance(context.the_tenant, context.moment):.4f}"


def _registration(context: Context) -> str:
    options, tenant = context.options, context.the_tenant
    number = context.request.parameters.get(options.regstate_parameter, "")
    if not number:
        return f"No {options.regstate_parameter} specified"
    position = tenant.position(number)
    if position is None:
        return NOT_FOUND
    registered = context.world.phones.registered(tenant, position, context.moment)
    word = options.registered_word if registered else options.unregistered_word
    if not context.request.json:
        return word
    return as_json({"extension": number, "state": word} if options.regstate_json == "object" else word)


def _config(context: Context) -> str:
    limits = {
        "maxchannels": context.world.max_channels(context.the_tenant),
        "maxextensions": context.the_tenant.max_extensions,
        "maxdids": context.the_tenant.max_dids,
    }
    if context.request.json:
        # Numbers as strings, and every value twice (both seen, wire notes 2026-10).
        return as_json(with_positions({name: str(limit) for name, limit in limits.items()}))
    return "|".join(map(str, (*limits.values(), -1, 5, -1, 0))) + "|"


def _tenants(context: Context) -> str:
    options = context.options
    # A list without te_code, and one keyed by id, are in code of integrators (wire notes 2026-10).
    columns = tuple(name for name in _TENANT_COLUMNS if options.tenant_codes or name != "te_code")
    rows = (_tenant_row(context, tenant, columns) for tenant in context.world.tenants())
    return listing(
        context, columns, rows, _tenant_json(columns), keyed_by_id=options.tenants_json == "object"
    )


def _tenant_row(context: Context, tenant: Tenant, columns: Sequence[str]) -> Row:
    options, disabled = context.options, context.world.disabled(tenant)
    values = {
        "te_id": str(tenant.index + 1),
        "te_name": tenant.name,
        "te_code": tenant.code,
        "te_disabled": options.disabled_word if disabled else options.enabled_word,
    }
    return tuple(values[name] for name in columns)


def _tenant_json(columns: Sequence[str]) -> Callable[[Row], str]:
    """Return a function that formats a tenant as JSON, with credentials and every value twice."""

    def to_json(row: Row) -> str:
        secret = f"{SECRET}-{row[0]}"
        record = {
            **dict(zip(columns, row, strict=True)),
            "te_apikey": f"{secret}-KEY",
            "te_webpassword": f"{secret}-WEB",
            "te_smtppassword": f"{secret}-SMTP",
            "te_email": "billing@example.com",
            "te_timezone": "Europe/Rome",
            "te_notes": None,
        }
        return as_json(with_positions(record))

    return to_json


# Operation -> its function, and whether it needs a tenant.
_OPERATIONS: dict[str, tuple[Callable[[Context], str], bool]] = {
    "COUNTPEERS": (lambda context: _counts(context, context.figures().peers), False),
    "COUNTCHANNELS": (_count_channels, False),
    "COUNTCALLS": (_count_calls, False),
    "LICENSEDAYS": (_license_days, False),
    "CHANSIPPEERS": (phone_lists.chan_sip_peers, False),
    "PEERS": (phone_lists.peers, True),
    "BLFS": (phone_lists.blfs, True),
    "INFO balance": (_balance, True),
    "INFO regstate": (_registration, True),
    "INFO extensions": (phone_lists.extensions, True),
    "INFO config": (_config, True),
    "INFO queues": (queues.listed, True),
    "INFO simplecdrs": (call_history.simple_cdrs, True),
    "INFO queue": (queues.one_queue, True),
    "MANAGEDB tenant list": (_tenants, False),
    "MANAGEDB sipregs list": (trunks.sip_registrations, False),
    "HELP": (lambda _: _HELP, False),
}
