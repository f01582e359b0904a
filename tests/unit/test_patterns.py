import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.patterns import Pattern

_PIECES = [r"\d", r"\w", ".", "a", "b", "1", "[ab]", "[^a]", "(a|b)", "(?:a)", "x", "-", " ", "^", "$"]
_PATTERNS = st.lists(
    st.tuples(st.sampled_from(_PIECES), st.sampled_from(["", "?", "*", "+", "{2}", "{1,3}", "*?"])),
    max_size=6,
).map(lambda pieces: "".join(piece + (times if piece not in "^$" else "") for piece, times in pieces))
_TEXTS = st.text("ab1x- ", max_size=12)


@given(_PATTERNS, _TEXTS)
def test_same_matches_as_python(pattern: str, text: str) -> None:
    """RE2 and Python's engine agree on the syntax that both support."""
    ours, theirs = Pattern(pattern), re.compile(pattern)
    assert ours.groups == theirs.groups
    assert ours.matches_whole(text) == bool(theirs.fullmatch(text))
    assert bool(ours.first_two(text)) == bool(theirs.search(text))


@given(st.text(string.printable, max_size=20), st.text(max_size=50))
def test_any_pattern_and_any_text(pattern: str, text: str) -> None:
    """A pattern is rejected, or can search any text."""
    try:
        tried = Pattern(pattern)
    except ValueError:
        return
    assert len(tried.first_two(text)) <= 2
    tried.matches_whole(text)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a(?=b)", "look-ahead"),
        ("(?<!a)b", "look-behind"),
        (r"(a)\1", "back-references"),
        ("(?P<n>a)(?P=n)", "back-references"),
        ("(?>a)", "atomic groups"),
        ("a*+", "possessive quantifiers"),
        (r"a\Z", r"use \\z"),
        ("(", r"^missing \)$"),
        ("a{,3}", "use {0,n}"),
        ("(a{1000}){1000}", "invalid repetition size"),
        (r"(?:\w{0,500}){2}\d{0,900}", "use smaller numbers"),
        ("\ud800", "surrogate"),
    ],
)
def test_unsupported_patterns(pattern: str, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The error says why, and RE2 writes nothing to stderr."""
    with pytest.raises(ValueError, match=reason):
        Pattern(pattern)
    assert capfd.readouterr() == ("", "")


def test_character_classes() -> None:
    r"""``\d`` and ``\w`` match ASCII, ``\pN`` and ``\pL`` all of Unicode; a dot matches one character."""
    assert not Pattern(r"\d").matches_whole("\N{ARABIC-INDIC DIGIT ONE}")
    assert Pattern(r"\pN").matches_whole("\N{ARABIC-INDIC DIGIT ONE}")
    assert not Pattern(r"\w").matches_whole("ü")
    assert Pattern(r"\pL+.").matches_whole("Größe€")


def test_first_two_matches() -> None:
    """Callers only need to know whether there is more than one."""
    assert Pattern("(a)|b").first_two("xabab") == ["a", ""]
    assert Pattern("[ab]").first_two("xb") == ["b"]
    assert Pattern("c").first_two("xb") == []
