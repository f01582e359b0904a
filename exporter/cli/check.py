"""``--config.check``: print the polling plan, and warn of settings that cannot work.

``--config.schema``: print the JSON Schema of the configuration.
"""

import argparse
import math
import os
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

from exporter.cli.check_estimates import (
    USABLE,
    discovered,
    estimated_series,
    more_requests,
    short_duration,
    unknown_series,
)
from exporter.config import (
    Configuration,
    HighAvailability,
    SwitchConfiguration,
    TenantSettings,
    WebConfiguration,
    load,
    load_web,
)
from exporter.config.errors import location
from exporter.config.json_schema import schema_text
from exporter.errors import ConfigurationError, shown
from exporter.fields import duration_text
from exporter.model import Query, RegistrationSource, Scope
from exporter.poll.planner import Targets
from exporter.queries import QUERIES, registrations

_EXAMPLES = (".example.com", ".example.net", ".example.org", ".example")
"""Domains that are reserved for documentation (RFC 2606)."""

_KEYS = {Scope.SWITCH: "interval", Scope.TENANT: "tenant_interval"}


def run(arguments: argparse.Namespace) -> int:
    """Print the plan or the schema, and return 0. Raises ConfigurationError for an invalid file."""
    if arguments.config_schema:
        print(schema_text(), end="")
        return 0
    web = None
    errors = []
    try:
        web = load_web(arguments.web_config_file) if arguments.web_config_file else None
    except ConfigurationError as error:
        errors.append(error)
    try:
        configuration = load(arguments.config_file, os.environ)
    except ConfigurationError as error:
        raise ConfigurationError.joined([*errors, error]) from None
    if errors:
        raise errors[0]
    if web:
        print(f"{arguments.web_config_file} is valid: {describe_web(web)}.")
    print(f"{arguments.config_file} is valid.")
    for warning in file_warnings(configuration):
        print(f"  warning: {warning}")
    if configuration.high_availability:
        print(*describe_high_availability(configuration.high_availability), sep="\n")
    for switch in configuration.switches:
        print("", *describe(switch), sep="\n")
    return 0


def describe_high_availability(settings: HighAvailability) -> Iterator[str]:
    """Return the lines about which of several exporters polls."""
    if settings.lease is None:
        does = "polls" if settings.starts_active else "stands by"
        yield (
            f"High availability: the exporter {does} after its start; with --web.enable-lifecycle, POST "
            "requests change that."
        )
        return
    lease = settings.lease
    yield (
        f"High availability: the Lease {lease.namespace}/{lease.name} decides; another exporter takes over "
        f"{duration_text(lease.duration)} after the last renewal, and polls all switches within a sweep."
    )
    if find_spec("kubernetes_asyncio") is None:
        yield "  warning: the client for Kubernetes is missing: pip install 'softswitch-exporter[kubernetes]'"


def describe_web(web: WebConfiguration) -> str:
    """Return one line about the web configuration."""
    tls = web.tls_server_config
    certificates = tls.client_auth_type if tls else "NoClientCert"
    users = len(web.basic_auth_users) or "none, open to all"
    return f"{'HTTPS' if tls else 'HTTP'}, client certificates: {certificates}, users: {users}"


def file_warnings(configuration: Configuration) -> Iterator[str]:
    """Return the patterns without a file, and the key files that probably contain something else."""
    for include in configuration.includes:
        if not include.files:
            yield f"{location(include.place)}: no file matches {shown(include.written)}"
    for key in configuration.keys:
        if key.warning:
            yield f"{key} {key.warning}; the exporter sends its content as it is"


def describe(switch: SwitchConfiguration) -> Iterator[str]:
    """Return the lines about one switch: its plan, and the warnings."""
    targets = Targets(switch)
    plan = targets.plan
    discovered = " and those discovered" if switch.discover_tenants.enabled else ""
    count = len(targets.tenants)
    yield (
        f"switch {switch.name}: {count} tenant{'' if count == 1 else 's'}{discovered}, limits: "
        f"{switch.max_requests_per_second:g} requests per second, {switch.max_concurrency} in flight"
    )
    if switch.proxy:
        yield f"  proxy {switch.proxy.url}, from {switch.proxy.source}"
    yield f"  {'query':<14} {'scope':<7} {'requests':>9} {'interval':>9} {'cycle':>9}"
    for (query, scope), interval in targets.intervals.items():
        requests = round(targets.requests(query, scope))
        cycle = plan.cycles[query, scope]
        times = f"{short_duration(interval):>9} {short_duration(cycle):>9}"
        yield f"  {query:<14} {scope:<7} {requests:>9} {times}"
    more = "".join(f", plus {each}" for each in more_requests(switch, targets))
    yield f"  requests per second: {plan.required_rate:.2f} required, {plan.rate:.2f} planned{more}"
    yield f"  first sweep after a start: within {short_duration(plan.first_sweep)}"
    *others, last = unknown_series(switch, targets)
    yield f"  series: about {estimated_series(switch, targets)}, plus {', '.join(others)}, and {last}"
    if not switch.nodes and (Query.PEERS, Scope.SWITCH) in targets.intervals:
        yield (
            "  nodes: none configured, so a node is reported missing only if it was listed before; "
            f"`probe --switch={shlex.quote(switch.name)} --query=peers` prints a `nodes:` line to paste "
            "into the configuration"
        )
    for note in notes(switch, targets):
        yield f"  note: {note}"
    for warning in warnings(switch, targets):
        yield f"  warning: {warning}"


def notes(switch: SwitchConfiguration, targets: Targets) -> Iterator[str]:
    """Return an example as URL, and how many tenants, extensions and queues the rate limit allows."""
    host = urlsplit(switch.url).hostname
    if f".{host}".endswith(_EXAMPLES):
        yield f"url: {host} is an example; set the host of your switch"
    yield from (text for allowed, text in discovered(switch, targets) if allowed)


def warnings(switch: SwitchConfiguration, targets: Targets) -> Iterator[str]:
    """Return the settings that cannot work, or may not work, and what to change."""
    for (query, scope), interval in targets.intervals.items():
        if interval < 1:
            yield (
                f"queries.{query}.{_KEYS[scope]}: {duration_text(interval)} is below one second; "
                "ms is milliseconds, m is minutes"
            )
    if urlsplit(switch.url).path in {"", "/"}:
        yield "url: no path; real switches use /pbx/proxyapi.php or /mirtapbx/proxyapi.php"
    yield from _without_effect(switch, targets)
    yield from _too_slow(switch, targets)
    yield from (text for allowed, text in discovered(switch, targets) if not allowed)
    series = estimated_series(switch, targets)
    if series > switch.max_series:
        yield (
            f"max_series: {switch.max_series} is less than the estimated {series}; raise it, otherwise the "
            "exporter drops extensions that are not watched, then tenant values per node, then tenant values"
        )


def _without_effect(switch: SwitchConfiguration, targets: Targets) -> Iterator[str]:
    """Return the intervals without effect, except defaults, because config.example.yaml sets them all."""
    for query in Query:
        section = switch.queries.options(QUERIES[query])
        scopes = [scope for scope in Scope if (query, scope) in targets.intervals]
        in_one_list = query is Query.REGISTRATIONS and bool(scopes)
        for scope, key in _KEYS.items():
            seconds = switch.queries.interval(query, scope)
            is_chosen = seconds is not None and seconds != type(section).model_fields[key].default
            if is_chosen and scope not in scopes and not in_one_list:
                yield f"queries.{query}.{key} has no effect: {_why_without_effect(switch, query, scope)}"
    if switch.watch_peers and (Query.WATCHED_PEERS, Scope.SWITCH) not in targets.intervals:
        why = "queries.watched_peers.interval is off" if switch.key else "the switch has no admin key"
        yield f"watch_peers has no effect: {why}"
    if switch.discover_tenants.enabled and (Query.TENANTS, Scope.SWITCH) not in targets.intervals:
        yield "discover_tenants has no effect: queries.tenants.interval is off"
    yield from _not_polled(switch, targets)


def _not_polled(switch: SwitchConfiguration, targets: Targets) -> Iterator[str]:
    """Return which settings of tenants have no effect because their query is off."""
    discovered = [switch.settings("")] if switch.discover_tenants.enabled else []
    for key, query in _POLLED_BY.items():
        off = [
            f"tenant {shown(tenant.code)}" if tenant.code else "discovered tenants"
            for tenant in [*targets.tenants.values(), *discovered]
            if tenant.interval(query) is None and _lists(tenant, key)
        ]
        if off:
            more = f" and {len(off) - 1:,} more" if len(off) > 1 else ""
            yield f"{key} of {off[0]}{more} has no effect: queries.{query}.tenant_interval is off"


def _lists(tenant: TenantSettings, key: str) -> bool:
    listed = getattr(tenant, key)
    return bool(listed) and listed != "none"


def _why_without_effect(switch: SwitchConfiguration, query: Query, scope: Scope) -> str:
    if scope is Scope.SWITCH:
        needed = "discover_tenants is not enabled" if query is Query.TENANTS else QUERIES[query].unused
        return needed if switch.key else "the switch has no admin key"
    if not switch.tenants and not switch.discover_tenants.enabled:
        return "the switch has no tenants; list them, or enable discover_tenants"
    return QUERIES[query].unused


def _too_slow(switch: SwitchConfiguration, targets: Targets) -> Iterator[str]:
    cycles = targets.plan.cycles
    slow = [each for each, interval in targets.intervals.items() if cycles[each] > interval * 1.01]
    if slow:
        yield (
            f"max_requests_per_second: {switch.max_requests_per_second:g} is too low for these intervals; "
            f"raise it to {math.ceil(targets.plan.required_rate / USABLE)} if the switch can handle that, "
            "or use the longer intervals below"
        )
    for query, scope in slow:
        cycle = cycles[query, scope]
        fix = f"set queries.{query}.{_KEYS[scope]} to {short_duration(math.ceil(cycle))}"
        if query is Query.REGISTRATIONS and _is_per_extension(switch):
            fix += ", or queries.registrations.source to one with fewer requests, such as blf"
        yield f"{query} will be polled every {short_duration(cycle)}: {fix}"


_POLLED_BY = {
    "extensions": Query.REGISTRATIONS,
    "watch": Query.REGISTRATIONS,
    "queues": Query.QUEUE,
    "watch_peers": Query.WATCHED_PEERS,
}
"""Keys of a tenant, each with the query that polls what it lists."""


def _is_per_extension(switch: SwitchConfiguration) -> bool:
    return switch.queries.options(registrations.SPEC).source is RegistrationSource.REGSTATE
