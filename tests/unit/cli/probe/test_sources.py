from collections.abc import Mapping

import pytest

from exporter.cli.probe.sources import (
    BLF,
    LIST,
    PEERS,
    TENANT_PEERS,
    Phones,
    Source,
    configured_source,
    sources,
    trial,
)
from exporter.model import ExtensionParameter, Query, Registration, RegistrationSource
from exporter.request import Operation
from tests.conftest import Configured
from tests.unit.cli.probe.findings import answered

EXT, ID, NUMBER = (Source(RegistrationSource.REGSTATE, parameter) for parameter in ExtensionParameter)
YES, NO, UNKNOWN = Registration.REGISTERED, Registration.UNREGISTERED, Registration.UNKNOWN


@pytest.mark.parametrize(
    ("source", "operation", "body", "state"),
    [
        (EXT, Operation.REGISTRATION, "Registered", YES),
        (EXT, Operation.REGISTRATION, "No id specified", None),
        (LIST, Operation.EXTENSIONS, '[{"ex_number":"100","st_state":"NOT_INUSE"}]', YES),
        (LIST, Operation.EXTENSIONS, '[{"ex_number":"101","st_state":"NOT_INUSE"}]', None),
        (BLF, Operation.BLFS, '[{"st_extension":"100","st_state":"UNAVAILABLE"}]', NO),
        (BLF, Operation.BLFS, '[{"st_extension":"*72","st_state":"INUSE"}]', None),
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


_EXTENSIONS = """[
  {"ex_number": "100", "st_state": "NOT_INUSE", "ex_tech": "SIP"},
  {"ex_number": "101", "st_state": "UNAVAILABLE", "ex_tech": "PJSIP"},
  {"ex_number": "102", "st_state": "NOT_INUSE", "ex_tech": "SIP"},
  {"ex_number": "900", "st_state": "UNKNOWN", "ex_tech": "VIRTUAL"}
]"""


@pytest.mark.parametrize(
    ("source", "operation", "body", "states"),
    [
        (LIST, Operation.EXTENSIONS, _EXTENSIONS, {"100": YES, "101": NO, "102": YES}),
        (
            BLF,
            Operation.BLFS,
            '[{"st_extension":"100","st_state":"BUSY"},{"st_extension":"*72","st_state":"BUSY"}]',
            {"100": YES},
        ),
        (
            PEERS,
            Operation.PEERS,
            '[{"node":"a","Name":"100-Acme","Status":"OK"}]',
            {"100": YES, "101": UNKNOWN, "102": NO},
        ),
        (EXT, Operation.REGISTRATION, "Registered", {"100": YES}),
    ],
)
def test_states_of_all_phones(
    source: Source, operation: Operation, body: str, states: Mapping[str, Registration]
) -> None:
    """Those that the list of extensions calls phones; absent chan_sip phones are unregistered."""
    listed = answered(Query.REGISTRATIONS, _EXTENSIONS, operation=Operation.EXTENSIONS)
    phones = Phones(names={"ACME": "Acme"}).with_list(listed.verdict)
    made = trial(source, answered(Query.REGISTRATIONS, body, operation=operation), "ACME", "100", phones)
    assert made.states == states
    assert made.known == {number: state for number, state in states.items() if state is not UNKNOWN}
    assert made.size == len(body)


def test_phones_without_a_list() -> None:
    """A failed list leaves open which records are phones."""
    refused = answered(Query.REGISTRATIONS, "No id specified", operation=Operation.EXTENSIONS)
    assert Phones().with_list(refused.verdict).able is None


def test_order_and_requests(configured: Configured) -> None:
    """First the list of extensions, then the configured parameter; last the list of all peers."""
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


@pytest.mark.parametrize("source", RegistrationSource)
def test_every_source_is_tried(source: RegistrationSource, configured: Configured) -> None:
    """The configured one is among them; the parameter counts only for regstate."""
    switch = configured(queries={"registrations": {"source": source, "parameter": "id"}})
    parameter = ExtensionParameter.ID if source is RegistrationSource.REGSTATE else None
    assert configured_source(switch) == Source(source, parameter)
