import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.faults import Fault, FaultKind, Faults
from exporter.simulator.faults import parse as parse_rule
from exporter.simulator.keys import KeyKind
from exporter.simulator.request import ApiRequest, parse


def _asked(**parameters: str) -> ApiRequest:
    return parse("GET", list(parameters.items()))


def _parse(document: object) -> Fault:
    return parse_rule(json.dumps(document))


_BALANCE = _asked(reqtype="INFO", info="balance", tenant="ACME")
_REGISTRATION = _asked(reqtype="INFO", info="regstate", tenant="ACME", ext="100")
_NODE = _asked(reqtype="COUNTCHANNELS", nodename="pbx1")


@pytest.fixture
def faults() -> Faults:
    """Make rules whose chance can be repeated."""
    return Faults(1)


@pytest.mark.parametrize(
    ("fault", "applies"),
    [
        (Fault(FaultKind.EMPTY), [True, True, True]),
        (Fault(FaultKind.EMPTY, reqtype="info"), [True, True, False]),
        (Fault(FaultKind.EMPTY, info="Balance"), [True, False, False]),
        (Fault(FaultKind.EMPTY, tenant="ACME"), [True, True, False]),
        (Fault(FaultKind.EMPTY, extension="100"), [False, True, False]),
        (Fault(FaultKind.EMPTY, node="pbx1"), [False, False, True]),
        (Fault(FaultKind.EMPTY, node="pbx2"), [False, False, False]),
        (Fault(FaultKind.EMPTY, key="admin"), [True, True, True]),
        (Fault(FaultKind.EMPTY, key="tenant"), [False, False, False]),
    ],
)
def test_every_condition_must_hold(fault: Fault, applies: list[bool]) -> None:
    """A rule is about the requests that meet all its conditions, and about no other."""
    assert [fault.applies(asked, KeyKind.ADMIN) for asked in (_BALANCE, _REGISTRATION, _NODE)] == applies


def test_the_first_rule_that_applies_acts(faults: Faults) -> None:
    """Of two rules for the same request the earlier one acts, and the later one once that is gone."""
    first = faults.add(Fault(FaultKind.HANG, tenant="ACME"))
    faults.add(Fault(FaultKind.EMPTY))
    assert _picked(faults) is FaultKind.HANG
    assert faults.remove(first)
    assert not faults.remove(first)
    assert _picked(faults) is FaultKind.EMPTY
    faults.clear()
    assert _picked(faults) is None


def test_a_limit_is_a_number_of_times(faults: Faults) -> None:
    """A rule with a limit acts so often, on requests it is about, and then never again."""
    faults.add(Fault(FaultKind.EMPTY, tenant="ACME", limit=2))
    faults.pick(_NODE, KeyKind.ADMIN)
    assert [_picked(faults) for _ in range(3)] == [FaultKind.EMPTY, FaultKind.EMPTY, None]
    assert [used for _, used, _ in faults.rules()] == [2]


def test_a_probability_is_met_and_can_be_repeated(faults: Faults) -> None:
    """Of 1,000 requests about a quarter are hit, and the same ones with the same seed."""
    hits = []
    for some in (faults, Faults(1)):
        some.add(Fault(FaultKind.EMPTY, probability=0.25))
        hits.append([_picked(some) for _ in range(1000)])
    assert hits[0] == hits[1]
    assert 200 < hits[0].count(FaultKind.EMPTY) < 300


def _picked(faults: Faults) -> FaultKind | None:
    fault = faults.pick(_BALANCE, KeyKind.ADMIN)
    return None if fault is None else fault.kind


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
_members = st.sampled_from(
    ["kind", "reqtype", "key", "probability", "limit", "seconds", "text", "size", "status", "location", "x"]
)
_kind = st.sampled_from([kind.value for kind in FaultKind])


@given(_json | st.dictionaries(_members, _json) | st.fixed_dictionaries({"kind": _kind, "limit": _json}))
def test_foreign_rules_are_parsed_or_refused(document: object) -> None:
    """Whatever somebody sends, it becomes a rule or a ValueError, and nothing else happens."""
    try:
        fault = _parse(document)
    except ValueError:
        return
    assert isinstance(fault.kind, FaultKind)
    assert 0 <= fault.probability <= 1


def test_what_was_given_is_described() -> None:
    """A rule comes back as it was sent, with its number and how often it acted."""
    faults = Faults(1)
    document = {"kind": "slow", "reqtype": "COUNTPEERS", "tenant": "ACME", "probability": 0.5, "seconds": 3}
    faults.add(_parse(document))
    assert faults.described() == [{"number": 1, "used": 0, **document}]


def test_an_argument_that_the_kind_does_not_read_is_refused() -> None:
    """A status for a hanging request is a mistake, not a wish."""
    with pytest.raises(ValueError, match="status: the kind hang does not read this"):
        _parse({"kind": "hang", "status": 500})


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_kind_can_be_asked_for(kind: FaultKind) -> None:
    """Each kind is parsed from its name alone."""
    assert _parse({"kind": kind.value}) == Fault(kind)
