"""``probe``: ask a switch once, and show the request, the answer and what is made of it.

Meant for a switch nobody has seen before. What it prints can be shown to others: keys are masked, and of
lists, which hold passwords, only size and verdict are told.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from exporter import lines
from exporter.catalogue import Metric
from exporter.client import open_client
from exporter.config import Configuration, SwitchConfiguration, load
from exporter.decode import excerpt, is_list
from exporter.errors import StartError
from exporter.masking import Mask
from exporter.model import (
    Answer,
    Extensions,
    Failure,
    Peers,
    Query,
    RegistrationState,
    Scope,
    Tenants,
)
from exporter.poll.families import families
from exporter.poll.options import options
from exporter.poll.reading import masked, read
from exporter.poll.requests import OPERATIONS
from exporter.request import Operation, Request
from exporter.store import Values

_SHOWN = 2048
_READ = 16 * _SHOWN
_SWITCH_QUERIES = (Query.PEERS, Query.CHANNELS, Query.CALLS, Query.LICENSE, Query.TENANTS)
_TENANT_QUERIES = (
    Query.PEERS,
    Query.CHANNELS,
    Query.CALLS,
    Query.BALANCE,
    Query.LIMITS,
    Query.EXTENSIONS,
)
_OPERATIONS = {**OPERATIONS, Query.TENANTS: Operation.TENANTS, Query.EXTENSIONS: Operation.EXTENSIONS}


def run(arguments: argparse.Namespace) -> int:
    """Probe; return 0 if every answer gave a value, else 1."""
    if getattr(arguments, "config_file", None) is None:
        raise StartError("probe needs --config.file=FILE")
    switch = _switch(load(arguments.config_file, os.environ), arguments.switch)
    asked = _requests(switch, arguments)
    key = _key(switch, arguments.tenant or "")
    return asyncio.run(_probe(switch, key, asked))


def _switch(configuration: Configuration, name: str | None) -> SwitchConfiguration:
    names = [switch.name for switch in configuration.switches]
    if name is None and len(names) == 1:
        return configuration.switches[0]
    if name not in names:
        raise StartError(f"--switch must be one of: {', '.join(names)}")
    return configuration.switches[names.index(name)]


def _requests(switch: SwitchConfiguration, arguments: argparse.Namespace) -> list[tuple[Query, Request]]:
    tenant = arguments.tenant or ""
    if arguments.query:
        queries: tuple[Query, ...] = (Query(arguments.query),)
    elif arguments.extension:
        queries = (Query.REGISTRATIONS,)
    else:
        queries = _TENANT_QUERIES if tenant else _SWITCH_QUERIES
    if Query.REGISTRATIONS in queries and not (tenant and arguments.extension):
        raise StartError("registrations are asked of one extension: add --tenant=CODE --extension=NUMBER")
    try:
        return [
            (
                query,
                Request(
                    _OPERATIONS[query],
                    tenant=tenant,
                    extension=arguments.extension or "" if query is Query.REGISTRATIONS else "",
                    extension_parameter=switch.queries.registrations.parameter,
                ),
            )
            for query in queries
        ]
    except ValueError as error:
        raise StartError(f"this cannot be asked: {error}") from error


def _key(switch: SwitchConfiguration, tenant: str) -> str:
    holder = switch.settings(tenant).key if tenant else switch.key
    if holder is None:
        raise StartError(
            f"there is no key for this: switch {switch.name} has no admin key"
            + (f" and tenant {tenant} none of its own" if tenant else ", so a --tenant is needed")
        )
    return holder.current()


async def _probe(switch: SwitchConfiguration, key: str, asked: list[tuple[Query, Request]]) -> int:
    mask = Mask()
    mask.add(key)
    client = open_client(switch)
    verdicts: list[Answer | Failure] = []
    try:
        for query, request in asked:
            print(mask(f"request   {client.url.with_user(None)}?{urlencode(request.parameters())}&key=***"))
            started = time.monotonic()
            body = await client.ask(request, key)
            print(f"time      {time.monotonic() - started:.3f} s")
            if isinstance(body, bytes):
                print(f"answer    HTTP 200, {len(body)} bytes")
                shown = body if is_list(request.operation) else masked(body[:_READ], mask)
                print(f"          {excerpt(request.operation, shown, _SHOWN)}")
                verdict = read(request.operation, body, options(query, switch), mask)
            else:
                verdict = body
            for line in _told(switch, query, request, verdict):
                print(mask(line))
            print()
            verdicts.append(verdict)
    finally:
        await client.session.close()
    return int(any(isinstance(verdict, Failure) for verdict in verdicts))


def _told(
    switch: SwitchConfiguration, query: Query, request: Request, verdict: Answer | Failure
) -> Iterator[str]:
    match verdict:
        case Failure(reason=reason, detail=detail):
            yield f"verdict   {reason}: {detail}"
        case RegistrationState(state=state, word=word):
            yield f"verdict   {state} (the switch says {word!r})"
        case Extensions(rows=rows) | Tenants(rows=rows) | Peers(rows=rows):
            yield f"verdict   a list of {len(rows)}"
        case _:
            yield "verdict   a value"
            scope = Scope.TENANT if request.tenant else Scope.SWITCH
            head = (switch.name, request.tenant) if request.tenant else (switch.name,)
            for metric, values in families(query, scope, verdict).items():
                yield from _samples(metric, head, values)


def _samples(metric: Metric, head: tuple[str, ...], values: Values) -> Iterator[str]:
    each = values.items() if isinstance(values, Mapping) else [("", values)]
    for last, value in each:
        labels = (*head, last) if isinstance(values, Mapping) else head
        yield f"sample    {lines.line(metric, labels, value)}".rstrip("\n")
