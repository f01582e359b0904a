import pytest

from exporter.metrics import catalogue
from exporter.metrics.series_limit import BYTES_A_SERIES, Budget, load_of

_PHONES = catalogue.EXTENSION_REGISTERED
_BY_NODE = catalogue.TENANT_NODE_CHANNELS
_FIGURE = catalogue.TENANT_CHANNELS


def test_nothing_is_withheld_while_all_fits() -> None:
    """As many series as allowed are not too many."""
    budget = Budget(100)

    assert not budget.tighten(100)
    assert not budget.is_limited
    assert not budget.withholds(_PHONES, "A")


def test_rank_by_rank() -> None:
    """Each step names the families that go with it, and after the last there is nothing more to withhold."""
    budget = Budget(100)

    order = (
        _PHONES,
        _BY_NODE,
        _FIGURE,
        catalogue.QUERY_SUCCESS,
        catalogue.TENANT_INFO,
        catalogue.NODE_PRESENT,
    )
    for metric in order:
        assert not budget.withholds(metric, "A")
        assert metric in budget.tighten(101)
        assert budget.withholds(metric, "A")
        assert budget.withholds_tenants is (order.index(metric) >= 2)

    assert budget.tighten(101) == frozenset()
    assert not budget.withholds(catalogue.UP, "")
    assert not budget.withholds(catalogue.QUERY_SUCCESS, "")


def test_every_family_that_a_switch_can_let_grow_has_a_rank() -> None:
    """What has none is as long as the configuration, or one series a query."""
    budget = Budget(0)
    ranked = set().union(*iter(lambda: budget.tighten(1), frozenset()))
    growing = {metric for metric in catalogue.METRICS if {"tenant", "node"} & {*metric.labels}}

    assert growing - ranked == {catalogue.EXTENSION_WATCHED, catalogue.NODE_CHANNELS_LIMIT}


def test_very_long_lines_count_for_more() -> None:
    """So that labels of hundreds of characters take no more memory than usual ones."""
    assert load_of(10, 800) == 10
    assert load_of(10, 20 * BYTES_A_SERIES) == 20


@pytest.mark.parametrize(("series", "comes_back"), [(40, True), (41, False)])
def test_it_comes_back_with_room_to_spare(series: int, *, comes_back: bool) -> None:
    """What was left out is counted, and a tenth of the room stays free."""
    budget = Budget(100)
    budget.tighten(101)
    budget.leave_out((_PHONES, "A", ""), b"x\n" * 30)
    budget.leave_out((_PHONES, "B", ""), b"x\n" * 50)
    budget.leave_out((_PHONES, "A", ""), b"")

    budget.relax(series)

    assert budget.is_limited is not comes_back
    assert budget.leaves_out((_PHONES, "B", ""))
    assert not budget.leaves_out((_PHONES, "A", ""))
