from exporter.errors import ConfigurationError, ExporterError, shortened


def test_up_to_a_hundred_problems_are_complete() -> None:
    """Nothing is left out."""
    error = ConfigurationError("config.yaml", [f"switches[{at}]: is empty" for at in range(100)])
    assert shortened(error) == str(error)


def test_of_thousands_of_problems_a_hundred_are_logged() -> None:
    """Masking them all would block the event loop; ``--config.check`` prints all."""
    error = ConfigurationError("config.yaml", [f"switches[{at}]: is empty" for at in range(3000)])
    *first, last = shortened(error).splitlines()
    assert first == str(error).splitlines()[:100]
    assert last == "and 2,900 more; run --config.check to see all"


def test_a_long_line_is_cut() -> None:
    """The limit also applies to few lines."""
    assert len(shortened(ExporterError("x" * 100_000))) == 16_001
