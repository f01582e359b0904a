"""The command: what to ask and of whom, then the summary."""

import argparse
import asyncio
import os
from collections.abc import Sequence

from exporter.cli.probe.finding import Finding
from exporter.cli.probe.prober import Prober, prober
from exporter.cli.probe.questions import (
    LIST,
    PEERS,
    configured_way,
    of_switch,
    of_tenant,
    one,
    question_of,
    switched_off,
    ways,
)
from exporter.cli.probe.showing import advice_lines, headed
from exporter.cli.probe.sources import Trial, is_configured, source_advice, table, trial
from exporter.cli.probe.summary import SHAREABLE, summary
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
    async with prober(switch, Mask()) as asking:
        if query is None:
            failed = await _everything(asking, tenant)
        elif query is Query.REGISTRATIONS and only_one:
            failed = await _phone(asking, tenant, extension)
        elif query is Query.REGISTRATIONS:
            chosen = tenant or await _some_tenant(asking)
            failed = await _registrations(asking, chosen, extension)
        else:
            failed = _has_failed(await asking.ask(one(query, tenant)))
        asking.say(headed("note", SHAREABLE))
    return int(failed)


async def _everything(asking: Prober, tenant: str) -> bool:
    """Go through all that the configuration has on, with one tenant and one extension, and sum up."""
    switch = asking.switch
    failed = False
    listed: Finding | None = None
    for question in () if tenant else of_switch(switch):
        finding = await asking.ask(question)
        failed |= _has_failed(finding)
        listed = finding if question.query is Query.TENANTS else listed
    chosen = tenant or await _some_tenant(asking, listed)
    if chosen:
        for question in of_tenant(switch, chosen):
            failed |= _has_failed(await asking.ask(question))
        if switch.settings(chosen).interval(Query.REGISTRATIONS) is not None:
            failed |= await _registrations(asking, chosen, "")
    asking.say(
        summary(
            asking.findings,
            asking.given,
            switch_name=switch.name,
            left_out=asking.left_out,
            off=switched_off(switch, chosen),
        )
    )
    return failed or bool(asking.left_out)


def _has_failed(finding: Finding | None) -> bool:
    return finding is None or isinstance(finding.verdict, Failure)


async def _some_tenant(asking: Prober, listed: Finding | None = None) -> str:
    """Choose a tenant and say so: the first of the configuration, else of the switch's list; "" for none."""
    if asking.switch.tenants:
        code = asking.switch.tenants[0].code
        asking.say(
            [*headed("tenant", f"{code}, the first of the configuration; --tenant=CODE asks another"), ""]
        )
        return code
    if listed is None and not asking.findings:
        listed = await asking.ask(one(Query.TENANTS, ""))
    codes = (
        [row.code for row in listed.verdict.rows if not row.disabled]
        if listed and isinstance(listed.verdict, Tenants)
        else []
    )
    said = f"{codes[0]}, the first of the switch's list" if codes else "none is known"
    asking.say([*headed("tenant", f"{said}; --tenant=CODE asks another"), ""])
    return codes[0] if codes else ""


async def _phone(asking: Prober, tenant: str, extension: str) -> bool:
    """Ask about one phone as the configuration says."""
    way = configured_way(asking.switch)
    finding = await asking.ask(question_of(way, tenant, extension))
    if finding is None:
        return True
    said = trial(way, finding, tenant, extension)
    asking.say([*headed("phone", f"extension {extension} of tenant {tenant}: {said.said}"), ""])
    return said.state is None


async def _registrations(asking: Prober, tenant: str, extension: str) -> bool:
    """Try each source of registrations, one request each, and say which to configure."""
    switch = asking.switch
    if not tenant:
        return True
    polled = switch.settings(tenant).polled
    extension = extension or (polled[0] if polled else "")
    trials: list[Trial] = []
    for way in ways(switch):
        if (way.source is RegistrationSource.REGSTATE and not extension) or (
            way is PEERS and switch.key is None
        ):
            why = "no extension is known" if way is not PEERS else "it needs the admin key"
            trials.append(Trial(way, None, f"not tried: {why}"))
            continue
        finding = await asking.ask(question_of(way, tenant, extension))
        if finding is None:
            trials.append(Trial(way, None, "not tried: all before failed alike"))
            continue
        if way is LIST:
            extension = extension or _first_number(finding)
        trials.append(trial(way, finding, tenant, extension))
    asking.say(headed("phone", f"extension {extension} of tenant {tenant}" if extension else "none is known"))
    _tell(asking, trials, tenant)
    return not any(is_configured(each.way, switch) and each.state is not None for each in trials)


def _first_number(finding: Finding) -> str:
    rows = finding.verdict.rows if isinstance(finding.verdict, Extensions) else ()
    return rows[0].number if rows else ""


def _tell(asking: Prober, trials: Sequence[Trial], tenant: str) -> None:
    for position, line in enumerate(table(trials)):
        asking.say([f"{'' if position else 'sources':<10}{line}"])
    known = is_known(tenant, asking.findings)
    for given in source_advice(trials, asking.switch, tenant_is_known=known):
        asking.say(advice_lines(given))
        asking.given.append((None, given))
    asking.say([""])
