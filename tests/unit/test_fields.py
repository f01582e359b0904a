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
def test_reads_what_prometheus_reads(text: str, seconds: float) -> None:
    """A duration means what it means to Prometheus."""
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
def test_refuses_everything_else_and_names_the_form(text: str) -> None:
    """What is not a duration is refused with examples of what is."""
    with pytest.raises(ValueError, match="expected a duration such as 30s, 5m, 6h or 30d"):
        parse_duration(text)


def test_refuses_what_prometheus_cannot_hold() -> None:
    """A duration beyond 64 bits of nanoseconds is refused."""
    with pytest.raises(ValueError, match="expected a duration below 292y"):
        parse_duration("293y")


@given(st.integers(min_value=0, max_value=10**12))
def test_round_trip(milliseconds: int) -> None:
    """Any number of milliseconds survives being written and read again."""
    seconds = milliseconds / 1000
    assert parse_duration(duration_text(seconds)) == pytest.approx(seconds, abs=1e-4)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (90, "1m30s"), (2592000, "30d"), (0.5, "500ms")])
def test_writes_days_and_less(seconds: float, text: str) -> None:
    """A duration is written in the largest units that fit, up to days."""
    assert duration_text(seconds) == text


@given(st.text())
def test_never_raises_anything_else(text: str) -> None:
    """Any text either is a duration of 0 or more or is refused with ValueError."""
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert seconds >= 0
