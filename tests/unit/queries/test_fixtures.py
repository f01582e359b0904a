import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.model import Failure, Reason, Registration
from exporter.patterns import Pattern
from exporter.queries.call_records import CallRecord
from exporter.request import Operation
from tests.reading import decode, endpoint_of

_ANSWERS = Path(__file__).parents[2] / "fixtures" / "answers"
_ABOUT_THEM = {"index.yaml", "README.md", ".gitattributes"}

_COUNTS = [Operation.COUNT_PEERS, Operation.COUNT_CHANNELS]
_NUMBERS = [Operation.COUNT_CALLS, Operation.LICENSE_DAYS, Operation.BALANCE]
_GROUPS = {
    "all": list(Operation),
    "values": [operation for operation in Operation if not endpoint_of(operation).rows],
    "counts": _COUNTS,
    "numbers": _NUMBERS,
    "lists": [operation for operation in Operation if endpoint_of(operation).rows],
}

Entry = Mapping[str, Any]

_INDEX: list[Entry] = yaml.safe_load((_ANSWERS / "index.yaml").read_text(encoding="utf-8"))


def _operations(entry: Entry) -> list[Operation]:
    named = entry["operations"]
    return _GROUPS[named] if isinstance(named, str) else [Operation[name] for name in named]


def _settings(entry: Entry) -> dict[str, object]:
    given = entry.get("options", {})
    fields = {name: tuple(names) for name, names in given.items() if name.endswith("_fields")}
    return {
        **fields,
        "pattern": Pattern(given["pattern"]) if "pattern" in given else None,
        "total_name": given.get("total_name"),
        "words": {Registration(state): tuple(words) for state, words in given.get("words", {}).items()},
    }


def _row(row: Any) -> Mapping[str, object]:
    if isinstance(row, CallRecord):
        row = row._replace(identity=None)._asdict()  # a hash that differs from run to run
    return {name: value for name, value in row.items() if value is not None or name == "disabled"}


_CASES = [
    pytest.param(entry, operation, id=f"{entry['file']}-{operation.name}")
    for entry in _INDEX
    for operation in _operations(entry)
]


@pytest.mark.parametrize(("entry", "operation"), _CASES)
def test_every_response_gives_the_outcome_of_the_index(entry: Entry, operation: Operation) -> None:
    """Each file is decoded to exactly the answer, or fails with exactly the reason, in the index."""
    body, charset = (_ANSWERS / entry["file"]).read_bytes(), entry.get("charset", "")
    outcome = decode(operation, body, _settings(entry), charset)
    if isinstance(outcome, Failure):
        assert outcome.reason.value == entry.get("failure"), outcome
        assert endpoint_of(operation).private or entry.get("detail", "") in outcome.detail
        return
    fields = dataclasses.asdict(outcome)
    if "rows" in fields:
        fields["rows"] = [_row(row) for row in fields["rows"]]
    if not fields.get("skipped"):
        fields.pop("skipped", None)
    elif more := fields["skipped"].pop("more"):
        fields["skipped"]["more"] = list(more)
    if uncounted := fields.pop("uncounted", None):
        fields["uncounted"] = sorted(uncounted)
    assert {"type": type(outcome).__name__, **fields} == entry.get("answer")


@pytest.mark.parametrize(
    "entry",
    [entry for entry in _INDEX if entry["file"].startswith("lists/")],
    ids=lambda entry: str(entry["file"]),
)
def test_no_outcome_of_a_list_shows_a_credential(entry: Entry) -> None:
    """No credential of a list is shown, even if it is decoded as another one."""
    body = (_ANSWERS / entry["file"]).read_bytes()
    for operation in _GROUPS["lists"]:
        assert "must-not-show" not in repr(decode(operation, body, _settings(entry))).casefold()


def test_details_of_lists_say_what_is_wrong() -> None:
    """The failure of a list names the wrong row or column, without quoting it."""
    entries = [entry for entry in _INDEX if entry["file"].startswith("lists/") and "detail" in entry]
    assert entries
    for entry in entries:
        for operation in _operations(entry):
            outcome = decode(operation, (_ANSWERS / entry["file"]).read_bytes(), _settings(entry))
            assert isinstance(outcome, Failure)
            assert entry["detail"] in outcome.detail, entry["file"]


def test_index_and_files_agree() -> None:
    """Every file is in the index exactly once, and every entry has its file."""
    files = {path.relative_to(_ANSWERS).as_posix() for path in _ANSWERS.rglob("*") if path.is_file()}
    assert sorted(entry["file"] for entry in _INDEX) == sorted(files - _ABOUT_THEM)


def test_index_is_well_formed() -> None:
    """Every entry has a description, a certainty and one outcome."""
    for entry in _INDEX:
        assert entry.keys() <= {
            *("file", "about", "certainty", "source", "form", "operations"),
            *("options", "charset", "answer", "failure", "detail"),
        }
        assert entry["certainty"] in {"seen", "documented", "inferred", "unknown", "fault"}, entry["file"]
        assert entry["form"] in {"plain", "json", "other"}, entry["file"]
        assert entry["about"], entry["file"]
        assert entry["source"], entry["file"]
        assert ("answer" in entry) is not ("failure" in entry), entry["file"]
        assert entry.get("failure", "decode") in {reason.value for reason in Reason}, entry["file"]


@pytest.mark.parametrize("form", ["plain", "json"])
@pytest.mark.parametrize("operation", Operation)
def test_every_operation_has_answers_in_both_forms(operation: Operation, form: str) -> None:
    """Every decoder has a plain and a JSON response that is not only a fault."""
    found = [
        entry
        for entry in _INDEX
        if operation in _operations(entry) and entry["form"] == form and entry["certainty"] != "fault"
    ]
    assert found
