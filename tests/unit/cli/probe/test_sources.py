from collections.abc import Callable

import pytest

from exporter.cli.probe.sources import (
    LIST,
    NOT_LISTED,
    PEERS,
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
YES, NO = Registration.REGISTERED, Registration.UNREGISTERED


def trials(**states: Registration | None) -> list[Trial]:
    """Return the result of each source; None for a source that is not named."""
    named = {"list": LIST, "ext": EXT, "id": ID, "number": NUMBER, "peers": PEERS}
    return [Trial(source, states.get(name), "") for name, source in named.items()]


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        ({}, None),
        ({"list": YES}, LIST),
        ({"id": YES}, ID),
        ({"ext": YES, "list": YES, "peers": YES}, EXT),  # as configured
        ({"id": YES, "list": YES}, LIST),  # fewer requests
        ({"id": YES, "list": YES, "peers": YES}, PEERS),
        ({"list": YES, "peers": NO}, None),  # who is right?
        ({"ext": NO, "id": NO, "number": NO, "list": YES, "peers": YES}, PEERS),  # one source, one vote
        ({"ext": YES, "id": NO, "list": YES}, EXT),
        ({"list": Registration.UNKNOWN}, None),
    ],
)
def test_which_is_chosen(
    said: dict[str, Registration], chosen: Source | None, configured: Configured
) -> None:
    """Of those that agree with most sources the configured one, else the one with the fewest requests."""
    found = choose(trials(**said), configured())
    assert (found.source if found else None) == chosen


@pytest.mark.parametrize(
    ("said", "settings"),
    [
        ({}, [{"tenant_interval": "off"}]),
        ({"id": YES}, [{"source": "regstate", "parameter": "id"}]),
        ({"list": YES}, [{"source": "extensions"}]),
        ({"ext": YES}, [None]),
        ({"ext": YES, "list": YES, "peers": YES}, [None, {"source": "peers"}]),
        ({"list": YES, "peers": NO}, [None]),
        ({"ext": YES, "list": YES, "peers": NO}, [None, None, {"source": "extensions"}]),
    ],
)
def test_what_to_configure(
    said: dict[str, Registration], settings: list[object], configured: Configured
) -> None:
    """Lines to paste where the configuration says otherwise, and where fewer requests would do."""
    given = source_advice(trials(**said), configured(), tenant_is_known=True)
    wanted = [{"queries": {"registrations": each}} if each else {} for each in settings]
    assert [each.settings for each in given] == wanted


@pytest.mark.parametrize(
    ("source", "operation", "body", "state"),
    [
        (EXT, Operation.REGISTRATION, "Registered", YES),
        (EXT, Operation.REGISTRATION, "No id specified", None),
        (LIST, Operation.EXTENSIONS, '[{"ex_number":"100","st_state":"NOT_INUSE"}]', YES),
        (LIST, Operation.EXTENSIONS, '[{"ex_number":"101","st_state":"NOT_INUSE"}]', None),
        (PEERS, Operation.PEERS, '[{"node":"a","Name":"100-ACME/x","Status":"OK (1 ms)"}]', YES),
        (PEERS, Operation.PEERS, '[{"node":"a","Name":"101-ACME/x","Status":"OK (1 ms)"}]', NO),
        (PEERS, Operation.PEERS, '[{"node":"a","Name":"100-OTHER/x","Status":"OK (1 ms)"}]', None),
    ],
)
def test_what_a_way_says(source: Source, operation: Operation, body: str, state: Registration | None) -> None:
    """The state of the phone as the poller would read it; a tenant without any peer says nothing."""
    made = trial(source, answered(Query.REGISTRATIONS, body, operation=operation), "ACME", "100")
    assert made.state is state
    assert made.result


def test_the_table() -> None:
    """Each source has its line with its cost."""
    lines = list(table(trials(list=YES)))
    assert [line.split()[0] for line in lines] == [
        "extensions",
        "regstate,",
        "regstate,",
        "regstate,",
        "peers",
    ]
    assert all("request" in line for line in lines)


@pytest.mark.parametrize(
    ("said", "known", "text"),
    [
        ("no state: auth", False, "See first that the tenant's code is right; `probe --query=tenants`"),
        (NOT_LISTED, False, "See first that the tenant's code is right"),
        (NOT_LISTED, True, "no such extension"),
    ],
)
def test_nothing_is_turned_off_because_of_a_wrong_code(
    said: str,
    known: bool,  # noqa: FBT001 -- a table
    text: str,
    configured: Configured,
) -> None:
    """Of a tenant or an extension that the switch may not have, no source can give a state."""
    (given,) = source_advice([Trial(LIST, None, said)], configured(), tenant_is_known=known)
    assert (text in given.text, given.settings) == (True, {})


def test_the_ways_are_tried_in_order(configured: Configured) -> None:
    """The list first, as it tells an extension; the configured parameter before the others; peers at last."""
    switch = configured(queries={"registrations": {"parameter": "number"}})
    assert sources(switch)[0] == LIST
    assert [source.parameter for source in sources(switch)[1:4]] == [
        ExtensionParameter.NUMBER,
        ExtensionParameter.EXT,
        ExtensionParameter.ID,
    ]
    assert sources(switch)[4] == PEERS


def test_every_way_is_a_request(configured: Configured) -> None:
    """Each is one of the allow-list."""
    requests = [source.question("A", "100").request for source in sources(configured())]
    assert [request.operation for request in requests] == [
        Operation.EXTENSIONS,
        *[Operation.REGISTRATION] * 3,
        Operation.PEERS,
    ]
    assert [list(request.parameters())[-1] for request in requests[1:4]] == ["ext", "id", "number"]


def test_the_configured_source(configured: Configured) -> None:
    """It has a parameter where the source is regstate."""
    assert configured_source(configured()) == EXT
    assert (
        configured_source(configured(queries={"registrations": {"source": "peers", "parameter": "id"}}))
        == PEERS
    )
