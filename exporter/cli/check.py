"""``--config.check``: what would be polled, how fast, and what to change where that cannot work."""

import argparse
import math
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from exporter.config import SwitchConfiguration, TenantSettings, WebConfiguration, load, load_web
from exporter.errors import ConfigurationError
from exporter.fields import duration_text
from exporter.model import Query, RegistrationSource, Scope
from exporter.poll.planner import Targets
from exporter.queries import QUERIES, registrations

_USABLE = 0.95
"""Of the rate: what is planned with."""


def run(arguments: argparse.Namespace) -> int:
    """Print the plan of a valid configuration and return 0. Raises ConfigurationError for any other."""
    web_configuration = None
    errors = []
    try:
        web_configuration = load_web(arguments.web_config_file) if arguments.web_config_file else None
    except ConfigurationError as error:
        errors.append(error)
    try:
        configuration = load(arguments.config_file, os.environ)
    except ConfigurationError as error:
        raise ConfigurationError.joined([*errors, error]) from None
    if errors:
        raise errors[0]
    if web_configuration:
        print(f"{arguments.web_config_file} is valid: {describe_web(web_configuration)}.")
    print(f"{arguments.config_file} is valid.")
    for switch in configuration.switches:
        print()
        print("\n".join(describe(switch)))
    return 0


def describe_web(web: WebConfiguration) -> str:
    """Return in a few words who can ask what is served, and how."""
    tls = web.tls_server_config
    users = len(web.basic_auth_users)
    return ", ".join(
        (
            "HTTPS" if tls else "HTTP",
            f"client certificates: {tls.client_auth_type if tls else 'NoClientCert'}",
            f"users: {users or 'none, open to all'}",
        )
    )


def describe(switch: SwitchConfiguration) -> Iterator[str]:
    """Return the lines that tell what is planned for one switch."""
    targets = Targets(switch)
    plan = targets.plan
    more = " and those to be discovered" if switch.discover_tenants.enabled else ""
    yield (
        f"switch {switch.name}: {len(targets.tenants)} tenants{more}, at most "
        f"{switch.max_requests_per_second:g} requests per second, {switch.max_concurrency} in flight"
    )
    if switch.proxy:
        yield f"  through the proxy {switch.proxy.url}, from {switch.proxy.source}"
    yield f"  {'query':<14} {'scope':<7} {'requests':>9} {'interval':>9} {'cycle':>9}"
    for (query, scope), interval in targets.intervals.items():
        requests = round(targets.requests(query, scope))
        cycle = plan.cycles[query, scope]
        yield f"  {query:<14} {scope:<7} {requests:>9} {duration(interval):>9} {duration(cycle):>9}"
    yield f"  requests per second: {plan.required_rate:.2f} wanted, {plan.rate:.2f} planned"
    yield f"  first sweep after a start: within {duration(plan.first_sweep)}"
    yield (
        f"  series: about {estimated_series(switch, targets)}, "
        "and one for each tenant on each node it uses, and each extension that is found"
    )
    for warning in warnings(switch, targets):
        yield f"  warning: {warning}"


def warnings(switch: SwitchConfiguration, targets: Targets) -> Iterator[str]:
    """Return what will not go as configured, or may not, each with what to change."""
    for (query, scope), interval in targets.intervals.items():
        if interval < 1:
            yield (
                f"queries.{query}.{_key(scope)} is {duration_text(interval)}, below a second: "
                "ms is milliseconds, m is minutes"
            )
    if urlsplit(switch.url).path in {"", "/"}:
        yield "url has no path: on real switches it was /pbx/proxyapi.php or /mirtapbx/proxyapi.php"
    yield from _without_effect(switch, targets)
    slow = {
        (query, scope): targets.plan.cycles[query, scope]
        for (query, scope), interval in targets.intervals.items()
        if targets.plan.cycles[query, scope] > interval * 1.01
    }
    if slow:
        enough = math.ceil(targets.plan.required_rate / _USABLE)
        yield (
            f"{switch.max_requests_per_second:g} requests per second cannot meet every interval: "
            f"raise max_requests_per_second to {enough} if the switch can bear it, or the intervals below"
        )
    for (query, scope), cycle in slow.items():
        mend = f"set queries.{query}.{_key(scope)} to {duration(math.ceil(cycle))}"
        if query is Query.REGISTRATIONS and _is_one_by_one(switch):
            mend += ", or queries.registrations.source to extensions or peers"
        yield f"{query} will come every {duration(cycle)}: {mend}"
    yield from _unknown(switch, targets)
    series = estimated_series(switch, targets)
    if series > switch.max_series:
        yield (
            f"max_series is {switch.max_series}, and about {series} are wanted: raise it, or detail is left "
            "out, first the extensions that nobody watches, then tenants by node, then the tenants' figures"
        )


def _key(scope: Scope) -> str:
    return "interval" if scope is Scope.SWITCH else "tenant_interval"


def _without_effect(switch: SwitchConfiguration, targets: Targets) -> Iterator[str]:
    """Return which intervals are written and nothing is asked at them.

    Those that are the default are passed over: config.example.yaml has them all.
    """
    for query in Query:
        section = switch.queries.options(QUERIES[query])
        scopes = [scope for scope in Scope if (query, scope) in targets.intervals]
        in_one_list = query is Query.REGISTRATIONS and bool(scopes)
        for scope in Scope:
            key = _key(scope)
            seconds = switch.queries.interval(query, scope)
            is_chosen = seconds is not None and seconds != type(section).model_fields[key].default
            if is_chosen and scope not in scopes and not in_one_list:
                yield f"queries.{query}.{key} has no effect: {_why_not(switch, query, scope)}"


def _why_not(switch: SwitchConfiguration, query: Query, scope: Scope) -> str:
    discovers = switch.discover_tenants.enabled
    if scope is Scope.SWITCH:
        return "discover_tenants is not enabled" if switch.key else "the switch has no admin key"
    if not switch.tenants and not discovers:
        return "the switch has no tenants here; list them, or enable discover_tenants"
    return QUERIES[query].unused


def _unknown(switch: SwitchConfiguration, targets: Targets) -> Iterator[str]:
    """Return what depends on what the switch will be found to have, with how much of it there is room for."""
    spare = switch.max_requests_per_second * _USABLE - targets.plan.rate
    found = switch.settings("")  # what holds for a tenant that the configuration does not name
    each = sum(1 / seconds for query in Query if (seconds := _seconds_of_one(switch, targets, found, query)))
    if switch.discover_tenants.enabled and each:
        yield (
            "how many tenants will be discovered is not known: besides what is listed above there is room "
            f"for {int(spare / each)} within their intervals; for more raise max_requests_per_second, or the "
            "tenant_interval of their queries"
        )
    all_extensions = [tenant for tenant in targets.tenants.values() if _finds_extensions(targets, tenant)]
    if switch.discover_tenants.enabled and _finds_extensions(targets, found):
        all_extensions.append(found)
    intervals = [tenant.interval(Query.REGISTRATIONS) or math.inf for tenant in all_extensions]
    if _is_one_by_one(switch) and intervals:
        yield (
            "how many extensions will be found is not known, and each is one request: there is room for "
            f"{int(spare * min(intervals))} of them within {duration(min(intervals))}; "
            "set queries.registrations.source to extensions (one request a tenant) or peers (one for all)"
        )


def _seconds_of_one(
    switch: SwitchConfiguration, targets: Targets, tenant: TenantSettings, query: Query
) -> float | None:
    """Return the seconds between two requests of a query to one tenant; None for none, or many."""
    is_asked = targets.polls(query, tenant) and (query, Scope.TENANT) in targets.intervals
    if not is_asked or (query is Query.REGISTRATIONS and _is_one_by_one(switch)):
        return None
    return tenant.interval(query)


def _is_one_by_one(switch: SwitchConfiguration) -> bool:
    return switch.queries.options(registrations.SPEC).source is RegistrationSource.REGSTATE


def _finds_extensions(targets: Targets, tenant: TenantSettings) -> bool:
    return tenant.extensions == "all" and targets.polls(Query.REGISTRATIONS, tenant)


def estimated_series(switch: SwitchConfiguration, targets: Targets) -> int:
    """Estimate the series that will be held for a switch, as far as they are known before it is asked.

    Without those by tenant and node, of tenants and extensions that are yet to be found, and of nodes that
    the configuration does not name.
    """
    whole = 8 + 3 * len(switch.nodes) + len(switch.thresholds.license)
    whole += sum(node.channels_limit is not None for node in switch.nodes)
    for _, scope in targets.intervals:
        whole += 4 if scope is Scope.SWITCH else 2  # interval and cycle; success and its time
    return whole + sum(_series_of(tenant, targets) for tenant in targets.tenants.values())


def _series_of(tenant: TenantSettings, targets: Targets) -> int:
    series = 1  # info
    for query in Query:
        if targets.polls(query, tenant):
            series += QUERIES[query].series
            series += 2 if (query, Scope.TENANT) in targets.intervals else 0  # success and its time
    if targets.polls(Query.REGISTRATIONS, tenant):
        series += len(tenant.polled)
    if targets.polls(Query.LIMITS, tenant) and tenant.channels_limit is not None:
        series -= 1  # there is one limit, the configured one
    series += len(tenant.watch) + len(tenant.balance_thresholds) + len(tenant.registered_ratio_thresholds)
    return series + (tenant.channels_limit is not None) + (tenant.business_hours is not None)


def duration(seconds: float) -> str:
    """Return seconds as Prometheus writes durations, to a tenth of a second below a minute."""
    if seconds < 60:  # noqa: PLR2004 -- a minute
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    rest = round(seconds)
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
