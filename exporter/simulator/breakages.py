"""What the page can break at a click, and what an exporter should then report."""

from dataclasses import dataclass

from exporter.simulator.queues import names
from exporter.simulator.trunks import trunks
from exporter.simulator.world import World


@dataclass(frozen=True, slots=True)
class Breakage:
    """One button: a request to the control interface, with its path and body.

    ``alert``: the alert that it causes. ``expect``: what else changes, for the reader.
    """

    name: str
    path: str
    body: dict[str, object]
    alert: str
    expect: str


def breakages(world: World) -> list[Breakage]:
    """Return everything that can be broken in this world."""
    tenant, node = world.all_tenants[0], world.all_nodes[-1]
    code, trunk = tenant.code, next(trunks(world)).name
    changes = [
        Breakage(
            f"Remove the node {node}",
            "world",
            {"nodes": {node: False}},
            "SoftswitchNodeMissing",
            f'softswitch_node_present{{node="{node}"}} becomes 0, and there are fewer peers and channels.',
        ),
        Breakage(
            f"Let the trunk {trunk} fail",
            "world",
            {"trunks": {trunk: False}},
            "SoftswitchTrunkDown",
            f'softswitch_trunk_registered{{trunk="{trunk}"}} becomes 0.',
        ),
        Breakage(
            f"Unregister all phones of {code}",
            "world",
            {"tenants": {code: {"dropped": 1}}},
            "SoftswitchTenantRegistrationsLost",
            f'softswitch_tenant_extensions{{tenant="{code}",state="registered"}} becomes 0. In the first two '
            "minutes after the exporter starts, the alert is SoftswitchTenantRegistrationsLow.",
        ),
        Breakage(
            "Let the license expire in 3 days",
            "world",
            {"license_days": 3},
            "SoftswitchLicenseExpiring",
            "softswitch_license_remaining_seconds becomes 259200.",
        ),
        Breakage(
            f"Use up the credit of {code}",
            "world",
            {"tenants": {code: {"balance": -5}}},
            "SoftswitchBalanceLow",
            f'softswitch_tenant_balance{{tenant="{code}"}} becomes -5 or less.',
        ),
    ]
    changes += [
        Breakage(
            f"Let 7 calls wait in the queue {queue} of {code}, without agents",
            "world",
            {"tenants": {code: {"queues": {queue: {"waiting": 7, "longest_wait": 300, "online": 0}}}}},
            "SoftswitchQueueUnattended",
            "No alert while the tenant is closed: in the demo, it is open on weekdays from 9 to 18 in Rome.",
        )
        for queue in list(names(world, tenant))[:1]
    ]
    return [
        *changes,
        Breakage(
            "Refuse every key",
            "faults",
            {"kind": "refuse_key"},
            "SoftswitchKeyRefused",
            'softswitch_query_failure{reason="auth"} appears; values become stale and disappear.',
        ),
        Breakage(
            "Let the API hang",
            "faults",
            {"kind": "hang"},
            "SoftswitchApiDown",
            "softswitch_up becomes 0, and softswitch_breaker_open 1: then the exporter sends only probes.",
        ),
    ]
