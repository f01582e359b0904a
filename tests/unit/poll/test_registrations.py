from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics import catalogue
from exporter.model import Registration
from exporter.poll.registrations import Registrations, registration_families


def _following(numbers: list[str]) -> Registrations:
    held = Registrations()
    held.set_parts(numbers)
    return held


def test_stale_state_is_unknown() -> None:
    """It counts as unknown, and its series is absent."""
    held = _following(["100", "101"])
    held.record("100", Registration.UNREGISTERED, 50)
    held.record("101", Registration.REGISTERED, 49)

    assert held.families(oldest=50) == {
        catalogue.TENANT_EXTENSIONS: {"registered": 0, "unregistered": 1, "unknown": 1},
        catalogue.EXTENSION_REGISTERED: {"100": 0},
    }


def test_all_states_are_counted() -> None:
    """The three states add up to the polled extensions, even before the first request."""
    assert _following(["100", "101"]).families(oldest=0) == {
        catalogue.TENANT_EXTENSIONS: {"registered": 0, "unregistered": 0, "unknown": 2},
        catalogue.EXTENSION_REGISTERED: {},
    }


@given(st.dictionaries(st.text(max_size=4), st.sampled_from(Registration)))
def test_counts_and_series_agree(states: dict[str, Registration]) -> None:
    """Each extension is in one count; it has a series, 1 or 0, unless it is unknown."""
    families = registration_families(states)

    counts = families[catalogue.TENANT_EXTENSIONS]
    series = families.get(catalogue.EXTENSION_REGISTERED, {})
    assert isinstance(counts, dict)
    assert isinstance(series, dict)
    assert counts.keys() == {"registered", "unregistered", "unknown"}
    assert sum(counts.values()) == len(states)
    assert sum(series.values()) == counts["registered"]
    assert len(series) == counts["registered"] + counts["unregistered"]
