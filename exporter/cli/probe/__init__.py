"""``probe``: query an unknown switch once, and suggest what to configure.

Its output can be shown to others: keys and credentials are masked, and of lists, which contain passwords and
personal data, only size, type, column names and the verdict are printed.
"""

import argparse
import asyncio
import os
import time

from exporter.cli.probe import draft
from exporter.cli.probe.call_records import probe_call_records
from exporter.cli.probe.draft.flags import reject_unused
from exporter.cli.probe.findings import (
    Finding,
    disabled_queries,
    polls_queues,
    query_request,
    switch_requests,
    tenant_requests,
)
from exporter.cli.probe.queues import probe_queues
from exporter.cli.probe.registrations import probe_extension, probe_registrations
from exporter.cli.probe.render import headed, summary
from exporter.cli.probe.runner import Runner, open_runner
from exporter.config import Configuration, SwitchConfiguration, load
from exporter.errors import StartError, shown
from exporter.masking import Mask
from exporter.model import Query, Scope, Tenants
from exporter.queries import QUERIES

_NOTE = (
    "this output is safe to attach to a bug report: keys and credentials are masked, and lists are not "
    "shown. The output contains the host of the switch and the names of the nodes, trunks, tenants and "
    "extensions that were queried"
)


def run(arguments: argparse.Namespace) -> int:
    """Probe a switch. Return 0 if this configuration decodes every response, else 1."""
    reject_unused(arguments)
    if arguments.write_config is not None:
        return draft.run(arguments)
    if getattr(arguments, "config_file", None) is None:
        raise StartError("probe needs --config.file=FILE, or --write-config=FILE for a first configuration")
    switch = _switch(load(arguments.config_file, os.environ), arguments.switch)
    query = Query(arguments.query) if arguments.query else None
    (tenant,) = arguments.tenant or ("",)
    extension = arguments.extension or ""
    if extension and query not in {None, Query.REGISTRATIONS}:
        raise StartError(
            f"--extension has no effect on --query={query}; use --query={Query.REGISTRATIONS}, or no --query"
        )
    only_configured_source = query is None and bool(extension)
    if only_configured_source:
        query = Query.REGISTRATIONS
        if not tenant:
            raise StartError("--extension needs --tenant=CODE")
    _check(switch, query, tenant)
    return asyncio.run(
        _probe(switch, query, tenant, extension, only_configured_source=only_configured_source)
    )


def _switch(configuration: Configuration, name: str | None) -> SwitchConfiguration:
    names = [switch.name for switch in configuration.switches]
    if name is None and len(names) == 1:
        return configuration.switches[0]
    if name not in names:
        expected = f"expected {' or '.join(map(shown, names))}"
        if name is None:
            raise StartError(f"--switch is required, because several switches are configured; {expected}")
        raise StartError(f"--switch: {expected}, got {shown(name)}")
    return configuration.switches[names.index(name)]


def _check(switch: SwitchConfiguration, query: Query | None, tenant: str) -> None:
    """Raise StartError for a request that is not possible, before anything is sent."""
    if query and tenant and not QUERIES[query].tenant:
        raise StartError(f"--query={query}: this query is installation-wide; remove --tenant")
    chooses_tenant = (not query or _is_of_tenants(query)) and switch.tenants
    if switch.key is None and not tenant and not chooses_tenant:
        raise StartError(f"no key: switch {switch.name} has no admin key; add --tenant=CODE")
    if tenant and switch.settings(tenant).key is None:
        raise StartError(f"no key: neither switch {switch.name} nor tenant {tenant} has one")


async def _probe(
    switch: SwitchConfiguration,
    query: Query | None,
    tenant: str,
    extension: str,
    *,
    only_configured_source: bool,
) -> int:
    async with open_runner(switch, Mask()) as runner:
        if query and _is_of_tenants(query):
            tenant = tenant or await _choose_tenant(runner)
        if query is None:
            failed = await _everything(runner, tenant)
        elif _is_of_tenants(query) and not tenant:
            failed = True
        elif only_configured_source:
            failed = await probe_extension(runner, tenant, extension)
        elif query is Query.REGISTRATIONS:
            failed = await probe_registrations(runner, tenant, extension, lists_tenants=True)
        elif query in {Query.QUEUES, Query.QUEUE}:
            failed = await probe_queues(runner, tenant)
        elif query is Query.CALL_RECORDS:
            failed = await probe_call_records(runner, time.time())
        else:
            failed = _has_failed(await runner.send(query_request(query, tenant)))
        runner.write(headed("note", _NOTE))
    return int(failed)


def _is_of_tenants(query: Query) -> bool:
    """Return whether a query exists only for tenants. Without ``--tenant``, it is tried on the first one."""
    return QUERIES[query].switch is None


async def _everything(runner: Runner, tenant: str) -> bool:
    """Run all enabled queries, with one tenant and one extension, and print the summary."""
    switch = runner.switch
    failed = False
    tenants: Finding | None = None
    for wanted in [] if tenant else switch_requests(switch):
        finding = await runner.send(wanted)
        failed |= _has_failed(finding)
        tenants = finding if wanted.query is Query.TENANTS else tenants
    if not tenant and switch.interval(Query.CALL_RECORDS, Scope.SWITCH) is not None:
        failed |= await probe_call_records(runner, time.time())
    tenant = tenant or await _choose_tenant(runner, tenants)
    if tenant:
        for wanted in tenant_requests(switch, tenant):
            failed |= _has_failed(await runner.send(wanted))
        if switch.settings(tenant).interval(Query.REGISTRATIONS) is not None:
            failed |= await probe_registrations(runner, tenant, "")
        if polls_queues(switch.settings(tenant)):
            failed |= await probe_queues(runner, tenant)
    disabled = disabled_queries(switch, tenant)
    runner.write(
        summary(
            runner.findings, runner.given, switch_name=switch.name, skipped=runner.skipped, disabled=disabled
        )
    )
    return failed or bool(runner.skipped)


def _has_failed(finding: Finding | None) -> bool:
    return finding is None or finding.reason is not None


async def _choose_tenant(runner: Runner, tenants: Finding | None = None) -> str:
    """Choose and print a tenant: the first of the configuration, else of the switch's list; "" for none."""
    if runner.switch.tenants:
        code, origin = runner.switch.tenants[0].code, "the configuration"
    else:
        if tenants is None and not runner.findings:
            tenants = await runner.send(query_request(Query.TENANTS))
        rows = tenants.verdict.rows if tenants and isinstance(tenants.verdict, Tenants) else ()
        code, origin = next((row.code for row in rows if not row.disabled), ""), "the switch's list"
    if code:
        chosen = f"{code}, the first of {origin}; use --tenant=CODE for another one"
    else:
        chosen = "none found; use --tenant=CODE to query one"
    runner.write([*headed("tenant", chosen), ""])
    return code
