"""Wires the parts together and runs them until a signal says to stop."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from functools import partial

import structlog
from prometheus_client import CollectorRegistry

from exporter import __version__
from exporter.client import open_client
from exporter.clock import Clock
from exporter.config import Configuration, SwitchConfiguration
from exporter.errors import StartError
from exporter.exposition import Exposition
from exporter.instruments import Instruments
from exporter.masking import Mask
from exporter.poll import Poller
from exporter.schedule import Schedule
from exporter.store import Store
from exporter.web import Server, Sources, serve


@contextlib.asynccontextmanager
async def running(
    configuration: Configuration,
    mask: Mask,
    listen_addresses: Sequence[tuple[str | None, int]],
    telemetry_path: str = "/metrics",
) -> AsyncIterator[Server]:
    """Poll and serve for as long as the context is open.

    Raises StartError where an address cannot be listened on.
    """
    clock = Clock()
    registry = CollectorRegistry()
    instruments = Instruments(registry, revision=os.environ.get("SOFTSWITCH_EXPORTER_REVISION", ""))
    instruments.reload_successful.set(1)
    instruments.reload_timestamp.set(clock.wall())
    pollers = [
        _poller(switch, configuration.label_names, instruments, mask, clock)
        for switch in configuration.switches
    ]
    schedule = Schedule(clock)

    def refresh() -> None:
        for poller in pollers:
            poller.refresh()

    exposition = Exposition(lambda: [poller.store for poller in pollers], registry, refresh)
    sources = Sources(exposition, lambda: pollers, schedule.is_progressing, clock)
    async with contextlib.AsyncExitStack() as stack:
        for poller in pollers:
            stack.push_async_callback(poller.stop)
        server = await serve(sources, listen_addresses, telemetry_path)
        stack.push_async_callback(server.close)
        for poller in pollers:
            _schedule(schedule, poller)
        schedule.start()
        stack.push_async_callback(schedule.stop)
        yield server


def _poller(
    switch: SwitchConfiguration,
    label_names: tuple[str, ...],
    instruments: Instruments,
    mask: Mask,
    clock: Clock,
) -> Poller:
    for holder in (switch.key, *(switch.settings(tenant.code).key for tenant in switch.tenants)):
        if holder is not None:
            mask.add(holder.current())
    try:
        client = open_client(switch)
    except OSError as error:
        raise StartError(f"switch {switch.name}: its `tls` files cannot be used: {error.strerror}") from error
    store = Store(switch.name, stale_after=switch.stale_after)
    return Poller(switch, client, store, instruments, mask, clock, label_names=label_names)


def _schedule(schedule: Schedule, poller: Poller) -> None:
    for query, scope in poller.jobs:
        schedule.add(
            f"{poller.configuration.name} {query} {scope}",
            partial(poller.sweep, query, scope),
            partial(poller.period, query, scope),
        )


async def run(
    configuration: Configuration,
    mask: Mask,
    listen_addresses: Sequence[tuple[str | None, int]],
    telemetry_path: str,
) -> None:
    """Run the daemon until SIGTERM or SIGINT. Raises StartError where it cannot start."""
    log = structlog.get_logger("exporter.app")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(configuration, mask, listen_addresses, telemetry_path) as server:
        for host, port in server.addresses:
            log.info("listening", address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}", version=__version__)
        if configuration.alerting is not None:
            log.warning("`alerting` is not built yet: this version sends no alerts")
        await stop.wait()
        log.info("stopping")
    log.info("stopped")
