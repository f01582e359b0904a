from exporter.shelf import Shelf


def test_what_was_lent_does_not_change() -> None:
    """A page that is being sent shows the moment at which it was asked for, whatever comes after."""
    shelf = Shelf()
    shelf.put("A", b"old")
    shelf.put("B", b"gone soon")
    lent = shelf.lend()

    shelf.put("A", b"new")
    shelf.remove("B")
    shelf.put("C", b"late")

    assert list(lent) == [b"old", b"gone soon"]
    assert list(shelf.lend()) == [b"new", b"late"]


def test_each_page_has_its_own_moment() -> None:
    """Two scrapes with a change between them see what was there before, and after."""
    shelf = Shelf()
    pages = []
    for block in (b"1", b"2", b"3"):
        shelf.put("A", block)
        pages.append(shelf.lend())

    assert [list(page) for page in pages] == [[b"1"], [b"2"], [b"3"]]


def test_a_changed_block_keeps_its_place() -> None:
    """The order of a page stays what it was."""
    shelf = Shelf()
    for tenant in ("A", "B", "C"):
        shelf.put(tenant, tenant.encode())
    shelf.put("A", b"new")

    assert list(shelf.lend()) == [b"new", b"B", b"C"]
    assert shelf.items() == [("A", b"new"), ("B", b"B"), ("C", b"C")]
    assert shelf.get("A") == b"new"


def test_what_is_not_there_can_be_removed() -> None:
    """It changes nothing, not even what was lent."""
    shelf = Shelf()
    shelf.put("A", b"1")
    shelf.remove("B")

    assert list(shelf.lend()) == [b"1"]
    assert shelf.get("B") is None
