"""Tries every source of registrations on one tenant, and compares them phone by phone."""

from collections.abc import Mapping
from datetime import UTC, datetime

from exporter.cli.probe.comparison import Installation, comparisons, installation, source_advice, table
from exporter.cli.probe.findings import query_request, tenant_exists
from exporter.cli.probe.render import advice_lines, headed
from exporter.cli.probe.runner import Runner
from exporter.cli.probe.sources import (
    LIST,
    PEERS,
    SKIPPED,
    Phones,
    Source,
    Trial,
    configured_source,
    is_configured,
    sources,
    trial,
)
from exporter.model import Query, RegistrationSource, Tenants
from exporter.poll.discovery import TenantDiscovery


async def probe_extension(runner: Runner, tenant: str, extension: str) -> bool:
    """Query one extension from the configured source. Return whether it has no state."""
    source = configured_source(runner.switch)
    finding = await runner.send(source.request(tenant, extension))
    if finding is None:
        return True
    tried = trial(source, finding, tenant, extension)
    runner.write([*headed("extension", f"{extension} of tenant {tenant}: {tried.result}"), ""])
    return tried.state is None


async def probe_registrations(
    runner: Runner, tenant: str, extension: str, *, lists_tenants: bool = False
) -> bool:
    """Try every source once, and print which one to configure.

    ``lists_tenants``: also requests the list of tenants, for their number and names, unless the configuration
    names the tenants. Returns whether the configured source has no state.
    """
    if lists_tenants:
        await _list_tenants(runner)
    phones, trials = Phones(names=_names(runner)), list[Trial]()
    extension = extension or next(iter(runner.switch.settings(tenant).polled), "")
    for source in sources(runner.switch):
        tried, phones = await _try(runner, source, tenant, extension, phones)
        trials.append(tried)
        extension = extension or next(iter(phones.able or ()), "")
    return _print(runner, tenant, extension, trials)


async def _try(
    runner: Runner, source: Source, tenant: str, extension: str, phones: Phones
) -> tuple[Trial, Phones]:
    if source is PEERS and runner.switch.key is None:
        return Trial(source, None, "skipped: needs the admin key"), phones
    if source.kind is RegistrationSource.REGSTATE and not extension:
        return Trial(source, None, "skipped: no extension found"), phones
    finding = await runner.send(source.request(tenant, extension))
    if finding is None:
        return Trial(source, None, SKIPPED), phones
    if source is LIST:
        phones = phones.with_list(finding.verdict)
        extension = extension or next(iter(phones.able or ()), "")
    return trial(source, finding, tenant, extension, phones), phones


def _print(runner: Runner, tenant: str, extension: str, trials: list[Trial]) -> bool:
    polled = _installation(runner, tenant, trials)
    runner.write(headed("extension", f"{extension} of tenant {tenant}" if extension else "none found"))
    runner.write(headed("cost", f"of {polled}"))
    for position, line in enumerate(table(trials, polled)):
        runner.write([f"{'' if position else 'sources':<10}{line}"])
    for position, line in enumerate(comparisons(trials)):
        runner.write([f"{'' if position else 'compare':<10}{line}"])
    known = tenant_exists(tenant, runner.findings)
    for given in source_advice(trials, runner.switch, polled, tenant_is_known=known):
        runner.write(advice_lines(given))
        runner.given.append((None, given))
    runner.write([""])
    return not any(is_configured(each.source, runner.switch) and each.state is not None for each in trials)


def _installation(runner: Runner, tenant: str, trials: list[Trial]) -> Installation:
    switch, listed = runner.switch, _listed(runner)
    codes: list[str] = []
    if listed and switch.discover_tenants.enabled:
        discovery = TenantDiscovery()
        discovery.accept(listed, datetime.now(UTC).date())
        codes = discovery.selected(switch)
    elif listed and not switch.tenants:
        codes = [row.code for row in listed.rows if not row.disabled]
    phones = max((len(each.states) for each in trials if each.is_list), default=1)
    return installation(switch, tenant, phones, codes)


async def _list_tenants(runner: Runner) -> None:
    is_needed = runner.switch.discover_tenants.enabled or not runner.switch.tenants
    if runner.switch.key and is_needed and _listed(runner) is None:
        await runner.send(query_request(Query.TENANTS))


def _listed(runner: Runner) -> Tenants | None:
    verdicts = [finding.verdict for finding in runner.findings]
    return next((verdict for verdict in verdicts if isinstance(verdict, Tenants)), None)


def _names(runner: Runner) -> Mapping[str, str]:
    listed = _listed(runner)
    return {row.code: row.name for row in listed.rows} if listed else {}
