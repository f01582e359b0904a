import pytest

from exporter.metrics import catalogue
from exporter.store.series import SeriesLimit, load_of

_PHONES = catalogue.EXTENSION_REGISTERED
_BY_NODE = catalogue.TENANT_NODE_CHANNELS
_FIGURE = catalogue.TENANT_CHANNELS


def test_nothing_is_dropped_while_all_fits() -> None:
    """As many series as allowed are not too many."""
    limit = SeriesLimit(100)

    assert not limit.tighten(100)
    assert not limit.is_limited
    assert not limit.drops(_PHONES, "A")


def test_rank_by_rank() -> None:
    """Each step names the families that go with it, and after the last there is nothing more to drop."""
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


def test_every_family_that_a_switch_can_let_grow_has_a_rank() -> None:
    """What has none is as long as the configuration, or one series a query."""
    limit = SeriesLimit(0)
    ranked = set().union(*iter(lambda: limit.tighten(1), frozenset()))
    growing = {metric for metric in catalogue.METRICS if {"tenant", "node"} & {*metric.labels}}

    assert growing - ranked == {catalogue.EXTENSION_WATCHED, catalogue.NODE_CHANNELS_LIMIT}


def test_very_long_lines_count_for_more() -> None:
    """So that labels of hundreds of characters take no more memory than usual ones."""
    assert load_of(10, 800) == 10
    assert (load_of(1, 511), load_of(1, 512)) == (1, 2)


@pytest.mark.parametrize(("series", "comes_back"), [(40, True), (41, False)])
def test_it_comes_back_with_room_to_spare(series: int, *, comes_back: bool) -> None:
    """What was dropped is counted, and a tenth of the room stays free."""
    limit = SeriesLimit(100)
    limit.tighten(101)
    limit.note_dropped((_PHONES, "A", ""), 30)
    limit.note_dropped((_PHONES, "B", ""), 50)
    limit.note_dropped((_PHONES, "A", ""), 0)

    limit.relax(series)

    assert limit.is_limited is not comes_back
    assert limit.has_dropped((_PHONES, "B", ""))
    assert not limit.has_dropped((_PHONES, "A", ""))


def test_what_the_configuration_says_of_tenants_has_to_be_set_again() -> None:
    """No answer brings it back, so it is told when there is room for it, and for no other rank."""
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


def test_tenants_that_left_need_no_room() -> None:
    """What was dropped of them is forgotten, and of the others it is not."""
    limit = SeriesLimit(100)
    limit.tighten(101)
    for tenant in ("A", "B"):
        limit.note_dropped((_PHONES, tenant, ""), 45)

    limit.forget({"A"})

    assert [limit.has_dropped((_PHONES, tenant, "")) for tenant in ("A", "B")] == [False, True]
    limit.relax(45)
    assert not limit.is_limited
