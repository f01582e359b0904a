import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.faults import Fault, FaultKind, Faults, parse
from exporter.simulator.request import ApiRequest, KeyKind
from exporter.simulator.request import parse as parse_request


def _request(**parameters: str) -> ApiRequest:
    return parse_request("GET", list(parameters.items()))


_BALANCE = _request(reqtype="INFO", info="balance", tenant="ACME")
_REGISTRATION = _request(reqtype="INFO", info="regstate", tenant="ACME", ext="100")
_NODE = _request(reqtype="COUNTCHANNELS", nodename="pbx1")
_QUEUE = _request(reqtype="INFO", info="queue", tenant="ACME", id="1000")
_TRUNKS = _request(reqtype="MANAGEDB", object="sipregs", action="list")


@pytest.fixture
def faults() -> Faults:
    """Return rules with a fixed seed."""
    return Faults(1)


def _picked(faults: Faults) -> FaultKind | None:
    fault = faults.pick(_BALANCE, KeyKind.ADMIN)
    return None if fault is None else fault.kind


@pytest.mark.parametrize(
    ("fault", "matches"),
    [
        (Fault(FaultKind.EMPTY), [_BALANCE, _REGISTRATION, _NODE, _QUEUE, _TRUNKS]),
        (Fault(FaultKind.EMPTY, reqtype="info"), [_BALANCE, _REGISTRATION, _QUEUE]),
        (Fault(FaultKind.EMPTY, info="Balance"), [_BALANCE]),
        (Fault(FaultKind.EMPTY, object="SipRegs"), [_TRUNKS]),
        (Fault(FaultKind.EMPTY, tenant="ACME"), [_BALANCE, _REGISTRATION, _QUEUE]),
        (Fault(FaultKind.EMPTY, extension="100"), [_REGISTRATION]),
        (Fault(FaultKind.EMPTY, queue="1000"), [_QUEUE]),
        (Fault(FaultKind.EMPTY, node="pbx1"), [_NODE]),
        (Fault(FaultKind.EMPTY, node="pbx2"), []),
        (Fault(FaultKind.EMPTY, key="admin"), [_BALANCE, _REGISTRATION, _NODE, _QUEUE, _TRUNKS]),
        (Fault(FaultKind.EMPTY, key="tenant"), []),
    ],
)
def test_a_request_must_match_every_condition(fault: Fault, matches: list[ApiRequest]) -> None:
    """A rule matches the requests that meet all its conditions, and no others."""
    requests = (_BALANCE, _REGISTRATION, _NODE, _QUEUE, _TRUNKS)
    assert [request for request in requests if fault.matches(request, KeyKind.ADMIN)] == matches


def test_the_first_matching_rule_acts(faults: Faults) -> None:
    """Of two rules for a request the earlier one acts, and the later one after its removal."""
    first = faults.add(Fault(FaultKind.HANG, tenant="ACME"))
    faults.add(Fault(FaultKind.EMPTY))
    assert _picked(faults) is FaultKind.HANG
    assert faults.remove(first)
    assert not faults.remove(first)
    assert _picked(faults) is FaultKind.EMPTY
    faults.clear()
    assert _picked(faults) is None


def test_a_limit_restricts_the_number_of_uses(faults: Faults) -> None:
    """A rule with a limit acts on that many matching requests."""
    faults.add(Fault(FaultKind.EMPTY, tenant="ACME", limit=2))
    faults.pick(_NODE, KeyKind.ADMIN)
    assert [_picked(faults) for _ in range(3)] == [FaultKind.EMPTY, FaultKind.EMPTY, None]
    assert faults.described()[0]["used"] == 2


def test_a_probability_is_repeatable(faults: Faults) -> None:
    """About a quarter of 1,000 requests match, and the same ones with the same seed."""
    hits = []
    for some in (faults, Faults(1)):
        some.add(Fault(FaultKind.EMPTY, probability=0.25))
        hits.append([_picked(some) for _ in range(1000)])
    assert hits[0] == hits[1]
    assert 200 < hits[0].count(FaultKind.EMPTY) < 300


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
_members = st.sampled_from(
    ["kind", "reqtype", "key", "probability", "limit", "seconds", "text", "size", "status", "location", "x"]
)
_kind = st.sampled_from([kind.value for kind in FaultKind])


@given(_json | st.dictionaries(_members, _json) | st.fixed_dictionaries({"kind": _kind, "limit": _json}))
def test_untrusted_rules_are_accepted_or_rejected(document: object) -> None:
    """Any document becomes a valid rule or a ValueError."""
    try:
        fault = parse(json.dumps(document))
    except ValueError:
        return
    assert isinstance(fault.kind, FaultKind)
    assert 0 <= fault.probability <= 1


def test_unused_arguments_are_rejected() -> None:
    """A status for a hanging request is an error."""
    with pytest.raises(ValueError, match="status: not used by a fault of kind hang"):
        parse('{"kind": "hang", "status": 500}')


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_kind_needs_only_its_name(kind: FaultKind) -> None:
    """Each kind has defaults for its arguments."""
    assert parse(json.dumps({"kind": kind.value})) == Fault(kind)
