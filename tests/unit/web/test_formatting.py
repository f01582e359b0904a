import re
import sys
import unicodedata

import pytest

from exporter.web import formatting
from exporter.web.formatting import visible
from exporter.web.responses import static_files

_EVERY = [chr(number) for number in range(sys.maxunicode + 1)]
_HIDDEN = [letter for letter in _EVERY if visible(letter) != letter]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u202eRTLexe.gpj\u2066x", r"\u202eRTLexe.gpj\u2066x"),
        ("\u200b", r"\u200b"),
        ("\U000e0041", r"\ue0041"),
        ("\ud800lone\x00", r"\ud800lone\u0000"),
        ("two\n\tlines\r\n", "two\n\tlines\r\n"),
        ("é😀 \N{MINUS SIGN}5 ❤️ שלום", "é😀 \N{MINUS SIGN}5 ❤️ שלום"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    """Invisible characters as escapes; line breaks, emoji and letters of any script as they are."""
    assert visible(text) == shown


def test_every_character_that_rearranges_text_or_has_no_width_is_replaced() -> None:
    """Controls, bidirectional formatting and format characters, except those that Arabic and others print."""
    controls = {letter for letter in _EVERY if unicodedata.category(letter) == "Cc"} - {*"\t\n\r"}
    directions = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "BN"}
    turning = {
        letter
        for letter in _EVERY
        if unicodedata.bidirectional(letter) in directions and unicodedata.category(letter) != "Cn"
    }
    printed = {letter for letter in _EVERY if "\U0001bca0" <= letter <= "\U0001d17a"}
    assert controls | turning - printed <= {*_HIDDEN}
    assert {"\u200b", "\u200d", "\u200e", "\ufeff", "\u3164"} <= {*_HIDDEN}


def test_the_script_replaces_the_same_characters() -> None:
    """Its regular expression matches exactly those."""
    script = static_files()["/-/static/visible.js"][0].decode()
    found = re.search(r"INVISIBLE = /(\[.+\])/gu;", script)
    assert found is not None
    pattern = re.sub(r"\\u\{(\w+)\}", lambda code: f"\\U{code[1]:0>8}", found[1])
    assert [letter for letter in _EVERY if re.match(pattern, letter)] == _HIDDEN


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "\N{EN DASH}"),
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (172_800, "2 d"),
        (-0.4, "0 s"),
        (-3 * 86_400, "\N{MINUS SIGN}3 d"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    """They have the largest unit of which there are at least two."""
    assert formatting.duration(seconds) == text


def test_numbers() -> None:
    """They have separators, a minus sign, and a dash if they are unknown."""
    assert formatting.count(1234.0) == "1,234"
    assert formatting.money(-1234.5) == "\N{MINUS SIGN}1,234.50"
    assert formatting.percent(0.45678) == "45.7 %"
    assert (formatting.targets(1), formatting.targets(2)) == ("1 target", "2 targets")
    assert {form(None) for form in (formatting.count, formatting.money, formatting.percent)} == {
        "\N{EN DASH}"
    }


@pytest.mark.parametrize(
    ("days", "text"),
    [(None, "\N{EN DASH}"), (5, "5 d"), (1, "1 d"), (0.9, "expires today"), (0, "expires today"),
     (-1, "expired 1 d ago")],
)  # fmt: skip
def test_licenses(days: float | None, text: str) -> None:
    """They count whole days."""
    assert formatting.license_left(None if days is None else days * 86_400) == text
