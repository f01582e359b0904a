import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import ExtensionParameter
from exporter.request import Operation, Request

# Design, section 6, by hand: what may travel, apart from whom it is about.
_ALLOWED = {
    ("COUNTPEERS", None, None, None),
    ("COUNTCHANNELS", None, None, None),
    ("COUNTCALLS", None, None, None),
    ("LICENSEDAYS", None, None, None),
    ("INFO", "balance", None, None),
    ("INFO", "regstate", None, None),
    ("INFO", "extensions", None, None),
    ("INFO", "config", None, None),
    ("INFO", "simplecdrs", None, None),
    ("INFO", "queues", None, None),
    ("INFO", "queue", None, None),
    ("MANAGEDB", None, "tenant", "list"),
    ("CHANSIPPEERS", None, None, None),
    ("PEERS", None, None, None),
    ("BLFS", None, None, None),
    ("MANAGEDB", None, "sipregs", "list"),
}
_KNOWN_PARAMETERS = {
    "reqtype",
    "info",
    "object",
    "action",
    "format",
    "tenant",
    "nodename",
    "ext",
    "id",
    "number",
    "start",
    "end",
}

_TEXT = st.one_of(
    st.just(""), st.text(max_size=8), st.sampled_from(["ACME", "pbx1", "100", "&key=x", "action=delete"])
)


_START, _END = "2026-11-02 08:00:00", "2026-11-02 08:05:00"


def _request(
    operation: Operation,
    tenant: str,
    node: str,
    extension: str,
    parameter: ExtensionParameter,
    queue: str = "",
) -> Request | None:
    window = (_START, _END) if operation is Operation.CALL_RECORDS else ()
    try:
        return Request(operation, tenant, node, extension, parameter, *(window or ("", "")), queue)
    except ValueError:
        return None


@given(
    st.sampled_from(Operation),
    st.sampled_from(ExtensionParameter),
    st.tuples(_TEXT, _TEXT, _TEXT),
    st.tuples(_TEXT, _TEXT, _TEXT),
)
def test_nothing_outside_the_allow_list_can_be_sent(
    operation: Operation,
    parameter: ExtensionParameter,
    target: tuple[str, str, str],
    more: tuple[str, str, str],
) -> None:
    """No combination of arguments gives a request that is not in section 6 of the design."""
    tenant, node, extension = target
    start, end, queue = more
    try:
        request = Request(operation, tenant, node, extension, parameter, start, end, queue)
    except ValueError:
        return

    wire = request.parameters()

    assert (wire["reqtype"], wire.get("info"), wire.get("object"), wire.get("action")) in _ALLOWED
    assert wire.keys() <= _KNOWN_PARAMETERS
    assert wire.get("format", "json") == "json"
    assert wire.get("tenant", "") == ("%" if wire.get("info") == "simplecdrs" else tenant)
    assert (wire.get("start", ""), wire.get("end", "")) == (start, end)
    assert {bool(start), bool(end)} == {wire.get("info") == "simplecdrs"}
    assert ("nodename" in wire) is bool(node)
    if node:
        assert wire["reqtype"] == "COUNTCHANNELS"
        assert "tenant" not in wire
    named = {name: wire[name] for name in ("ext", "id", "number") if name in wire}
    parts = {"regstate": {parameter.value: extension}, "queue": {"id": queue}}
    assert named == parts.get(wire.get("info", ""), {})


def test_every_operation_is_on_the_allow_list_and_every_entry_is_an_operation() -> None:
    """The enumeration and the list of the design are the same set."""
    sent = [operation.parameters for operation in Operation]

    assert {(p["reqtype"], p.get("info"), p.get("object"), p.get("action")) for p in sent} == _ALLOWED
    assert len(sent) == len(_ALLOWED)


@pytest.mark.parametrize("operation", Operation)
def test_every_operation_can_be_sent(operation: Operation) -> None:
    """Each operation has a scope, and its fixed parameters are sent unchanged."""
    extension = "100" if operation is Operation.REGISTRATION else ""
    queue = "12" if operation is Operation.QUEUE else ""
    requests = [
        _request(operation, tenant, "", extension, ExtensionParameter.EXT, queue) for tenant in ("", "ACME")
    ]
    possible = [request for request in requests if request]

    assert possible
    for request in possible:
        fixed = request.parameters()
        for free in {"tenant", "ext", "start", "end", "id"} - operation.parameters.keys():
            fixed.pop(free, None)
        assert "&".join(f"{name}={value}" for name, value in fixed.items()) == operation.value


@pytest.mark.parametrize("operation", Operation)
def test_fixed_parameters_cannot_be_changed(operation: Operation) -> None:
    """Code cannot turn `list` into `delete`."""
    with pytest.raises(TypeError):
        operation.parameters["action"] = "delete"  # type: ignore[index]  # the very thing that must not work
    Request(Operation.COUNT_PEERS).parameters()["reqtype"] = "HANGUP"
    assert Request(Operation.COUNT_PEERS).parameters()["reqtype"] == "COUNTPEERS"


@pytest.mark.parametrize(
    ("operation", "of_switch", "of_tenant"),
    [
        (Operation.COUNT_PEERS, True, True),
        (Operation.COUNT_CHANNELS, True, True),
        (Operation.COUNT_CALLS, True, True),
        (Operation.LICENSE_DAYS, True, False),
        (Operation.BALANCE, False, True),
        (Operation.EXTENSIONS, False, True),
        (Operation.LIMITS, False, True),
        (Operation.TENANTS, True, False),
        (Operation.CALL_RECORDS, True, False),
        (Operation.QUEUES, False, True),
        (Operation.TRUNKS, True, True),
        (Operation.TENANT_PEERS, False, True),
    ],
)
def test_scopes(operation: Operation, of_switch: bool, of_tenant: bool) -> None:  # noqa: FBT001 -- a table
    """An operation is rejected for a scope that it does not declare."""
    assert (_request(operation, "", "", "", ExtensionParameter.EXT) is not None) is of_switch
    assert (_request(operation, "ACME", "", "", ExtensionParameter.EXT) is not None) is of_tenant


def test_a_node_is_only_allowed_for_installation_wide_channels() -> None:
    """No other request accepts `nodename`, nor does one with a tenant."""
    possible = [
        (operation, tenant)
        for operation, tenant in itertools.product(Operation, ("", "ACME"))
        if _request(operation, tenant, "pbx1", "", ExtensionParameter.EXT)
    ]

    assert possible == [(Operation.COUNT_CHANNELS, "")]
    assert Request(Operation.COUNT_CHANNELS, node="pbx1").parameters()["nodename"] == "pbx1"


@pytest.mark.parametrize("parameter", ExtensionParameter)
def test_the_configured_parameter_names_the_extension(parameter: ExtensionParameter) -> None:
    """The right one is not documented, so each of the three can be configured."""
    request = Request(Operation.REGISTRATION, tenant="ACME", extension="0100", extension_parameter=parameter)

    assert request.parameters()[parameter.value] == "0100"


def test_call_records_are_requested_for_all_tenants_in_one_window() -> None:
    """The window is required for this request, and not allowed for any other."""
    request = Request(Operation.CALL_RECORDS, start=_START, end=_END)

    assert request.parameters() == {
        "reqtype": "INFO",
        "info": "simplecdrs",
        "tenant": "%",
        "format": "json",
        "start": _START,
        "end": _END,
    }
    for start, end in (("", ""), (_START, ""), ("", _END)):
        with pytest.raises(ValueError, match="start and end are required"):
            Request(Operation.CALL_RECORDS, start=start, end=end)
    with pytest.raises(ValueError, match="start and end are required"):
        Request(Operation.COUNT_CALLS, start=_START, end=_END)


def test_a_queue_is_named_by_its_id() -> None:
    """Only INFO queue accepts one, and it requires one."""
    assert Request(Operation.QUEUE, tenant="ACME", queue="12").parameters()["id"] == "12"
    for operation, queue in ((Operation.QUEUE, ""), (Operation.BALANCE, "12")):
        with pytest.raises(ValueError, match="a queue is required for QUEUE"):
            Request(operation, tenant="ACME", queue=queue)
