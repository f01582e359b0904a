"""``--config.check``: what would be polled, how fast, and what to change where that cannot work."""

import argparse
import math
import os
from collections.abc import Iterator

from exporter.config import SwitchConfiguration, load
from exporter.model import Query, Scope
from exporter.poll.targets import Targets


def run(arguments: argparse.Namespace) -> int:
    """Print the plan of a valid configuration and return 0. Raises ConfigurationError for any other."""
    configuration = load(arguments.config_file, os.environ)
    print(f"{arguments.config_file} is valid.")
    for switch in configuration.switches:
        print()
        print("\n".join(describe(switch)))
    return 0


def describe(switch: SwitchConfiguration) -> Iterator[str]:
    """Return the lines that tell what is planned for one switch."""
    targets = Targets(switch)
    plan = targets.plan
    yield (
        f"switch {switch.name}: {len(targets.tenants)} tenants, at most "
        f"{switch.max_requests_per_second:g} requests per second, {switch.max_concurrency} in flight"
    )
    yield f"  {'query':<14} {'scope':<7} {'requests':>9} {'interval':>9} {'cycle':>9}"
    for (query, scope), interval in targets.intervals.items():
        requests = round(targets.requests(query, scope))
        cycle = plan.cycles[query, scope]
        yield f"  {query:<14} {scope:<7} {requests:>9} {duration(interval):>9} {duration(cycle):>9}"
    yield f"  requests per second: {plan.wanted_rate:.2f} wanted, {plan.rate:.2f} planned"
    yield f"  first sweep after a start: within {duration(plan.first_sweep)}"
    yield f"  series: about {estimated_series(switch, targets)}, and one for each tenant on each node it uses"
    for warning in warnings(switch, targets):
        yield f"  warning: {warning}"


def warnings(switch: SwitchConfiguration, targets: Targets) -> Iterator[str]:
    """Return what will not go as configured, each with what to change."""
    slow = {
        (query, scope): targets.plan.cycles[query, scope]
        for (query, scope), interval in targets.intervals.items()
        if targets.plan.cycles[query, scope] > interval * 1.01
    }
    if slow:
        enough = math.ceil(targets.plan.wanted_rate / 0.95)
        yield (
            f"{switch.max_requests_per_second:g} requests per second cannot meet every interval: "
            f"raise max_requests_per_second to {enough} if the switch can bear it, or the intervals below"
        )
    for (query, scope), cycle in slow.items():
        key = "interval" if scope is Scope.SWITCH else "tenant_interval"
        mend = f"set queries.{query}.{key} to {duration(math.ceil(cycle))}"
        if query is Query.REGISTRATIONS:
            mend += ", or queries.registrations.source to extensions"
        yield f"{query} will come every {duration(cycle)}: {mend}"


def estimated_series(switch: SwitchConfiguration, targets: Targets) -> int:
    """Estimate the series that will be held for a switch, without those by tenant and node."""
    whole = 8 + 3 * len(switch.nodes) + len(switch.thresholds.license)
    for _, scope in targets.intervals:
        whole += 2  # interval and cycle
        if scope is Scope.SWITCH:
            whole += 2  # success and its time
    for tenant in targets.tenants.values():
        asked = sum(
            1 for query, scope in targets.intervals if scope is Scope.TENANT and tenant.interval(query)
        )
        whole += 1 + 3 * asked  # info; of each query a figure, success and its time
        whole += len(tenant.balance_thresholds) + len(tenant.registered_ratio_thresholds)
        whole += len(tenant.polled) + len(tenant.watch)
        whole += 2 if tenant.polled else 0  # three states, of which one was counted as the figure
        whole += (tenant.channels_limit is not None) + (tenant.business_hours is not None)
    return whole


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
