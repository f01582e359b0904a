from collections.abc import Callable

import pytest

from exporter.cli.probe.sources import (
    BLF,
    LIST,
    NOT_LISTED,
    PEERS,
    TENANT_PEERS,
    Source,
    Trial,
    choose,
    configured_source,
    source_advice,
    sources,
    table,
    trial,
)
from exporter.config import SwitchConfiguration
from exporter.model import ExtensionParameter, Query, Registration, RegistrationSource
from exporter.request import Operation
from tests.unit.cli.probe.findings import answered

Configured = Callable[..., SwitchConfiguration]
EXT, ID, NUMBER = (Source(RegistrationSource.REGSTATE, parameter) for parameter in ExtensionParameter)
YES, NO, UNKNOWN = Registration.REGISTERED, Registration.UNREGISTERED, Registration.UNKNOWN


def trials(states: dict[str, Registration]) -> list[Trial]:
    """Return the result of each source; None for a source that is not named."""
    named = {"list": LIST, "ext": EXT, "id": ID, "number": NUMBER}
    named |= {"blf": BLF, "tenant_peers": TENANT_PEERS, "peers": PEERS}
    return [Trial(source, states.get(name), "") for name, source in named.items()]


@pytest.mark.parametrize(
    ("states", "chosen", "suggested"),
    [
        ({}, None, [{"tenant_interval": "off"}]),
        ({"list": YES}, LIST, [{"source": "extensions"}]),
        ({"id": YES}, ID, [{"source": "regstate", "parameter": "id"}]),
        ({"ext": YES}, EXT, [None]),
        ({"ext": YES, "list": YES, "peers": YES}, EXT, [None, {"source": "peers"}]),  # the configured one
        ({"id": YES, "list": YES}, LIST, [{"source": "extensions"}]),  # fewer requests
        ({"id": YES, "list": YES, "peers": YES}, PEERS, [{"source": "peers"}]),
        ({"list": YES, "peers": NO}, None, [None]),  # no majority
        # one vote a source
        ({"ext": NO, "id": NO, "number": NO, "list": YES, "peers": YES}, PEERS, [{"source": "peers"}, None]),
        ({"ext": YES, "list": YES, "peers": NO}, EXT, [None, None, {"source": "extensions"}]),
        ({"ext": YES, "id": NO, "list": YES}, EXT, [None, None, {"source": "extensions"}]),
        ({"list": UNKNOWN}, None, [{"tenant_interval": "off"}]),
    ],
)
def test_source_to_configure(
    states: dict[str, Registration],
    chosen: Source | None,
    suggested: list[object],
    configured: Configured,
) -> None:
    """Of the majority the configured one, else the one with the fewest requests."""
    switch = configured()
    found = choose(trials(states), switch)
    assert (found.source if found else None) == chosen
    given = source_advice(trials(states), switch, tenant_is_known=True)
    expected = [{"queries": {"registrations": each}} if each else {} for each in suggested]
    assert [each.settings for each in given] == expected


@pytest.mark.parametrize(
    ("source", "operation", "body", "state"),
    [
        (EXT, Operation.REGISTRATION, "Registered", YES),
        (EXT, Operation.REGISTRATION, "No id specified", None),
        (LIST, Operation.EXTENSIONS, '[{"ex_number":"100","st_state":"NOT_INUSE"}]', YES),
        (LIST, Operation.EXTENSIONS, '[{"ex_number":"101","st_state":"NOT_INUSE"}]', None),
        (PEERS, Operation.PEERS, '[{"node":"a","Name":"100-ACME/x","Status":"OK (1 ms)"}]', YES),
        (PEERS, Operation.PEERS, '[{"node":"a","Name":"101-ACME/x","Status":"OK (1 ms)"}]', UNKNOWN),
        (TENANT_PEERS, Operation.TENANT_PEERS, '[{"node":"a","Name":"100_ACME","Status":"Unavail"}]', NO),
        (PEERS, Operation.PEERS, '[{"node":"a","Name":"100-OTHER/x","Status":"OK (1 ms)"}]', None),
    ],
)
def test_result_of_a_trial(
    source: Source, operation: Operation, body: str, state: Registration | None
) -> None:
    """It is the state that the poller would decode."""
    made = trial(source, answered(Query.REGISTRATIONS, body, operation=operation), "ACME", "100")
    assert made.state is state
    assert made.result


def test_table() -> None:
    """It has a line for each source, with its cost."""
    lines = list(table(trials({"list": YES})))
    names = [line.split()[0] for line in lines]
    assert names == ["extensions", "regstate,", "regstate,", "regstate,", "blf", "tenant_peers", "peers"]
    assert all("request" in line for line in lines)


@pytest.mark.parametrize(
    ("result", "known", "text"),
    [
        ("no state: auth", False, "Check the tenant's code first; `probe --query=tenants`"),
        (NOT_LISTED, False, "Check the tenant's code first"),
        (NOT_LISTED, True, "does not contain this extension"),
    ],
)
def test_wrong_code_disables_nothing(
    result: str,
    known: bool,  # noqa: FBT001 -- a table
    text: str,
    configured: Configured,
) -> None:
    """If the switch may not have the tenant or the extension, no setting is suggested."""
    (given,) = source_advice([Trial(LIST, None, result)], configured(), tenant_is_known=known)
    assert (text in given.text, given.settings) == (True, {})


def test_order_and_requests(configured: Configured) -> None:
    """First the list, which may provide an extension, then the configured parameter; last the peers."""
    tried = sources(configured(queries={"registrations": {"parameter": "number"}}))
    assert tried == [LIST, NUMBER, EXT, ID, BLF, TENANT_PEERS, PEERS]
    requests = [source.request("A", "100").request for source in tried]
    assert [request.operation for request in requests] == [
        Operation.EXTENSIONS,
        *[Operation.REGISTRATION] * 3,
        Operation.BLFS,
        Operation.TENANT_PEERS,
        Operation.PEERS,
    ]
    assert [list(request.parameters())[-1] for request in requests[1:4]] == ["number", "ext", "id"]


def test_configured_source(configured: Configured) -> None:
    """The parameter counts only for regstate."""
    assert configured_source(configured()) == EXT
    peers = {"registrations": {"source": "peers", "parameter": "id"}}
    assert configured_source(configured(queries=peers)) == PEERS
