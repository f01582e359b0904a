import re
import sys
import unicodedata

import pytest

from exporter.web.responses import static_files
from exporter.web.visible import visible

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
