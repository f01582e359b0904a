import secrets
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.keys import _checked, _checked_key
from exporter.config.mistakes import refuse_invisible

PLACEHOLDERS = [
    "<your-key>",
    "<KEY>",
    "${PBX_KEY}",
    "$PBX_KEY",
    "$(cat key)",
    "{{ pbx_key }}",
    "{{pbx_key}}",
    "{{ .Values.key }}",
    "{% raw %}",
    "<%= key %>",
    "%PBX_KEY%",
    "[key]",
    "__PBX_KEY__",
    "@PBX_KEY@",
    "changeme",
    "CHANGE_ME",
    "change-me!",
    "ChangeThis",
    "replace me",
    "replace-me",
    "replace-with-your-key",
    "your-key",
    "YOUR_API_KEY",
    "your key here",
    "yourkey",
    "insert-key-here",
    "put_your_key_here",
    "enter your password",
    "todo",
    "TODO",
    "to-do",
    "TBD",
    "FIXME",
    "placeholder",
    "REDACTED",
    "xxx",
    "XXXXXXXX",
    "***",
    "...",
    "…",
    "---",
    "???",
]

QUOTED = ['"abc"', "'abc'", "`abc`", "\u201cabc\u201d", "\u00ababc\u00bb", '"abc', "abc'"]

WITH_A_NAME = ["key=abc", "key: abc", "PBX_KEY=abc", "export PBX_KEY=abc", "apikey:abc"]


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_placeholders_of_examples_and_templates(text: str) -> None:
    """No key, password or token is what an example or a template writes in its place."""
    for check in (_checked, _checked_key):
        with pytest.raises(ValueError, match="placeholder") as caught:
            check(f" {text}\n")
        assert text not in str(caught.value).removeprefix("is a placeholder")


@pytest.mark.parametrize("text", [*QUOTED, *WITH_A_NAME, "ab cd", "https://pbx/api?x=abc"])
def test_a_key_of_the_api_stands_alone(text: str) -> None:
    """Without quotes, spaces, or the name of a variable; the message does not repeat it."""
    with pytest.raises(ValueError, match="; write the key") as caught:
        _checked_key(text)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("text", ['"quoted"', "two words", "a=b:c", "pass'word"])
def test_a_password_may_have_what_a_key_has_not(text: str) -> None:
    """People choose passwords."""
    assert _checked(f"{text}\n") == text


@pytest.mark.parametrize(
    "text", ["k", "the-key", "demo-admin", "S3CRET", "Ключ", "abckeyabc==", "key=", "a-b_c.d~e+f/g", "your"]
)
def test_real_keys_pass(text: str) -> None:
    """What a switch may have for a key is not mistaken for a placeholder."""
    assert _checked_key(text) == text


def test_random_keys_pass() -> None:
    """No key that a generator makes is refused."""
    for _ in range(2000):
        for text in (secrets.token_hex(16), secrets.token_urlsafe(24), secrets.token_hex(4)):
            assert _checked_key(text) == text


@given(st.text(string.printable[:95] + "äЖ漢é€"))
def test_what_is_seen_passes(text: str) -> None:
    """Letters of any script, digits, punctuation and spaces are visible."""
    refuse_invisible(text)


@pytest.mark.parametrize(
    "letter",
    "\u200b\u200c\u200d\u2060\ufeff\u00a0\u202f\u3000\u00ad\u202a\u202e\u2066\u2069\u061c\u180e\t\x00\x7f\ufe0f\u3164\u2800",
)
def test_what_is_not_seen_is_named(letter: str) -> None:
    """The message has the code point and the position, and nothing else of the text."""
    with pytest.raises(ValueError, match=rf"U\+{ord(letter):04X} .*, in position 3;") as caught:
        refuse_invisible(f"xy{letter}xy")
    assert "xy" not in str(caught.value)
