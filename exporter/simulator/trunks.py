"""Trunks: the registrations of the switch with its providers.

No response to MANAGEDB object=sipregs has been seen. Other lists of MANAGEDB are keyed by id (seen, wire
notes 2026-10). Options set the field names, the words for states, and how a trunk refers to its tenant.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from exporter.simulator.tenants import ROUND_TRIP, Tenant, draw
from exporter.simulator.wire import SECRET, Context, Row, as_json, listing
from exporter.simulator.world import World

# Made-up providers.
_PROVIDERS = (
    ("northwind", "sip.northwind.example"),
    ("Südfunk, Zürich", "trunk.suedfunk.example"),
    ("backup-line", "192.0.2.17"),
)
_OWN_TRUNK_EVERY = 3
_FIELDS = ("sr_id", "sr_name", "sr_host", "sr_username", "sr_password", "sr_state", "te_code")


class Trunk(NamedTuple):
    """One trunk. ``tenant`` is None for a trunk of the installation."""

    number: int
    name: str
    host: str
    tenant: Tenant | None


def trunks(world: World) -> Iterator[Trunk]:
    """Yield the trunks of the installation, then those of tenants: every third tenant has one."""
    for number, (name, host) in enumerate(_PROVIDERS, 1):
        yield Trunk(number, name, host, None)
    for tenant in world.tenants():
        if tenant.index % _OWN_TRUNK_EVERY == 0 and not tenant.disabled:
            name = f"{tenant.code.lower()}-trunk"
            yield Trunk(100 + tenant.index, name, f"sip.{tenant.code.lower()}.example", tenant)


def registered(world: World, trunk: Trunk) -> bool:
    """Return whether the provider has accepted the registration."""
    return trunk.name not in world.overrides.failed_trunks


def round_trip(world: World, trunk: Trunk) -> int:
    """Return the round-trip time of the trunk as a peer, in milliseconds."""
    return 10 + draw(world.seed, ROUND_TRIP, trunk.number) % 40


def sip_registrations(context: Context) -> str:
    """Return MANAGEDB sipregs list: all trunks, or those of a tenant."""
    columns = tuple(_renamed(context.options.trunk_fields))
    listed = (trunk for trunk in trunks(context.world) if context.tenant in {None, trunk.tenant})
    rows = (_row(context, trunk) for trunk in listed)
    return listing(
        context, columns, rows, lambda row: as_json(dict(zip(columns, row, strict=True))), keyed_by_id=True
    )


def _renamed(names: str) -> Iterator[str]:
    """Yield the names of the fields, after changes such as ``sr_name=peer,sr_state=status``."""
    changes: Mapping[str, str] = dict(pair.split("=", 1) for pair in names.split(",") if "=" in pair)
    return (changes.get(name, name) for name in _FIELDS)


def _row(context: Context, trunk: Trunk) -> Row:
    options, account = context.options, f"account-{trunk.number}"
    word = options.trunk_registered_word if registered(context.world, trunk) else options.trunk_failed_word
    tenant = ""
    if trunk.tenant is not None:
        names = {"code": trunk.tenant.code, "name": trunk.tenant.name, "id": str(trunk.tenant.index + 1)}
        tenant = names[options.trunk_tenant]
    secret = f"{SECRET}-{account}"
    return (str(trunk.number), trunk.name, trunk.host, account, secret, word, tenant)


def peer_rows(context: Context, tenant: Tenant | None, *, registered_only: bool = False) -> Iterator[Row]:
    """Yield each trunk as a peer, of a tenant or (None) of the installation. None without the option."""
    world, options = context.world, context.options
    nodes = world.nodes()
    if not options.trunks_as_peers or not nodes:
        return
    for trunk in trunks(world):
        if tenant is not None and trunk.tenant != tenant:
            continue
        node, name = nodes[trunk.number % len(nodes)], f"{trunk.name}/account-{trunk.number}"
        status = (
            f"OK ({round_trip(world, trunk)} ms)" if registered(world, trunk) else options.unregistered_status
        )
        if registered(world, trunk) or not registered_only:
            # A peer with a fixed address keeps it when it does not respond.
            yield (node, name, trunk.host, "", "No", "No", "", "5060", status, "", "")
