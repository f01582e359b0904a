"""``demo``: run the exporter against a simulated switch, without a configuration."""

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

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
    nodes: [{nodes}]
    queries:
      peers: {{interval: 5s, tenant_interval: 10s}}
      channels: {{interval: 3s, tenant_interval: 5s}}
      calls: {{interval: 3s, tenant_interval: 5s}}
      license: {{interval: 10s}}
      balance: {{tenant_interval: 5s}}
      extensions: {{tenant_interval: 10s}}
      registrations: {{tenant_interval: 5s, source: blf}}
      queues: {{tenant_interval: 10s}}
      queue: {{tenant_interval: 5s}}
      trunks: {{interval: 5s}}
      limits: {{tenant_interval: 30s}}
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
                await _print_values(f"{base_url}/metrics", stopped)


@asynccontextmanager
async def _running(settings: Settings, mask: Mask) -> AsyncIterator[Running]:
    """Run the exporter; an error names the flag of this command."""
    try:
        async with running(settings, mask) as exporter:
            yield exporter
    except StartError as error:
        raise StartError(str(error).replace("--web.listen-address", "--port")) from error


def _configuration(simulator: RunningSimulator, world: World) -> str:
    tenants = [tenant for tenant in world.tenants() if not world.disabled(tenant)]
    return _CONFIGURATION.format(
        url=simulator.url,
        key=Keys().admin,
        nodes=", ".join(world.nodes()),
        tenants="\n".join(f"      - code: {tenant.code}" for tenant in tenants),
    )


def _introduction(exporter: str, simulator: str, file: Path) -> str:
    return f"""softswitch-exporter polls a simulated switch. Open:
  {exporter}/metrics         metrics for Prometheus
  {exporter}/                status page
  {exporter}/api/v1/status   status as JSON
  {simulator}/                the simulated switch, with buttons that break it
Configuration: {file}
Live values follow. Press Ctrl-C to stop.
"""


async def _print_values(url: str, stop: asyncio.Event) -> None:
    async with aiohttp.ClientSession() as session:
        while not stop.is_set():
            async with session.get(url) as response:
                print(_values(await response.text()), flush=True)
            try:
                async with asyncio.timeout(_PRINT_INTERVAL):
                    await stop.wait()
            except TimeoutError:
                continue


def _values(scrape: str) -> str:
    """Return the values that an operator looks at first, on one line."""
    totals: dict[str, float] = {}
    balances: dict[str, float] = {}
    for family in text_string_to_metric_families(scrape):
        for sample in family.samples:
            state = sample.labels.get("state", "")
            totals[sample.name + state] = totals.get(sample.name + state, 0) + sample.value
            if sample.name == catalogue.TENANT_BALANCE.name:
                balances[sample.labels["tenant"]] = sample.value
    shown = {  # a value that is not known yet is absent, not 0
        "up": totals.get(catalogue.UP.name),
        "peers": totals.get(catalogue.PEERS.name),
        "channels": totals.get(catalogue.CHANNELS.name),
        "calls": totals.get(catalogue.CALLS.name),
        "registered": totals.get(f"{catalogue.TENANT_EXTENSIONS.name}registered"),
        "unregistered": totals.get(f"{catalogue.TENANT_EXTENSIONS.name}unregistered"),
        "trunks down": totals.get(f"{catalogue.TRUNKS.name}unregistered"),
        **{f"balance of {tenant}": balance for tenant, balance in sorted(balances.items())[:2]},
    }
    values = "  ".join(f"{name} {value:g}" for name, value in shown.items() if value is not None)
    return f"{datetime.now(UTC):%H:%M:%S}  {values or 'waiting for the first responses'}"
