"""``demo``: run the exporter against a simulated switch, without a configuration."""

import argparse
import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from exporter import logs
from exporter.app import Running, Settings, running
from exporter.cli.simulate import simulating
from exporter.config import load
from exporter.errors import StartError
from exporter.masking import Mask
from exporter.metrics import catalogue
from exporter.output import never_block
from exporter.simulator.request import Keys
from exporter.simulator.server import RunningSimulator, create_application
from exporter.simulator.tenants import Technologies
from exporter.simulator.world import Size, World, WorldClock

_HOST = "127.0.0.1"
_EXTENSIONS = 8
_TECHNOLOGIES = Technologies(pjsip=0.4, virtual=0.1)
_PRINT_INTERVAL = 3.0

_CONFIGURATION = """\
# Written by `softswitch-exporter demo`. The intervals are far too short for a real switch.
switches:
  - name: pbx-demo
    url: {url}
    key: {key}
    timeout: 5s
    max_requests_per_second: 50
    stale_after: 5
    nodes: [{nodes}]
    queries:
      peers: {{interval: 3s, tenant_interval: 5s}}
      channels: {{interval: 3s, tenant_interval: 3s}}
      calls: {{interval: 3s, tenant_interval: 3s}}
      license: {{interval: 3s}}
      balance: {{tenant_interval: 3s}}
      extensions: {{tenant_interval: 2s}}
      registrations: {{tenant_interval: 2s, source: blf}}
      queues: {{tenant_interval: 3s}}
      queue: {{tenant_interval: 3s}}
      trunks: {{interval: 3s}}
      limits: {{tenant_interval: 5s}}
    tenant_defaults:
      labels: {{team: noc}}
      extensions: all
      queues: all
      watch: ["100"]
      business_hours: {{timezone: Europe/Rome, days: [mon, tue, wed, thu, fri], from: "09:00", to: "18:00"}}
    tenants:
{tenants}
"""


def run(arguments: argparse.Namespace) -> int:
    """Run the demo until a signal stops it."""
    never_block()
    asyncio.run(_demo(arguments))
    return 0


def demo_world(seed: int = 1) -> World:
    """Return the simulated installation of the demo."""
    return World(
        Size(tenants=5, extensions=_EXTENSIONS),
        technologies=_TECHNOLOGIES,
        seed=seed,
        clock=WorldClock(speed=120),
    )


async def _demo(arguments: argparse.Namespace) -> None:
    mask = Mask()
    logs.configure("warning", "logfmt", mask)
    world = demo_world(arguments.seed)
    address = (_HOST, arguments.simulator_port)
    async with simulating(address, create_application(world), "--simulator-port") as (simulator, stopped):
        with tempfile.TemporaryDirectory(prefix="softswitch-exporter-") as folder:
            file = Path(folder) / "demo.yaml"
            file.write_text(_configuration(simulator, world))
            settings = Settings(
                load=lambda: load(file, {}), listen_addresses=[(_HOST, arguments.port)], config_file=file
            )
            async with _running(settings, mask) as exporter:
                base_url = f"http://{_HOST}:{exporter.server.addresses[0][1]}"
                simulator.parts.watched_at = base_url
                print(_introduction(base_url, simulator.base_url, file), flush=True)
                await _print_values(f"{base_url}/metrics", len(_tenants(world)), stopped)


@contextlib.asynccontextmanager
async def _running(settings: Settings, mask: Mask) -> AsyncIterator[Running]:
    """Run the exporter; an error names the flag of this command."""
    try:
        async with running(settings, mask) as exporter:
            yield exporter
    except StartError as error:
        raise StartError(str(error).replace("--web.listen-address", "--port")) from error


def _configuration(simulator: RunningSimulator, world: World) -> str:
    return _CONFIGURATION.format(
        url=simulator.url,
        key=Keys().admin,
        nodes=", ".join(world.nodes()),
        tenants="\n".join(f"      - code: {code}" for code in _tenants(world)),
    )


def _tenants(world: World) -> list[str]:
    return [tenant.code for tenant in world.tenants() if not world.disabled(tenant)]


def _introduction(exporter: str, simulator: str, file: Path) -> str:
    return f"""softswitch-exporter polls a simulated switch. Open:
  {exporter}/metrics         metrics for Prometheus
  {exporter}/                status page
  {exporter}/api/v1/status   status as JSON
  {simulator}/                the simulated switch, with buttons that break it
Configuration: {file}
Live values follow. Press Ctrl-C to stop.
"""


async def _print_values(url: str, tenants: int, stop: asyncio.Event) -> None:
    """Print the values every few seconds; at first, only how many tenants have them."""
    is_complete = False
    async with aiohttp.ClientSession() as session:
        while not stop.is_set():
            async with session.get(url) as response:
                families = text_string_to_metric_families(await response.text())
            samples = [sample for family in families for sample in family.samples]
            known, values = _known_tenants(samples), _values(samples)
            is_complete = is_complete or (known >= tenants and None not in values.values())
            # A value that is not known is absent, not 0.
            text = "  ".join(f"{name} {value:g}" for name, value in values.items() if value is not None)
            text = text if is_complete else f"first sweep: {known} of {tenants} tenants"
            print(f"{datetime.now(UTC):%H:%M:%S}  {text}", flush=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PRINT_INTERVAL if is_complete else 1):
                    await stop.wait()


def _known_tenants(samples: Sequence[Sample]) -> int:
    """Return how many tenants have a balance, and no phone whose state is unknown."""
    phones = {
        sample.labels["tenant"]: sample.value
        for sample in samples
        if sample.name == catalogue.TENANT_EXTENSIONS.name and sample.labels["state"] == "unknown"
    }
    balances = {sample.labels["tenant"] for sample in samples if sample.name == catalogue.TENANT_BALANCE.name}
    return sum(phones.get(tenant) == 0 for tenant in balances)


def _values(samples: Sequence[Sample]) -> dict[str, float | None]:
    """Return the values that an operator looks at first; None for those that are not known."""
    totals: dict[str, float] = {}
    balances: dict[str, float] = {}
    for sample in samples:
        state = sample.labels.get("state", "")
        totals[sample.name + state] = totals.get(sample.name + state, 0) + sample.value
        if sample.name == catalogue.TENANT_BALANCE.name:
            balances[sample.labels["tenant"]] = sample.value
    return {
        "up": totals.get(catalogue.UP.name),
        "peers": totals.get(catalogue.PEERS.name),
        "channels": totals.get(catalogue.CHANNELS.name),
        "calls": totals.get(catalogue.CALLS.name),
        "registered": totals.get(f"{catalogue.TENANT_EXTENSIONS.name}registered"),
        "unregistered": totals.get(f"{catalogue.TENANT_EXTENSIONS.name}unregistered"),
        "trunks down": totals.get(f"{catalogue.TRUNKS.name}unregistered"),
        **{f"balance of {tenant}": balance for tenant, balance in sorted(balances.items())[:2]},
    }
