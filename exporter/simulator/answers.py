"""What the simulated switch says: one function for each operation, each in the plain form and in JSON.

The manners are those of wire notes 2026-10; where nobody has seen an answer, ``Options`` chooses.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.simulator import records
from exporter.simulator.options import Options
from exporter.simulator.records import as_json, as_list, as_table, with_positions
from exporter.simulator.request import ApiRequest
from exporter.simulator.tenants import Tenant
from exporter.simulator.world import Figures, World

_NO_TENANT = "No tenant specified"
_NOT_FOUND = "\r\n"  # other error paths have no body at all (seen, wire notes 2026-10)

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


def _count_peers(question: _Question) -> str:
    return _counts(question, question.figures().peers)


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
    calls = question.figures().calls
    return str(calls) if calls else ""


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
    rows = records.extension_rows(question.world, _the_tenant(question), question.moment)
    if question.request.json:
        return as_list(map(records.extension_json, rows))
    return as_table(records.EXTENSION_COLUMNS, rows)


def _config(question: _Question) -> str:
    tenant = _the_tenant(question)
    limits = {"maxchannels": question.world.max_channels(tenant), "maxextensions": -1, "maxdids": 10}
    if question.request.json:
        # Numbers as strings, and every one twice (both seen in this API, wire notes 2026-10).
        return as_json(with_positions({name: str(limit) for name, limit in limits.items()}))
    return "|".join(map(str, (*limits.values(), -1, 5, -1, 0))) + "|"


def _tenants(question: _Question) -> str:
    rows = (records.tenant_row(question.world, tenant) for tenant in question.world.tenants())
    if question.request.json:
        return as_list(map(records.tenant_json, rows))
    return as_table(records.TENANT_COLUMNS, rows)


def _peers(question: _Question) -> str:
    world, tenant = question.world, question.tenant
    rows = (
        row
        for one in (world.tenants() if tenant is None else [tenant])
        for row in records.peer_rows(world, one, question.moment, question.options.unregistered_status)
    )
    if question.request.json:
        return as_list(as_json(dict(zip(records.PEER_COLUMNS, row, strict=True))) for row in rows)
    return as_table(records.PEER_COLUMNS, rows)


def _help(_question: _Question) -> str:
    return _HELP


def _the_tenant(question: _Question) -> Tenant:
    if question.tenant is None:
        raise ValueError(f"{question.request.operation} is answered for a tenant only")
    return question.tenant


# Operation -> what answers it, and whether it can only be asked of one tenant.
_ANSWERS: dict[str, tuple[Callable[[_Question], str], bool]] = {
    "COUNTPEERS": (_count_peers, False),
    "COUNTCHANNELS": (_count_channels, False),
    "COUNTCALLS": (_count_calls, False),
    "LICENSEDAYS": (_license_days, False),
    "CHANSIPPEERS": (_peers, False),
    "INFO balance": (_balance, True),
    "INFO regstate": (_registration, True),
    "INFO extensions": (_extensions, True),
    "INFO config": (_config, True),
    "MANAGEDB tenant list": (_tenants, False),
    "HELP": (_help, False),
}
