import json

import pytest

from exporter.decode.classify import (
    ENVELOPE_NAMES,
    MOST_ENTRIES,
    classify,
    classify_list,
    is_complaint,
    is_refusal,
    is_sentence,
    mentions_error,
    noise,
)
from exporter.decode.text import WINDOW, Windows
from exporter.model import Extensions, Failure, Reason, Tenants
from exporter.patterns import Pattern
from exporter.request import Operation
from tests.reading import decode

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
    """A body with several problems gets the first reason of the documented order."""
    outcome = classify(body, may_quote=True)
    assert isinstance(outcome, Failure)
    assert outcome.reason is reason


@pytest.mark.parametrize("dressed", ["12", "\ufeff12", " 12\r\n", '"12"', '\ufeff\r\n" 12 "\n'])
def test_wrapping_is_removed(dressed: str) -> None:
    """A byte order mark, white space and the quotes of a JSON string are removed."""
    assert classify(dressed.encode(), may_quote=True) == "12"


@pytest.mark.parametrize("body", [b"]", b"[]", b"[ ]", b"{}"])
def test_an_empty_list_is_a_value(body: bytes) -> None:
    """An empty list is a list, but nothing where one value is expected."""
    assert decode(Operation.EXTENSIONS, body) == Extensions(())
    outcome = classify(body, may_quote=True)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.EMPTY


@pytest.mark.parametrize("before", [b"", b"\r\n" * WINDOW], ids=["at once", "after blank lines"])
def test_a_large_list_is_read_whole(before: bytes) -> None:
    """Only the first window is searched for errors, but all of a list is read, whatever it starts with."""
    rows = [f'"T{number:06}"|Customer' for number in range(20_000)]
    body = before + "\n".join(rows).encode()
    assert len(body) > WINDOW

    windows = classify_list(body)

    assert isinstance(windows, Windows)
    assert list(filter(str.strip, iter(windows.line, None))) == rows


def test_names_in_json_may_be_any_text() -> None:
    """A name in JSON may look like the refusal or a web page."""
    body = f'{{"{_REFUSAL} {_WARNING} <html>": 1}}'
    assert classify(body.encode(), may_quote=True) == body


@pytest.mark.parametrize("body", [b"null", b" [ \r\n ] | ", b"[" + b" " * 100_000 + b"]", b"{  }|", b"|\r\n"])
def test_a_body_without_content_is_empty(body: bytes) -> None:
    """White space, null and empty brackets are not a value."""
    outcome = classify(body, may_quote=True)
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
    """A PHP diagnostic is detected even where it would pass for a node or a tenant."""
    outcome = decode(operation, body.encode())
    assert isinstance(outcome, Failure)
    assert "a PHP diagnostic" in outcome.detail


@pytest.mark.parametrize("body", [b"12\xff4", b"\xff", b"\xff\xfe1\x002\x00"])
@pytest.mark.parametrize("operation", [Operation.BALANCE, Operation.COUNT_PEERS])
def test_undecodable_bytes_make_a_number_unreadable(operation: Operation, body: bytes) -> None:
    """An undecodable byte in a number makes it unreadable."""
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
    """It is used if the body is not UTF-8 and the charset has one byte per character."""
    for operation, body in (
        (Operation.TENANTS, [{"te_code": "A", "te_name": "Müller"}]),
        (Operation.LICENSE_DAYS, "Müller 12"),
    ):
        text = json.dumps(body, ensure_ascii=False)
        outcome = decode(operation, text.encode("latin-1"), charset=charset)
        as_utf8 = decode(operation, text.encode(), charset=charset)
        assert name in (outcome.rows[0].name if isinstance(outcome, Tenants) else repr(outcome))
        assert "Müller" in (as_utf8.rows[0].name if isinstance(as_utf8, Tenants) else repr(as_utf8))


def test_too_many_entries() -> None:
    """Megabytes of pairs are rejected before they are parsed."""
    for text in ("a:1|" * (MOST_ENTRIES + 1), '{"a":1' + ',"b":1' * (MOST_ENTRIES + 1) + "}"):
        outcome = classify(text.encode(), may_quote=True)
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.TOO_LARGE
    most = "a:1|" * MOST_ENTRIES
    assert classify(most.encode(), may_quote=True) == most


def test_no_number_is_taken_from_json_with_a_diagnostic() -> None:
    """The line number of a PHP diagnostic is not a value."""
    text = f'{{"x": "{_WARNING}"}}'
    outcome = decode(Operation.LICENSE_DAYS, text.encode(), {"pattern": Pattern(r"line (\d+)")})
    assert isinstance(outcome, Failure)


def test_a_diagnostic_in_a_private_response_is_not_quoted() -> None:
    """PHP repeats its input."""
    outcome = classify(f"{_WARNING}: MUST-NOT-SHOW".encode(), may_quote=False)
    assert isinstance(outcome, Failure)
    assert "proxyapi" not in outcome.detail


@pytest.mark.parametrize(
    "text", [_REFUSAL, _REFUSAL.upper(), f"<b>{_REFUSAL}</b>", f"{_REFUSAL}|", _REFUSAL.replace(" ", "\r\n ")]
)
def test_the_refusal_is_recognized(text: str) -> None:
    """Case, spacing, tags and a pipe do not hide the refusal."""
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [f"{_REFUSAL} Retry.", "Too bad", f"100|{_REFUSAL}|SIP", f'["{_REFUSAL}"]', "x" * 5000 + "\n" + _REFUSAL],
)
def test_nothing_else_is_the_refusal(text: str) -> None:
    """Another sentence, a cell of a table, and JSON that quotes it are not the refusal."""
    assert not is_refusal(text)


@pytest.mark.parametrize(
    "text", ["No id specified", "<b>Wrong tenant</b>", "Tenant desconhecido: ACME", "Нет доступа"]
)
def test_sentences(text: str) -> None:
    """Two words of letters, in any script and between tags, are a sentence."""
    assert is_sentence(text)


@pytest.mark.parametrize(
    "text", ["12 calls", "Error", "pbx one:12|pbx two", '"Wrong or miss', "a b", "ab\0 cd", "ab " * 500]
)
def test_no_sentences(text: str) -> None:
    """One word, cells, truncated JSON, control characters and long pages are not a sentence."""
    assert not is_sentence(text)


@pytest.mark.parametrize(
    "record",
    [
        {"error": 403},
        {"Error": "x", "pbx1": 3},
        {"status": "error"},
        {"code": 403},
        dict.fromkeys(ENVELOPE_NAMES),
        {"success": False, "message": "no"},
        {"result": "error", "reason": "no"},
    ],
)
def test_complaints(record: dict[str, object]) -> None:
    """An object with an error, or only with words about the request, is an error message."""
    assert is_complaint(record)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"error": None, "pbx1": 3},
        {"status": "ok", "result": "30"},
        {"result": {"pbx1": 3}},
        {"pbx1": 3, "code": 1},
    ],
)
def test_no_complaints(record: dict[str, object]) -> None:
    """An object that may contain a value is not an error message."""
    assert not is_complaint(record)


@pytest.mark.parametrize("sign", [" Warning:", " <html"])
def test_the_search_for_noise_is_bounded(sign: str) -> None:
    """It stops after 64 Ki characters, so that a large body does not block the event loop."""
    fits = 65_536 - len(sign)
    assert noise("x" * fits + sign, may_quote=True) is not None
    assert noise("x" * (fits + 1) + sign, may_quote=True) is None


def test_how_long_a_refusal_and_a_sentence_may_be() -> None:
    """A refusal has at most 4,096 characters, a sentence 1,000."""
    refusal = f"\n{_REFUSAL}"
    assert is_refusal("x" * (4096 - len(refusal)) + refusal)
    assert is_refusal("x" * (4097 - len(refusal)) + refusal) is False
    assert is_sentence(f"so {'x' * 997}")
    assert is_sentence(f"so {'x' * 998}") is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Error 403", True), ('{"code": 403}', True), ("30 days left", False), ('{"days": 30}', False)],
)
def test_mentions_error(text: str, expected: bool) -> None:  # noqa: FBT001 -- the expectation of a case
    """A text that reports an error is distinguished from one that wraps a number."""
    assert mentions_error(text) is expected
