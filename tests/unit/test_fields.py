import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.fields import duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("6h", 21600),
        ("30d", 2592000),
        ("2w", 1209600),
        ("1y", 31536000),
        ("1h30m", 5400),
        ("1d12h", 129600),
        ("250ms", 0.25),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """They mean what they mean to Prometheus."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "5 m",
        "5min",
        "-5m",
        "1.5h",
        "30m1h",
        "m",
        "1m1m",
        "٣s",
        "5M",
        "5m\n",
        "1e3s",
        "9" * 5000 + "s",
    ],
)
def test_other_texts_are_not_durations(text: str) -> None:
    """The error has examples of durations."""
    with pytest.raises(ValueError, match="expected a duration such as 30s, 5m, 6h or 30d"):
        parse_duration(text)


def test_duration_beyond_the_limit() -> None:
    """Prometheus counts nanoseconds in 64 bits."""
    with pytest.raises(ValueError, match="expected a duration below 292y"):
        parse_duration("293y")


@given(st.integers(min_value=0, max_value=10**12))
def test_round_trip(milliseconds: int) -> None:
    """Formatting and parsing keep any number of milliseconds."""
    seconds = milliseconds / 1000
    assert parse_duration(duration_text(seconds)) == pytest.approx(seconds, abs=1e-4)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (90, "1m30s"), (2592000, "30d"), (0.5, "500ms")])
def test_duration_text(seconds: float, text: str) -> None:
    """A duration is written in the largest units that fit, up to days."""
    assert duration_text(seconds) == text


@given(st.text())
def test_any_text(text: str) -> None:
    """The result is 0 or more, or a ValueError."""
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert seconds >= 0
