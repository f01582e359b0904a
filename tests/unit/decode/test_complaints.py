import pytest

from exporter.decode.complaints import (
    ENVELOPE_NAMES,
    is_complaint,
    is_refusal,
    is_sentence,
    noise,
    speaks_of_trouble,
)

_REFUSAL = "Too bad... you mistaken the security api key."


@pytest.mark.parametrize(
    "text", [_REFUSAL, _REFUSAL.upper(), f"<b>{_REFUSAL}</b>", f"{_REFUSAL}|", _REFUSAL.replace(" ", "\r\n ")]
)
def test_the_refusal_is_known_in_any_dress(text: str) -> None:
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
    """Two words in letters, of any script and between tags, are a sentence."""
    assert is_sentence(text)


@pytest.mark.parametrize(
    "text", ["12 calls", "Error", "pbx one:12|pbx two", '"Wrong or miss', "a b", "ab\0 cd", "ab " * 500]
)
def test_no_sentences(text: str) -> None:
    """One word, cells, JSON that broke off, control characters and pages are no sentence."""
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
    """An object with an error, or of nothing but words about the request, is a complaint."""
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
    """An error that is none, and whatever may hold a value, is not a complaint."""
    assert not is_complaint(record)


@pytest.mark.parametrize("sign", [" Warning:", " <html"])
def test_noise_far_inside_is_not_searched_for(sign: str) -> None:
    """The search ends after 64 Ki characters, so that a large body does not hold up the event loop."""
    fits = 65_536 - len(sign)
    assert noise("x" * fits + sign, shown=True) is not None
    assert noise("x" * (fits + 1) + sign, shown=True) is None


def test_how_long_a_refusal_and_a_sentence_may_be() -> None:
    """4,096 characters with all that stands around it, and 1,000: a page and a list are neither."""
    refusal = f"\n{_REFUSAL}"
    assert is_refusal("x" * (4096 - len(refusal)) + refusal)
    assert is_refusal("x" * (4097 - len(refusal)) + refusal) is False
    assert is_sentence(f"so {'x' * 997}")
    assert is_sentence(f"so {'x' * 998}") is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Error 403", True), ('{"code": 403}', True), ("30 days left", False), ('{"days": 30}', False)],
)
def test_trouble(text: str, expected: bool) -> None:  # noqa: FBT001 -- the expectation of a case
    """A text that complains is told from one that wraps a number."""
    assert speaks_of_trouble(text) is expected
