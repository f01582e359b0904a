"""The command: what to ask and of whom, then the summary."""

import argparse
import asyncio
import os
from collections.abc import Sequence

from exporter.cli.probe.questions import Finding, of_switch, of_tenant, one, switched_off
from exporter.cli.probe.render import SHAREABLE, advice_lines, headed, summary
from exporter.cli.probe.runner import Runner, open_runner
from exporter.cli.probe.sources import (
    LIST,
    PEERS,
    Trial,
    configured_source,
    is_configured,
    source_advice,
    sources,
    table,
    trial,
)
from exporter.cli.probe.tenants import is_known
from exporter.config import Configuration, SwitchConfiguration, load
from exporter.errors import StartError
from exporter.masking import Mask
from exporter.model import Extensions, Failure, Query, RegistrationSource, Tenants


def run(arguments: argparse.Namespace) -> int:
    """Probe; return 0 if every answer gave a value with this configuration, else 1."""
    if getattr(arguments, "config_file", None) is None:
        raise StartError("probe needs --config.file=FILE")
    switch = _switch(load(arguments.config_file, os.environ), arguments.switch)
    query = Query(arguments.query) if arguments.query else None
    tenant, extension = arguments.tenant or "", arguments.extension or ""
    if query is None and extension:
        query = Query.REGISTRATIONS
        if not tenant:
            raise StartError("an extension is one of a tenant: add --tenant=CODE")
    _check(switch, query, tenant)
    return asyncio.run(_probe(switch, query, tenant, extension, only_one=arguments.query is None))


def _switch(configuration: Configuration, name: str | None) -> SwitchConfiguration:
    names = [switch.name for switch in configuration.switches]
    if name is None and len(names) == 1:
        return configuration.switches[0]
    if name not in names:
        raise StartError(f"--switch must be one of: {', '.join(names)}")
    return configuration.switches[names.index(name)]


def _check(switch: SwitchConfiguration, query: Query | None, tenant: str) -> None:
    """Raise StartError for what cannot be asked, before anything is."""
    if query is not None and query is not Query.REGISTRATIONS:
        try:
            one(query, tenant)
        except ValueError as error:
            raise StartError(f"this cannot be asked: {error}") from error
    asks_tenant = tenant or (query in {None, Query.REGISTRATIONS} and switch.tenants)
    if switch.key is None and not asks_tenant:
        raise StartError(
            f"there is no key for this: switch {switch.name} has no admin key, so a --tenant is needed"
        )
    if tenant and switch.settings(tenant).key is None:
        raise StartError(
            f"there is no key for this: switch {switch.name} has no admin key and tenant {tenant} none of "
            "its own"
        )


async def _probe(
    switch: SwitchConfiguration, query: Query | None, tenant: str, extension: str, *, only_one: bool
) -> int:
    async with open_runner(switch, Mask()) as runner:
        if query is None:
            failed = await _everything(runner, tenant)
        elif query is Query.REGISTRATIONS and only_one:
            failed = await _phone(runner, tenant, extension)
        elif query is Query.REGISTRATIONS:
            chosen = tenant or await _some_tenant(runner)
            failed = await _registrations(runner, chosen, extension)
        else:
            failed = _has_failed(await runner.ask(one(query, tenant)))
        runner.write(headed("note", SHAREABLE))
    return int(failed)


async def _everything(runner: Runner, tenant: str) -> bool:
    """Go through all that the configuration has on, with one tenant and one extension, and sum up."""
    switch = runner.switch
    failed = False
    listed: Finding | None = None
    for question in () if tenant else of_switch(switch):
        finding = await runner.ask(question)
        failed |= _has_failed(finding)
        listed = finding if question.query is Query.TENANTS else listed
    chosen = tenant or await _some_tenant(runner, listed)
    if chosen:
        for question in of_tenant(switch, chosen):
            failed |= _has_failed(await runner.ask(question))
        if switch.settings(chosen).interval(Query.REGISTRATIONS) is not None:
            failed |= await _registrations(runner, chosen, "")
    runner.write(
        summary(
            runner.findings,
            runner.given,
            switch_name=switch.name,
            not_asked=runner.not_asked,
            off=switched_off(switch, chosen),
        )
    )
    return failed or bool(runner.not_asked)


def _has_failed(finding: Finding | None) -> bool:
    return finding is None or isinstance(finding.verdict, Failure)


async def _some_tenant(runner: Runner, listed: Finding | None = None) -> str:
    """Choose a tenant and say so: the first of the configuration, else of the switch's list; "" for none."""
    if runner.switch.tenants:
        code = runner.switch.tenants[0].code
        runner.write(
            [*headed("tenant", f"{code}, the first of the configuration; --tenant=CODE asks another"), ""]
        )
        return code
    if listed is None and not runner.findings:
        listed = await runner.ask(one(Query.TENANTS))
    rows = listed.verdict.rows if listed and isinstance(listed.verdict, Tenants) else ()
    codes = [row.code for row in rows if not row.disabled]
    said = f"{codes[0]}, the first of the switch's list" if codes else "none is known"
    runner.write([*headed("tenant", f"{said}; --tenant=CODE asks another"), ""])
    return codes[0] if codes else ""


async def _phone(runner: Runner, tenant: str, extension: str) -> bool:
    """Ask about one phone as the configuration says."""
    source = configured_source(runner.switch)
    finding = await runner.ask(source.question(tenant, extension))
    if finding is None:
        return True
    tried = trial(source, finding, tenant, extension)
    runner.write([*headed("phone", f"extension {extension} of tenant {tenant}: {tried.result}"), ""])
    return tried.state is None


async def _registrations(runner: Runner, tenant: str, extension: str) -> bool:
    """Try each source of registrations, one request each, and say which to configure."""
    switch = runner.switch
    if not tenant:
        return True
    polled = switch.settings(tenant).polled
    extension = extension or (polled[0] if polled else "")
    trials: list[Trial] = []
    for source in sources(switch):
        if source is PEERS and switch.key is None:
            trials.append(Trial(source, None, "not tried: it needs the admin key"))
            continue
        if source.kind is RegistrationSource.REGSTATE and not extension:
            trials.append(Trial(source, None, "not tried: no extension is known"))
            continue
        finding = await runner.ask(source.question(tenant, extension))
        if finding is None:
            trials.append(Trial(source, None, "not tried: all before failed alike"))
            continue
        if source is LIST:
            extension = extension or _first_number(finding)
        trials.append(trial(source, finding, tenant, extension))
    runner.write(
        headed("phone", f"extension {extension} of tenant {tenant}" if extension else "none is known")
    )
    _tell(runner, trials, tenant)
    return not any(is_configured(each.source, switch) and each.state is not None for each in trials)


def _first_number(finding: Finding) -> str:
    rows = finding.verdict.rows if isinstance(finding.verdict, Extensions) else ()
    return rows[0].number if rows else ""


def _tell(runner: Runner, trials: Sequence[Trial], tenant: str) -> None:
    for position, line in enumerate(table(trials)):
        runner.write([f"{'' if position else 'sources':<10}{line}"])
    known = is_known(tenant, runner.findings)
    for given in source_advice(trials, runner.switch, tenant_is_known=known):
        runner.write(advice_lines(given))
        runner.given.append((None, given))
    runner.write([""])
