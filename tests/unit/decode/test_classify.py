import json

import pytest

from exporter.decode import Options, decode
from exporter.decode.classify import MOST_ENTRIES, classify
from exporter.model import Extensions, Failure, Reason, Tenants
from exporter.request import Operation

_REFUSAL = "Too bad... you mistaken the security api key."
_WARNING = "Warning: Undefined variable $n in /srv/www/proxyapi.php on line 12"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
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
    assert decode(Operation.EXTENSIONS, body) == Extensions(())
    outcome = classify(Operation.COUNT_CALLS, body)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.EMPTY


@pytest.mark.parametrize("operation", [Operation.COUNT_PEERS, Operation.REGISTRATION])
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
    outcome = decode(operation, body.encode())
    assert isinstance(outcome, Failure)
    assert "a PHP diagnostic" in outcome.detail


@pytest.mark.parametrize("body", [b"12\xff4", b"\xff", b"\xff\xfe1\x002\x00"])
@pytest.mark.parametrize("operation", [Operation.BALANCE, Operation.COUNT_PEERS])
def test_no_number_is_read_out_of_bytes_that_are_no_text(operation: Operation, body: bytes) -> None:
    """A bad byte inside a figure makes it none."""
    outcome = decode(operation, body)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.DECODE


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        *[
            ("ISO-8859-1", "Müller"),
            ("windows-1252", "Müller"),
            ("", "M\ufffdller"),
            ("utf-7", "M\ufffdller"),
        ],
        *[("iso-8859-99", "M\ufffdller"), ("UTF-8", "M\ufffdller"), ("unicode_escape", "M\ufffdller")],
    ],
)
def test_a_declared_charset(charset: str, name: str) -> None:
    """It is believed where the body is not UTF-8 and it has one byte a character."""
    for operation, body in (
        (Operation.TENANTS, [{"te_code": "A", "te_name": "Müller"}]),
        (Operation.LICENSE_DAYS, "Müller 12"),
    ):
        text = json.dumps(body, ensure_ascii=False)
        outcome = decode(operation, text.encode("latin-1"), Options(), charset)
        as_utf8 = decode(operation, text.encode(), Options(), charset)
        assert name in (outcome.rows[0].name if isinstance(outcome, Tenants) else repr(outcome))
        assert "Müller" in (as_utf8.rows[0].name if isinstance(as_utf8, Tenants) else repr(as_utf8))


def test_more_entries_than_any_installation_has_nodes() -> None:
    """Megabytes of pairs are not taken apart."""
    for text in ("a:1|" * (MOST_ENTRIES + 1), '{"a":1' + ',"b":1' * (MOST_ENTRIES + 1) + "}"):
        outcome = classify(Operation.COUNT_PEERS, text.encode())
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.TOO_LARGE


def test_no_name_is_expected_where_a_number_is() -> None:
    """A number is never taken out of JSON with a diagnostic in it."""
    assert isinstance(classify(Operation.LICENSE_DAYS, f'{{"x": "{_WARNING}"}}'.encode()), Failure)
