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


@pytest.mark.parametrize("body", [b"null", b" [ \r\n ] | ", b"[" + b" " * 100_000 + b"]", b"{  }|", b"|\r\n"])
def test_nothing_in_any_dress(body: bytes) -> None:
    """However much white space there is, no value came."""
    outcome = classify(Operation.COUNT_PEERS, body)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.EMPTY


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (Operation.COUNT_PEERS, "PHP Notice: Undefined index in /srv/www/proxyapi.php:12|pbx1:3|"),
        (Operation.TENANTS, f"te_code\nACME|\n{_WARNING}|"),
    ],
)
def test_no_diagnostic_becomes_a_name(operation: Operation, body: str) -> None:
    """Where it would pass for a node with its count, or for a tenant, it is still seen."""
    outcome = classify(operation, body.encode())
    assert isinstance(outcome, Failure)
    assert "a PHP diagnostic" in outcome.detail


def test_where_the_bytes_go_wrong() -> None:
    """Bytes are counted from 1, as an editor does."""
    outcome = classify(Operation.BALANCE, b"12\xff4")
    assert isinstance(outcome, Failure)
    assert "byte 3 of 4 is not UTF-8" in outcome.detail


def test_no_name_is_expected_where_a_number_is() -> None:
    """A number is never taken out of JSON with a diagnostic in it."""
    assert isinstance(classify(Operation.LICENSE_DAYS, f'{{"x": "{_WARNING}"}}'.encode()), Failure)
