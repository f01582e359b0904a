import pytest

from exporter.alerting.rule import Figure


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        # What promtool 2.42 wrote for the same values: see also the differential test.
        (2, "", "2"),
        (0.5, "", "0.5"),
        (0.9, "percentage", "90%"),
        (1.0666666, "percentage", "106.7%"),
        (0, "percentage", "0%"),
        (9.5, ".2f", "9.50"),
        (0, "duration", "0s"),
        (45, "duration", "45s"),
        (59.5, "duration", "59.5s"),
        (60, "duration", "1m 0s"),
        (3 * 86_400, "duration", "3d 0h 0m 0s"),
        (-86_400 - 3_661, "duration", "-1d 1h 1m 1s"),
        (7_200, "duration", "2h 0m 0s"),
    ],
)
def test_a_figure_is_written_as_prometheus_does(value: float, form: str, text: str) -> None:
    """Counts, shares, amounts and durations read the same whoever sends the alert."""
    assert format(Figure(value), form) == text
