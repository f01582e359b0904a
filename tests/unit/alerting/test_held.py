from exporter.alerting.held import Held


def test_a_value_that_went_counts_for_its_window() -> None:
    """With the value it had, and to the last second of the window, which begins when it was seen."""
    held: Held[str, float] = Held(300)
    held.update({"a": 1.0, "b": 2.0}, 0)
    held.update({"b": 3.0}, 60)

    assert held.known == {"b": 3.0, "a": 1.0}
    held.update({"b": 3.0}, 300)
    assert held.known["a"] == 1.0
    held.update({"b": 3.0}, 301)
    assert held.known == {"b": 3.0}


def test_a_value_that_is_back_is_the_new_one() -> None:
    """What was held is forgotten as soon as there is a newer value, and is held anew when that goes."""
    held: Held[str, float] = Held(300)
    held.update({"a": 1.0}, 0)
    held.update({}, 60)
    held.update({"a": 5.0}, 120)
    held.update({}, 180)

    assert held.known["a"] == 5.0
    assert list(held.dump()) == [("a", 5.0, 120)]


def test_what_is_taken_back_is_gone_until_it_is_seen_again() -> None:
    """After a restart a value counts for what is left of its window."""
    held: Held[str, float] = Held(300)
    held.restore("a", 1.0, 100)
    held.update({}, 400)
    assert "a" in held.known
    held.update({}, 401)
    assert "a" not in held.known
