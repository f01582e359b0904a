from exporter.errors import ConfigurationError, ExporterError, shortened


def test_few_mistakes_are_told_as_they_are() -> None:
    """Up to a hundred nothing is left out."""
    error = ConfigurationError("config.yaml", [f"switches[{at}]: is empty" for at in range(100)])
    assert shortened(error) == str(error)


def test_of_thousands_of_mistakes_the_first_hundred_are_told() -> None:
    """The daemon is not held up by masking them all; ``--config.check`` tells them."""
    error = ConfigurationError("config.yaml", [f"switches[{at}]: is empty" for at in range(3000)])
    *first, last = shortened(error).splitlines()
    assert first == str(error).splitlines()[:100]
    assert last == "and 2,900 more; run --config.check to see all"


def test_a_long_line_is_cut() -> None:
    """However few the lines are."""
    assert len(shortened(ExporterError("x" * 100_000))) == 16_001
