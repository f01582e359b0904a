import base64
import html
import json
import quopri
import re
import string
import struct
import time
from collections.abc import Callable
from difflib import SequenceMatcher
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from exporter.masking import MASK, Mask

# Keys as the configuration accepts them, as awkward as they can be; never a part of the mask itself.
_LETTERS = st.characters(exclude_categories=["C", "Z"], exclude_characters="*")
_KEYS = st.tuples(_LETTERS, st.text(st.just(" ") | _LETTERS, min_size=4, max_size=24), _LETTERS).map("".join)


def _mask(*secrets: str) -> Mask:
    mask = Mask()
    for secret in secrets:
        mask.add(secret)
    return mask


@given(_KEYS)
def test_a_key_is_masked_in_a_url_as_the_client_builds_it(key: str) -> None:
    """The encoding that the client uses is masked."""
    url = URL("http://127.0.0.1/api").with_query({"reqtype": "COUNTPEERS", "key": key})

    assert _mask(key)(str(url)) == f"http://127.0.0.1/api?reqtype=COUNTPEERS&key={MASK}"


@pytest.mark.parametrize(
    ("key", "echoed"),
    [
        ("abc/def/ghi", r"abc\/def\/ghi"),
        ("it's-a-key", "it&#039;s-a-key"),
        ("schlüssel", r"schl\u00fcssel"),
        ("a/b+c", "a%2fb%2bc"),
    ],
    ids=["json_encode", "htmlspecialchars", "json_encode, not ASCII", "lower-case percent"],
)
def test_a_key_is_masked_as_php_echoes_it(key: str, echoed: str) -> None:
    """The switch is a PHP program, which has its own ways of escaping."""
    assert _mask(key)(f"unknown key {echoed}.") == f"unknown key {MASK}."


def test_a_key_within_a_key_does_not_uncover_the_longer_one() -> None:
    """The order in which the keys were added makes no difference."""
    for secrets in (("abcdef", "abcdefghi"), ("abcdefghi", "abcdef")):
        assert _mask(*secrets)("abcdefghi abcdef") == f"{MASK} {MASK}"


_CODES: dict[str, Callable[[str], str]] = {
    "percent": lambda text: quote(text, safe=""),
    "lower-case percent": lambda text: re.sub("%..", lambda code: code[0].lower(), quote(text, safe="")),
    "percent, every byte": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "plus": quote_plus,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, every letter": lambda text: "".join(
        f"\\u{unit:04x}"
        for unit in struct.unpack(f">{len(text.encode('utf-16-be')) // 2}H", text.encode("utf-16-be"))
    ),
    "repr": lambda text: repr(text)[1:-1],
    "HTML": html.escape,
    "HTML, decimal": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "HTML, hexadecimal": lambda text: "".join(f"&#x{ord(letter):X};" for letter in text),
    "quoted-printable": lambda text: quopri.encodestring(text.encode()).decode("latin-1"),
    "quoted-printable, every byte": lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    "upper case": str.upper,
    "lower case": str.lower,
    "other case": str.swapcase,
    "wrapped": lambda text: "\r\n".join(text[at : at + 5] for at in range(0, len(text), 5)),
    "wrapped and indented": lambda text: "\n   ".join(text[at : at + 3] for at in range(0, len(text), 3)),
    "wrapped in HTML": lambda text: "<br />\n".join(text[at : at + 4] for at in range(0, len(text), 4)),
}
_ASCII = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*"), min_size=9, max_size=40
)


def _shared(left: str, right: str) -> int:
    """Return the length of the longest run of characters that two texts share."""
    return SequenceMatcher(None, left, right, autojunk=False).find_longest_match().size


@given(_KEYS | _ASCII, st.sampled_from(sorted(_CODES)), st.integers(0, 60), st.integers(0, 60))
def test_no_run_of_eight_survives(key: str, code: str, first: int, second: int) -> None:
    """However it is written, and wherever it is cut off, at most seven characters of a key are shown.

    Each character is escaped on its own, so that what is left can be counted in characters of the key.
    """
    start, end = sorted((first % (len(key) + 1), second % (len(key) + 1)))
    written = _CODES[code](key[start:end])

    masked = _mask(key)(f"*{written}")  # no key contains an asterisk

    said = masked.removeprefix("*")
    assert _shared(key, said) < 8
    if end - start >= 12:
        assert MASK in said
        assert len(said) < len(written)


@example("4f7a91c30b8\\n", ["JSON", "HTML, decimal", "HTML"])
@example("\\04f7a91c3&\\", ["JSON", "HTML", "HTML, decimal"])
@example("5&%Ba\\x0A", ["HTML"])
@example("&ak&nniTs;", ["HTML", "JSON, every letter"])
@example("4f7a91c3-0b8e", ["JSON, every letter", "wrapped", "JSON"])
@given(
    _ASCII,
    st.lists(
        st.sampled_from(sorted(_CODES.keys() - {"wrapped in HTML", "quoted-printable", "plus"})),
        min_size=1,
        max_size=3,
    ),
)
def test_escapes_within_escapes(key: str, codes: list[str]) -> None:
    """A key that was escaped several times is masked as a whole, even if it looks like an escape itself."""
    written = key
    for code in codes:
        written = _CODES[code](written)

    masked = _mask(key)(f"({written})")

    assert MASK in masked
    assert len(masked) < 20, masked


@given(
    st.text(string.ascii_letters + string.digits, min_size=12, max_size=40),
    st.binary(max_size=20),
    st.binary(),
)
def test_base64(key: str, before: bytes, after: bytes) -> None:
    """Wherever in a group of three bytes a key begins, as in the header of basic authentication."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes):
        written = encode(before + key.encode() + after).decode()
        assert MASK in _mask(key)(f"Basic {written}")


@given(st.text(string.ascii_letters + " .,:/-", max_size=200))
def test_other_texts_are_unchanged(text: str) -> None:
    """A text that shares no run of eight characters with a key is not changed."""
    assert _mask("4f7a-91c3-0b8e-77d2", "x" * 40 + "1")(text) == text


def test_an_old_key_stays_masked() -> None:
    """A rotated key may still be in an old response."""
    assert _mask("old-key", "new-key")("old-key new-key") == f"{MASK} {MASK}"


def test_no_secret_changes_nothing() -> None:
    """Without a secret, or with an empty one, a text is unchanged."""
    assert _mask()("text") == "text"
    assert _mask("")("text") == "text"


def test_thousands_of_keys_are_fast() -> None:
    """5,000 keys delay neither the start nor log lines."""
    mask = Mask()
    keys = [f"tenant-key-{number:08x}/secret" for number in range(5000)]
    deadline = time.process_time() + 2
    added = 0
    for key in keys:
        mask.add(key)
        added += 1
        if time.process_time() > deadline:
            break
    assert added == len(keys)

    started = time.process_time()
    for _ in range(20):
        mask("no answer within 60 s, and some more text that has the length of a usual line of the log")
    assert time.process_time() - started < 20 * 0.001
