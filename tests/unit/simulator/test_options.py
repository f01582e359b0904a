from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest

from exporter.simulator.options import above_0, address, at_least_0, at_least_1, seconds


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("127.0.0.1:10391", ("127.0.0.1", 10391)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:80", ("::1", 80)),
        (":80", ("", 80)),
    ],
)
def test_addresses(text: str, read: tuple[str, int]) -> None:
    """Host and port are told apart, also with an IPv6 host or none."""
    assert address(text) == read


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (address, ["", "127.0.0.1", "host:", "host:x", "host:65536", "host:-1"]),
        (at_least_0, ["-1", "1.5", "", "x", "²"]),
        (at_least_1, ["0", "-1"]),
        (seconds, ["-1", "inf", "nan", "x", ""]),
        (above_0, ["0", "-1", "inf", "nan"]),
    ],
)
def test_what_is_wrong_is_refused(read: Callable[[str], object], texts: list[str]) -> None:
    """Each type refuses what it cannot use, and says what it wants."""
    for text in texts:
        with pytest.raises(ArgumentTypeError, match="is not"):
            read(text)


def test_numbers() -> None:
    """What is within bounds is read as it stands."""
    assert (at_least_0("0"), at_least_1("50"), seconds("0.2"), above_0("60")) == (0, 50, 0.2, 60.0)
