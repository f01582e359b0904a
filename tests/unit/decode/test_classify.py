import pytest

from exporter.decode.classify import classify
from exporter.model import Failure, Reason
from exporter.request import Operation

_REFUSAL = "Too bad... you mistaken the security api key."
_WARNING = "Warning: Undefined variable $n in /srv/www/proxyapi.php on line 12"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff", Reason.DECODE),
        (b"", Reason.EMPTY),
        (_REFUSAL.encode(), Reason.AUTH),
        (f"{_WARNING}\n{_REFUSAL}".encode(), Reason.AUTH),
        (f"<html><body>{_REFUSAL}</body></html>".encode(), Reason.AUTH),
        (f"{_WARNING}\n12".encode(), Reason.DECODE),
        (b"<!DOCTYPE html><p>12</p>", Reason.DECODE),
    ],
)
def test_the_first_reason_wins(body: bytes, reason: Reason) -> None:
    """A body for which several reasons could be given has the first one of the documented order."""
    outcome = classify(Operation.COUNT_CALLS, body)
    assert isinstance(outcome, Failure)
    assert outcome.reason is reason


@pytest.mark.parametrize("dressed", ["12", "\ufeff12", " 12\r\n", '"12"', '\ufeff\r\n" 12 "\n'])
def test_dress_is_taken_off(dressed: str) -> None:
    """A byte order mark, white space and the quotes of a JSON string are no part of the text."""
    assert classify(Operation.COUNT_CALLS, dressed.encode()) == "12"


@pytest.mark.parametrize("body", [b"]", b"[]", b"[ ]", b"{}"])
def test_an_empty_list_is_something(body: bytes) -> None:
    """An empty list is a list; where one value was due, it is nothing."""
    assert classify(Operation.EXTENSIONS, body) == body.decode()
    outcome = classify(Operation.COUNT_CALLS, body)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.EMPTY


@pytest.mark.parametrize("operation", [Operation.COUNT_PEERS, Operation.REGISTRATION, Operation.EXTENSIONS])
def test_names_in_json_may_be_any_text(operation: Operation) -> None:
    """What a name in JSON reads like is not what the switch says."""
    body = f'{{"{_REFUSAL} {_WARNING} <html>": 1}}'
    assert classify(operation, body.encode()) == body


def test_no_name_is_expected_where_a_number_is() -> None:
    """A number is never taken out of JSON with a diagnostic in it."""
    assert isinstance(classify(Operation.LICENSE_DAYS, f'{{"x": "{_WARNING}"}}'.encode()), Failure)
