from exporter.cli.check_sections import describe_high_availability
from exporter.config import HighAvailability

_LEASE = {"name": "softswitch-exporter", "namespace": "telephony", "duration": "30s"}


def _described(section: dict[str, object]) -> list[str]:
    return [*describe_high_availability(HighAvailability.model_validate(section))]


def test_a_lease() -> None:
    """The line names the Lease, and when another exporter takes over."""
    (line,) = _described({"lease": _LEASE})
    assert line == (
        "High availability: the Lease telephony/softswitch-exporter decides; another exporter takes over 30s "
        "after the last renewal, and polls all switches within a sweep."
    )


def test_without_a_lease() -> None:
    """The line says what the exporter does after its start."""
    end = "after its start; with --web.enable-lifecycle, POST requests change that."
    assert _described({}) == [f"High availability: the exporter polls {end}"]
    assert _described({"start": "standby"}) == [f"High availability: the exporter stands by {end}"]
