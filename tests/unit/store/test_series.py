import pytest

from exporter.metrics import catalogue
from exporter.store.series import CopyOnWrite, SeriesLimit, SeriesTable

_NODES = catalogue.NODE_CHANNELS


def test_a_snapshot_does_not_change() -> None:
    """Later changes are only in the next snapshot, in the same order."""
    values: CopyOnWrite[str] = CopyOnWrite()
    for tenant in ("A", "B"):
        values.put(tenant, "old")
    first = values.snapshot()

    values.put("A", "new")
    values.remove("B")
    values.put("C", "late")

    assert list(first.items()) == [("A", "old"), ("B", "old")]
    assert list(values.snapshot().items()) == [("A", "new"), ("C", "late")]
    assert (values.get("A"), values.get("B")) == ("new", None)


def test_an_equal_value_keeps_its_identity() -> None:
    """Setting an equal value, or removing a missing one, changes neither value nor snapshot."""
    values: CopyOnWrite[list[int]] = CopyOnWrite()
    value = [1]
    values.put("A", value)
    before = values.snapshot()

    values.put("A", [1])
    values.remove("B")

    assert values.snapshot() is before
    assert before["A"] is value
    values.put("A", [2])
    assert values.snapshot() is not before


def _table() -> SeriesTable:
    return SeriesTable("pbx", SeriesLimit(100))


def test_the_part_can_be_a_label() -> None:
    """If the metric declares one, the lines of each part have it."""
    table = _table()
    table.set((catalogue.QUEUE_AGENTS, "A", "online"), {"12": 3, "15": 0})
    table.set((catalogue.QUEUE_AGENTS, "A", "paused"), {"12": 1})

    lines = [block for tenants in table.lines(catalogue.QUEUE_AGENTS).values() for block in tenants.values()]
    assert b"".join(lines).decode().splitlines() == [
        'softswitch_queue_agents{switch="pbx",tenant="A",state="online",queue="12"} 3',
        'softswitch_queue_agents{switch="pbx",tenant="A",state="online",queue="15"} 0',
        'softswitch_queue_agents{switch="pbx",tenant="A",state="paused",queue="12"} 1',
    ]


def test_series_are_counted() -> None:
    """Each line is one series; replaced and removed ones do not count."""
    table = _table()
    table.set((catalogue.CHANNELS, "", ""), 1)
    table.set((_NODES, "", "n1"), {"n1": 1, "n2": 2})
    assert table.series == 3

    table.set((_NODES, "", "n1"), {"n1": 3})
    table.set((_NODES, "", "n2"), {})
    table.remove((catalogue.CHANNELS, "", ""))
    table.remove((catalogue.CHANNELS, "ACME", ""))

    assert table.series == 1
    assert table.snapshot(_NODES) == {"n1": {"": {"n1": 3.0}}}
    assert table.lines(_NODES) == {"n1": {"": b'softswitch_node_channels{switch="pbx",node="n1"} 3\n'}}
    assert table.get((catalogue.CHANNELS, "", "")) is None
    assert table.snapshot(catalogue.CHANNELS) == {}


def test_long_lines_count_as_several_series() -> None:
    """Replaced and removed ones do not count."""
    table = _table()
    place = (_NODES, "", "")
    table.set(place, {"n" * 2000: 1})
    assert (table.series, table.load) == (1, 8)

    table.set(place, {"n" * 3000: 1})
    assert (table.series, table.load) == (1, 11)

    table.set(place, {"n": 1})
    assert (table.series, table.load) == (1, 1)
    table.remove(place)
    assert (table.series, table.load) == (0, 0)


def test_a_removed_part_leaves_nothing() -> None:
    """Nodes with new names every day do not accumulate, and old snapshots stay."""
    table = _table()
    for day in range(3):
        node = f"node-{day}"
        table.set((_NODES, "", node), {node: 1})
        before = table.snapshot(_NODES)
        table.remove((_NODES, "", node))
        assert before == {node: {"": {node: 1}}}

    assert table.snapshot(_NODES) == {}


_WATCHED = (catalogue.EXTENSION_WATCHED, "A", "")
_PHONES = (catalogue.EXTENSION_REGISTERED, "A", "")


def test_what_is_dropped_follows_the_newest_values() -> None:
    """A watched phone stays; removed values are not counted as dropped."""
    limit = SeriesLimit(3)
    table = SeriesTable("pbx", limit)
    table.set(_WATCHED, {"100": 1})

    table.set(_PHONES, {"100": 1, "101": 1, "102": 0})
    assert table.get(_PHONES) == {"100": 1}
    assert limit.has_dropped(_PHONES)

    table.set(_PHONES, {"100": 1})
    assert table.get(_PHONES) == {"100": 1}
    assert not limit.has_dropped(_PHONES)

    table.set(_PHONES, {"101": 1})
    assert table.is_dropped([_PHONES])
    table.remove(_PHONES)
    assert not table.is_dropped([_PHONES])


def test_the_load_of_dropped_lines() -> None:
    """It is the load of the dropped lines, without those that stay."""
    limit = SeriesLimit(20)
    table = SeriesTable("pbx", limit)
    kept, dropped = "k" * 1950, "d" * 1950
    table.set(_WATCHED, {kept: 1})
    table.set(_PHONES, {kept: 1, dropped: 1})
    assert table.get(_PHONES) == {kept: 1}
    assert table.load == 15  # two lines of 2 kB

    limit.most = 27
    limit.relax(table.load)  # 15 and 7 are 22, and a tenth stays free
    assert not limit.is_limited


_EXTENSIONS = catalogue.EXTENSION_REGISTERED
_BY_NODE = catalogue.TENANT_NODE_CHANNELS
_FIGURE = catalogue.TENANT_CHANNELS


def test_rank_by_rank() -> None:
    """Each step returns the metrics of one rank, and after the last there is nothing more to drop."""
    limit = SeriesLimit(100)

    order = (
        _EXTENSIONS,
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
    limit.note_dropped((_EXTENSIONS, "A", ""), 30)
    limit.note_dropped((_EXTENSIONS, "B", ""), 50)
    limit.note_dropped((_EXTENSIONS, "A", ""), 0)

    limit.relax(series)

    assert limit.is_limited is not comes_back
    assert limit.has_dropped((_EXTENSIONS, "B", ""))
    assert not limit.has_dropped((_EXTENSIONS, "A", ""))


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
        limit.note_dropped((_EXTENSIONS, tenant, ""), 45)

    limit.remove({"A"})

    assert [limit.has_dropped((_EXTENSIONS, tenant, "")) for tenant in ("A", "B")] == [False, True]
    limit.relax(45)
    assert not limit.is_limited
