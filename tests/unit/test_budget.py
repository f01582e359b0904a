import pytest

from exporter import catalogue
from exporter.budget import Budget

_PHONES = catalogue.EXTENSION_REGISTERED
_BY_NODE = catalogue.TENANT_NODE_CHANNELS
_FIGURE = catalogue.TENANT_CHANNELS


def test_nothing_is_withheld_while_all_fits() -> None:
    """As many series as allowed are not too many."""
    budget = Budget(100)

    assert not budget.tighten(100)
    assert not budget.is_limited
    assert not budget.withholds(_PHONES)


def test_rank_by_rank() -> None:
    """Each step names the families that go with it, and after the last there is nothing more to withhold."""
    budget = Budget(100)

    steps = [budget.tighten(101) for _ in range(4)]

    assert [_PHONES in steps[0], _BY_NODE in steps[1], _FIGURE in steps[2], steps[3]] == [
        True,
        True,
        True,
        frozenset(),
    ]
    assert budget.withholds_tenants
    assert not budget.withholds(catalogue.UP)


@pytest.mark.parametrize(("series", "comes_back"), [(40, True), (41, False)])
def test_it_comes_back_with_room_to_spare(series: int, *, comes_back: bool) -> None:
    """What was left out is counted, and a tenth of the room stays free."""
    budget = Budget(100)
    budget.tighten(101)
    budget.leave_out((_PHONES, "A", ""), 30)
    budget.leave_out((_PHONES, "B", ""), 50)
    budget.leave_out((_PHONES, "A", ""), 0)

    budget.relax(series)

    assert budget.is_limited is not comes_back
    assert budget.leaves_out((_PHONES, "B", ""))
    assert not budget.leaves_out((_PHONES, "A", ""))
