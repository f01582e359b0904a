"""Rate limit, timeout and intervals of a new configuration, from what was measured. Pure."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from exporter.cli.probe.comparison import Installation, best_of_tenants
from exporter.cli.probe.draft.survey import Survey
from exporter.cli.probe.sources import Trial
from exporter.config import SwitchConfiguration
from exporter.model import TRANSPORT_REASONS, Counts, Query, RegistrationSource, Scope
from exporter.poll.planner import Targets
from exporter.queries import QUERIES

CONCURRENCY = 4
"""The default of ``max_concurrency``."""

_RATES = (10, 5, 4, 3, 2, 1, 0.5, 0.2, 0.1)
"""Requests per second. The first is the default."""

_LOAD = 0.5
"""Share of what the switch can answer with ``max_concurrency`` that is used."""

_FILL = 0.85
"""Share of the rate limit that the plan may need, so that a few more tenants fit. The planner uses 0.95."""

_PAUSE = 3
"""A list for the installation is requested after this many times its duration, or later."""

_SECONDS = (30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_FACTORS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 40, 60, 80, 120, 240, 288)
_TIMEOUTS = (60, 90, 120, 180, 300, 600)

Job = tuple[Query, Scope]


@dataclass(frozen=True, slots=True)
class Pace:
    """What is configured. ``intervals``: of each query that is on by default, in seconds.

    ``latency``: average seconds of a request to a tenant; None if there was none. ``fits``: whether the rate
    limit allows the intervals. ``source``: how registrations are read; None if no source works.
    """

    rate: float
    timeout: float
    latency: float | None
    source: Trial | None
    intervals: Mapping[Job, float] = field(default_factory=dict)
    fits: bool = True


def first_pace(survey: Survey) -> Pace:
    """Return the pace with the default intervals, longer only where one request takes long."""
    latency = _latency(survey)
    rate = next(
        (each for each in _RATES if latency is None or each * latency <= CONCURRENCY * _LOAD), _RATES[-1]
    )
    slowest = max((each.seconds for each in survey.findings if each.reason is None), default=0.0)
    enough = next((each for each in _TIMEOUTS if each >= 2 * slowest), _TIMEOUTS[-1])
    timeout = max(enough, survey.switch.timeout)
    source = _source(survey, rate)
    return Pace(rate, timeout, latency, source, dict(_intervals(survey, source, 1)))


def fitted(survey: Survey, pace: Pace, configured: Callable[[Pace], SwitchConfiguration]) -> Pace:
    """Return the pace with the shortest intervals of tenants that the rate limit allows.

    ``configured``: returns the configuration that a pace leads to.
    """
    slower = pace
    for factor in _FACTORS:
        slower = replace(pace, intervals=dict(_intervals(survey, pace.source, factor)))
        if required_rate(survey, slower, configured(slower)) <= slower.rate * _FILL:
            return slower
    return replace(slower, fits=False)


def required_rate(survey: Survey, pace: Pace, switch: SwitchConfiguration) -> float:
    """Return the requests per second that a configuration needs, with all tenants that would be polled."""
    targets = Targets(switch)
    peers, channels = survey.of(Query.PEERS), survey.of(Query.CHANNELS)
    if channels and isinstance(channels.verdict, Counts) and channels.verdict.nodes is None:
        nodes = peers.verdict.nodes if peers and isinstance(peers.verdict, Counts) else None
        targets.update_nodes(nodes or (), 0.0, nameless=0)
        targets.channels_node_by_node = True
    targets.configure(switch, survey.polled if switch.discover_tenants.enabled else ())
    of_phones = 0.0
    if pace.source and pace.source.source.kind is RegistrationSource.REGSTATE:
        of_phones = phones(survey) / pace.intervals[Query.REGISTRATIONS, Scope.TENANT]
    return targets.plan.required_rate + of_phones


def phones(survey: Survey) -> int:
    """Return an estimate of the phones of all tenants: none is smaller than the largest of those queried."""
    most = max((len(each.states) for tried in survey.trials.values() for each in tried), default=1)
    return most * len(survey.polled)


def _latency(survey: Survey) -> float | None:
    seconds = [
        each.seconds
        for each in survey.findings
        if each.request.tenant and each.reason not in TRANSPORT_REASONS
    ]
    return sum(seconds) / len(seconds) if seconds else None


def _source(survey: Survey, rate: float) -> Trial | None:
    interval = _default(Query.REGISTRATIONS, Scope.TENANT) or math.inf
    polled = Installation(len(survey.polled), phones(survey), interval)
    source = best_of_tenants(survey.trials.values(), lambda trial: polled.fits(trial, rate))
    if source and source.source.kind is RegistrationSource.PEERS and not survey.is_admin:
        return None
    return source


def _default(query: Query, scope: Scope) -> float | None:
    key = "interval" if scope is Scope.SWITCH else "tenant_interval"
    found = type(QUERIES[query].section()).model_fields.get(key)
    default: float | None = found.default if found else None
    return default


def _intervals(survey: Survey, source: Trial | None, factor: float) -> Iterator[tuple[Job, float]]:
    """Yield the interval of each query that is on by default; ``factor``: of those of tenants."""
    in_one_list = source is not None and source.source.kind is RegistrationSource.PEERS
    for query in Query:
        for scope in Scope:
            default = _default(query, scope)
            if default is None:
                continue
            if scope is Scope.SWITCH:
                finding = survey.of(query)
                yield (query, scope), list_interval(default, finding.seconds if finding else 0)
            elif source and in_one_list and query is Query.REGISTRATIONS:
                yield (query, scope), list_interval(default, source.seconds)
            else:
                yield (query, scope), _up(default * factor)


def list_interval(default: float, duration: float) -> float:
    """Return the interval of a request for the installation that took ``duration`` seconds."""
    return _up(max(default, _PAUSE * duration))


def _up(seconds: float) -> float:
    return next((each for each in _SECONDS if each >= seconds), _SECONDS[-1])
