import pytest
from pydantic import ValidationError

from exporter.config.high_availability import HighAvailability, LeaseConfiguration

_LEASE = {"name": "softswitch-exporter", "namespace": "telephony"}


@pytest.mark.parametrize(
    ("section", "starts_active"),
    [({}, True), ({"start": "active"}, True), ({"start": "standby"}, False), ({"lease": _LEASE}, False)],
)
def test_the_start(section: dict[str, object], starts_active: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """With a Lease, an exporter stands by until it holds it."""
    assert HighAvailability.model_validate(section).starts_active is starts_active


def test_the_default_duration() -> None:
    """It is that of client-go."""
    assert LeaseConfiguration.model_validate(_LEASE).duration == 15.0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"name": "Softswitch"},
            'expected a name of lower-case letters, digits, - and ., as in Kubernetes, got "',
        ),
        ({"name": "-a"}, "expected a name of lower-case letters"),
        ({"name": "a" * 254}, "expected a name of lower-case letters"),
        (
            {"namespace": "a.b"},
            'expected a namespace of at most 63 lower-case letters, digits and -, got "a.b"',
        ),
        ({"namespace": "a" * 64}, "expected a namespace of at most 63"),
        (
            {"duration": "4s"},
            'expected 5s or more, got "4s"; a shorter Lease expires when the API server is slow',
        ),
        ({"duration": "6m"}, 'expected 5m or less, got "6m"'),
        ({"duration": "5500ms"}, 'expected whole seconds, got "5500ms"'),
        ({"duration": "soon"}, "expected a duration such as 30s"),
    ],
)
def test_an_invalid_lease(change: dict[str, str], text: str) -> None:
    """The error says what is expected."""
    with pytest.raises(ValidationError) as found:
        LeaseConfiguration.model_validate({**_LEASE, **change})
    assert text in str(found.value)


def test_a_start_that_does_not_exist() -> None:
    """There are two."""
    with pytest.raises(ValidationError, match="'active' or 'standby'"):
        HighAvailability.model_validate({"start": "on"})
