"""What to ask of a switch, and of whom. Pure."""

from collections.abc import Iterator
from typing import NamedTuple, assert_never

from exporter.config import SwitchConfiguration
from exporter.model import ExtensionParameter, Query, RegistrationSource, Scope
from exporter.poll.requests import OPERATIONS
from exporter.request import Operation, Request

_OF_TENANTS = (Query.PEERS, Query.CHANNELS, Query.CALLS, Query.BALANCE, Query.LIMITS)
_OF_SWITCHES = (Query.PEERS, Query.CHANNELS, Query.CALLS, Query.LICENSE, Query.TENANTS)


class Question(NamedTuple):
    """A request, and the query that it is for."""

    query: Query
    request: Request


def of_switch(switch: SwitchConfiguration) -> Iterator[Question]:
    """Yield what is asked of the whole installation: what is on, and where needed the list of tenants."""
    if switch.key is None:
        return
    for query in _OF_SWITCHES:
        needed = query is not Query.TENANTS or switch.discover_tenants.enabled or not switch.tenants
        if needed and switch.interval(query, Scope.SWITCH) is not None:
            yield Question(query, Request(OPERATIONS[query]))


def of_tenant(switch: SwitchConfiguration, code: str) -> Iterator[Question]:
    """Yield what is asked of one tenant, without its registrations."""
    tenant = switch.settings(code)
    for query in _OF_TENANTS:
        if tenant.interval(query) is not None:
            yield Question(query, Request(OPERATIONS[query], tenant=code))


def switched_off(switch: SwitchConfiguration, code: str) -> list[str]:
    """Return what is not asked because the configuration has it off."""
    off = [
        f"{query} (whole installation)"
        for query in _OF_SWITCHES
        if switch.key and query is not Query.TENANTS and switch.interval(query, Scope.SWITCH) is None
    ]
    tenant = switch.settings(code)
    of_tenants = (*_OF_TENANTS, Query.REGISTRATIONS)
    return off + [f"{query} (tenants)" for query in of_tenants if code and tenant.interval(query) is None]


def one(query: Query, tenant: str) -> Question:
    """Return the one question of a query but registrations. Raises ValueError where there is none."""
    return Question(query, Request(OPERATIONS[query], tenant=tenant))


class Way(NamedTuple):
    """A way to learn registrations: ``source`` and, for regstate, ``parameter`` of the configuration."""

    source: RegistrationSource
    parameter: ExtensionParameter | None = None


LIST = Way(RegistrationSource.EXTENSIONS)
PEERS = Way(RegistrationSource.PEERS)


def ways(switch: SwitchConfiguration) -> list[Way]:
    """Return the ways to learn registrations, in the order in which they are tried."""
    configured = switch.queries.registrations.parameter
    parameters = [configured, *(each for each in ExtensionParameter if each is not configured)]
    return [LIST, *(Way(RegistrationSource.REGSTATE, parameter) for parameter in parameters), PEERS]


def configured_way(switch: SwitchConfiguration) -> Way:
    """Return the way that the configuration says."""
    registrations = switch.queries.registrations
    is_regstate = registrations.source is RegistrationSource.REGSTATE
    return Way(registrations.source, registrations.parameter if is_regstate else None)


def question_of(way: Way, tenant: str, extension: str) -> Question:
    """Return the request by which a way is tried."""
    match way.source:
        case RegistrationSource.EXTENSIONS:
            request = Request(Operation.EXTENSIONS, tenant=tenant)
        case RegistrationSource.PEERS:
            request = Request(Operation.PEERS)
        case RegistrationSource.REGSTATE:
            parameter = way.parameter or ExtensionParameter.EXT
            request = Request(
                Operation.REGISTRATION, tenant=tenant, extension=extension, extension_parameter=parameter
            )
        case _:
            assert_never(way.source)
    return Question(Query.REGISTRATIONS, request)
