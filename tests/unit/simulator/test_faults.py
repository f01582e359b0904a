import pytest

from exporter.simulator.asked import Asked, read
from exporter.simulator.faults import Fault, FaultKind, Faults
from exporter.simulator.keys import KeyKind


def _asked(**parameters: str) -> Asked:
    return read("GET", list(parameters.items()))


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
