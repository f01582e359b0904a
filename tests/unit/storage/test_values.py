import math
import sys

import pytest

from exporter.clock import Clock
from exporter.storage.values import (
    boot_id,
    elapsed,
    elapsed_at_least,
    label,
    moment,
    number,
    showable,
    text,
    times,
    wall,
)


def test_times_are_within_a_century() -> None:
    """Beyond a century a minute is lost in rounding."""
    assert (moment(0), moment(0.5), wall(0.5), wall(1e9)) == (0, 0.5, 0.5, 1e9)
    for read, value in ((moment, -1), (moment, 1e17), (wall, -1), (wall, 1e300)):
        with pytest.raises(ValueError, match="expected seconds from"):
            read(value)


@pytest.mark.parametrize(
    ("boot", "monotonic", "step", "passed"),
    [
        ("a", 160.0, 0, 60),
        ("a", 160.0, -1e6, 60),
        ("a", 100.0, 1e6, 0),
        ("a", 99.5, 0, 60),
        ("b", 5.0, 30, 90),
        ("b", 5.0, -1e6, 0),
        ("", 160.0, 0, 60),
    ],
)
def test_the_time_since_a_file_was_written(boot: str, monotonic: float, step: float, passed: float) -> None:
    """Within a boot, steps of the wall clock do not matter; after a boot, one back counts as no time.

    A time since boot that is before that of the file is of another boot, whatever its ID.
    """
    first = times(Clock(lambda: 100.0, lambda: 1e9), "a")
    assert elapsed(first, Clock(lambda: monotonic, lambda: 1e9 + 60 + step), boot) == passed


@pytest.mark.parametrize("name", ["wall", "monotonic"])
@pytest.mark.parametrize("value", [-1e308, 1e308, math.inf, math.nan, 10**400, -1e17, 1e17, True, "1", None])
def test_invalid_times(name: str, value: object) -> None:
    """The wall-clock time counts after a boot, the other one before."""
    clock = Clock(lambda: 100.0, lambda: 1e9)
    with pytest.raises(ValueError, match="expected "):
        elapsed({**times(clock, "a"), name: value}, clock, "" if name == "wall" else "a")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has an ID of the boot")
def test_the_boot_has_an_id() -> None:
    """It is a text, and the same until the next boot."""
    assert boot_id() == boot_id() > ""


@pytest.mark.parametrize("ahead", [0.0, 4 * 86_400.0])
def test_a_reboot_while_the_clock_is_wrong(ahead: float) -> None:
    """Fifty years since 1970 are no time, and no time has certainly passed, whatever the clock says."""
    unset, later = Clock(lambda: 100.0, lambda: 5.0), Clock(lambda: 9.0, lambda: 1.7e9 + ahead)
    assert elapsed(times(unset, "a"), later, "b") == 0
    known = Clock(lambda: 100.0, lambda: 1.7e9)
    assert elapsed_at_least(times(known, "a"), later, "b") == 0
    assert elapsed_at_least(times(known, "a"), Clock(lambda: 160.0, lambda: 1.0), "a") == 60


@pytest.mark.parametrize("value", [True, math.nan, math.inf, 10**400, "1", None, [1]])
def test_only_finite_numbers_are_numbers(value: object) -> None:
    """Other values in the JSON of a state file are errors."""
    with pytest.raises(ValueError, match="expected a"):
        number(value)


@pytest.mark.parametrize("value", ["\ud800", "a\0b"])
def test_a_text_that_cannot_be_shown(value: str) -> None:
    """No page with it could be sent, so it is rejected, like a name from a switch."""
    with pytest.raises(ValueError, match="expected text, got NUL or a surrogate"):
        text(value)
    assert showable(value).encode()


@pytest.mark.parametrize("value", ["", "x" * 256, "\ud800"])
def test_a_text_that_cannot_be_a_label(value: str) -> None:
    """The name of a node becomes a label of metrics."""
    with pytest.raises(ValueError, match="expected "):
        label(value)
    assert label("n1") == "n1"


@pytest.mark.parametrize("value", [1, None, ["a"]])
def test_only_texts_are_texts(value: object) -> None:
    """A number would be another key than its text."""
    with pytest.raises(TypeError, match="expected text, got"):
        text(value)
