import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.faults import Fault, FaultKind, Faults
from exporter.simulator.rules import described, parse

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
        fault = parse(document)
    except ValueError:
        return
    assert isinstance(fault.kind, FaultKind)
    assert 0 <= fault.probability <= 1


def test_what_was_given_is_described() -> None:
    """A rule comes back as it was sent, with its number and how often it acted."""
    faults = Faults(1)
    document = {"kind": "slow", "reqtype": "COUNTPEERS", "tenant": "ACME", "probability": 0.5, "seconds": 3}
    faults.add(parse(document))
    assert described(faults) == [{"number": 1, "used": 0, **document}]


def test_everything_wrong_is_said_at_once() -> None:
    """One refusal names each member that is unknown or has a wrong value."""
    with pytest.raises(ValueError, match=r"colour: .*; kind: must be one of hang, .*; probability: must be"):
        parse({"kind": "explode", "probability": 2, "colour": "red"})


def test_an_argument_that_the_kind_does_not_read_is_refused() -> None:
    """A status for a hanging request is a mistake, not a wish."""
    with pytest.raises(ValueError, match="status: the kind hang does not read this"):
        parse({"kind": "hang", "status": 500})


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_kind_can_be_asked_for(kind: FaultKind) -> None:
    """Each kind is parsed from its name alone."""
    assert parse({"kind": kind.value}) == Fault(kind)
