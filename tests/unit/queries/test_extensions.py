from pathlib import Path

from exporter.model import Extensions, Failure, Query, Registration, Scope
from exporter.queries import QUERIES

_LISTS = Path(__file__).parents[2] / "fixtures" / "answers" / "lists"


def _read(query: Query, file: str, **settings: object) -> Extensions | Failure:
    spec = QUERIES[query]
    section = spec.section().model_copy(update=settings)
    outcome: Extensions | Failure = spec.endpoint(section, Scope.TENANT).decode(
        (_LISTS / file).read_bytes(), section
    )
    return outcome


def test_discovery_needs_no_states() -> None:
    """A list of numbers names the extensions; their states are unknown, and no row is skipped."""
    for file in (
        "extensions-by-id-no-state.json",
        "extensions-no-state.json",
        "extensions-no-state-column.txt",
    ):
        outcome = _read(Query.EXTENSIONS, file)
        assert isinstance(outcome, Extensions)
        assert outcome.rows
        assert {row.state for row in outcome.rows} == {Registration.UNKNOWN}
        assert outcome.skipped is None


def test_registrations_need_states() -> None:
    """A list without states is a failure, so that the operator chooses another source."""
    outcome = _read(Query.REGISTRATIONS, "extensions-by-id-no-state.json", source="extensions")
    assert isinstance(outcome, Failure)
    assert "no st_state" in outcome.detail
