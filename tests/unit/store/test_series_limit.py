import pytest

from exporter.metrics import catalogue
from exporter.store.series import SeriesLimit

_PHONES = catalogue.EXTENSION_REGISTERED
_BY_NODE = catalogue.TENANT_NODE_CHANNELS
_FIGURE = catalogue.TENANT_CHANNELS


def test_rank_by_rank() -> None:
    """Each step returns the metrics of one rank, and after the last there is nothing more to drop."""
    limit = SeriesLimit(100)

    order = (
        _PHONES,
        _BY_NODE,
        _FIGURE,
        catalogue.QUERY_SUCCESS,
        catalogue.TENANT_INFO,
        catalogue.NODE_PRESENT,
    )
    for metric in order:
        assert not limit.drops(metric, "A")
        assert metric in limit.tighten(101)
        assert limit.drops(metric, "A")
        assert limit.drops_tenants is (order.index(metric) >= 2)

    assert limit.tighten(101) == frozenset()
    assert not limit.drops(catalogue.UP, "")
    assert limit.drops(catalogue.QUERY_SUCCESS, "") is False


def test_every_metric_that_a_switch_can_let_grow_has_a_rank() -> None:
    """The others are bounded by the configuration, or have one series per query."""
    limit = SeriesLimit(0)
    ranked = set().union(*iter(lambda: limit.tighten(1), frozenset()))
    growing = {metric for metric in catalogue.METRICS if {"tenant", "node"} & {*metric.labels}}

    assert growing - ranked == {
        catalogue.EXTENSION_WATCHED,
        catalogue.NODE_CHANNELS_LIMIT,
        catalogue.PEER_REACHABLE,
        catalogue.PEER_ROUND_TRIP,
    }


@pytest.mark.parametrize(("series", "comes_back"), [(40, True), (41, False)])
def test_a_rank_comes_back_below_nine_tenths_of_the_limit(series: int, *, comes_back: bool) -> None:
    """Dropped series count for what would fit."""
    limit = SeriesLimit(100)
    limit.tighten(101)
    limit.note_dropped((_PHONES, "A", ""), 30)
    limit.note_dropped((_PHONES, "B", ""), 50)
    limit.note_dropped((_PHONES, "A", ""), 0)

    limit.relax(series)

    assert limit.is_limited is not comes_back
    assert limit.has_dropped((_PHONES, "B", ""))
    assert not limit.has_dropped((_PHONES, "A", ""))


def test_values_from_the_configuration_have_to_be_set_again() -> None:
    """No response brings them back, so `relax` reports it, and only for that rank."""
    limit = SeriesLimit(100)
    while not limit.drops(catalogue.TENANT_INFO, "A"):
        limit.tighten(101)
    limit.note_dropped((catalogue.TENANT_INFO, "A", ""), 30)
    limit.note_dropped((catalogue.TENANT_CHANNELS, "A", ""), 40)

    assert limit.relax(61) is False
    assert limit.relax(60) is True
    assert not limit.drops(catalogue.TENANT_INFO, "A")
    assert limit.drops(catalogue.TENANT_CHANNELS, "A")
    assert limit.relax(0) is False
    assert not limit.is_limited


def test_removed_tenants_do_not_count() -> None:
    """What was dropped of the others still counts."""
    limit = SeriesLimit(100)
    limit.tighten(101)
    for tenant in ("A", "B"):
        limit.note_dropped((_PHONES, tenant, ""), 45)

    limit.remove({"A"})

    assert [limit.has_dropped((_PHONES, tenant, "")) for tenant in ("A", "B")] == [False, True]
    limit.relax(45)
    assert not limit.is_limited
