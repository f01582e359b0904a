import pytest

from exporter.web import figures


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "\N{EN DASH}"),
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (172_800, "2 d"),
        (-0.4, "0 s"),
        (-3 * 86_400, "\N{MINUS SIGN}3 d"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    """They have the largest unit of which there are at least two."""
    assert figures.duration(seconds) == text


def test_numbers() -> None:
    """They have separators, a minus sign, and a dash if they are unknown."""
    assert figures.count(1234.0) == "1,234"
    assert figures.money(-1234.5) == "\N{MINUS SIGN}1,234.50"
    assert figures.percent(0.45678) == "45.7 %"
    assert (figures.targets(1), figures.targets(2)) == ("1 target", "2 targets")
    assert {form(None) for form in (figures.count, figures.money, figures.percent)} == {"\N{EN DASH}"}


@pytest.mark.parametrize(
    ("days", "text"),
    [(None, "\N{EN DASH}"), (5, "5 d"), (1, "1 d"), (0.9, "expires today"), (0, "expires today"),
     (-1, "expired 1 d ago")],
)  # fmt: skip
def test_licenses(days: float | None, text: str) -> None:
    """They count whole days."""
    assert figures.license_left(None if days is None else days * 86_400) == text
