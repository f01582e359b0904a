from exporter.metrics import catalogue
from exporter.metrics.snapshot import Shelf, Shelves


def test_what_was_lent_does_not_change() -> None:
    """A page that is being sent shows the moment at which it was asked for, whatever comes after."""
    shelf = Shelf()
    shelf.put("A", b"old")
    shelf.put("B", b"gone soon")
    lent = shelf.lend()

    shelf.put("A", b"new")
    shelf.remove("B")
    shelf.put("C", b"late")

    assert list(lent.values()) == [b"old", b"gone soon"]
    assert list(shelf.lend().values()) == [b"new", b"late"]


def test_each_page_has_its_own_moment() -> None:
    """Two scrapes with a change between them see what was there before, and after."""
    shelf = Shelf()
    pages = []
    for block in (b"1", b"2", b"3"):
        shelf.put("A", block)
        pages.append(shelf.lend())

    assert [list(page.values()) for page in pages] == [[b"1"], [b"2"], [b"3"]]


def test_a_changed_block_keeps_its_place() -> None:
    """The order of a page stays what it was."""
    shelf = Shelf()
    for tenant in ("A", "B", "C"):
        shelf.put(tenant, tenant.encode())
    shelf.put("A", b"new")

    assert list(shelf.lend().values()) == [b"new", b"B", b"C"]
    assert list(shelf.lend()) == ["A", "B", "C"]
    assert shelf.get("A") == b"new"


def test_what_is_not_there_can_be_removed() -> None:
    """It changes nothing, not even what was lent."""
    shelf = Shelf()
    shelf.put("A", b"1")
    shelf.remove("B")

    assert list(shelf.lend().values()) == [b"1"]
    assert shelf.get("B") is None


def test_what_says_the_same_is_the_same() -> None:
    """An equal block does not take the place of the one before, nor of what was lent: nothing has changed."""
    shelf = Shelf()
    block = b" ".join([b"one", b"1"])
    shelf.put("A", block)
    lent = shelf.lend()

    assert shelf.put("A", b" ".join([b"one", b"1"])) is block
    assert shelf.lend() is lent
    assert lent["A"] is block
    shelf.put("A", b"one 2")
    assert shelf.lend() is not lent


def test_series_are_counted() -> None:
    """Each line is one, of every family and part; what is taken away, or replaced, counts no more."""
    shelves = Shelves()
    shelves.put(catalogue.CHANNELS, "", "", b"a 1\n")
    shelves.put(catalogue.NODE_CHANNELS, "", "n1", b"b 1\nb 2\n")
    assert shelves.series == 3

    shelves.put(catalogue.NODE_CHANNELS, "", "n1", b"b 3\n")
    shelves.put(catalogue.CHANNELS, "", "", b"")
    shelves.remove(catalogue.CHANNELS, "ACME", "")

    assert shelves.series == 1
    assert shelves.lend(catalogue.NODE_CHANNELS) == {"n1": {"": b"b 3\n"}}
    assert shelves.get(catalogue.CHANNELS, "", "") == b""
    assert shelves.size == len(b"b 3\n")
    assert list(shelves.places) == [(catalogue.NODE_CHANNELS, "n1")]


def test_nothing_is_left_of_a_part_that_is_gone() -> None:
    """A switch whose nodes have new names every day leaves no empty shelves behind."""
    shelves = Shelves()
    for day in range(3):
        shelves.put(catalogue.NODE_CHANNELS, "", f"node-{day}", b"a 1\n")
        lent = shelves.lend(catalogue.NODE_CHANNELS)
        shelves.remove(catalogue.NODE_CHANNELS, "", f"node-{day}")
        assert lent == {f"node-{day}": {"": b"a 1\n"}}

    assert list(shelves.places) == []
