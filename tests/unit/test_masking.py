import html
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from exporter.masking import MASK, Mask

# Keys as they are made in practice, and as awkward as they can be; never a part of the mask itself.
_KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*"), min_size=6, max_size=24)


def _mask(*secrets: str) -> Mask:
    mask = Mask()
    for secret in secrets:
        mask.add(secret)
    return mask


@given(_KEYS)
def test_a_key_is_masked_in_every_form(key: str) -> None:
    """As it is, in a query string, in HTML, in JSON and in a repr, nothing of a key is left."""
    forms = [
        key,
        quote(key),
        quote(key, safe=""),
        quote_plus(key),
        html.escape(key),
        json.dumps(key)[1:-1],
        repr(key)[1:-1],
    ]

    for form in forms:
        assert _mask(key)(f"<{form}>") == f"<{MASK}>"


@given(_KEYS)
def test_a_key_is_masked_in_a_url_as_the_client_builds_it(key: str) -> None:
    """The client's own way of writing a query string is among the forms."""
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
    """The switch is a PHP program (its URL says so), which escapes in its own way what it repeats."""
    assert _mask(key)(f"unknown key {echoed}.") == f"unknown key {MASK}."


def test_a_key_within_a_key_does_not_uncover_the_longer_one() -> None:
    """The longer secret goes first, whichever was told first."""
    for secrets in (("abcdef", "abcdefghi"), ("abcdefghi", "abcdef")):
        assert _mask(*secrets)("abcdefghi abcdef") == f"{MASK} {MASK}"


def test_an_old_key_stays_masked() -> None:
    """After a rotation the old key may still stand in an old answer."""
    assert _mask("old-key", "new-key")("old-key new-key") == f"{MASK} {MASK}"


def test_no_secret_changes_nothing() -> None:
    """Without a secret, and with an empty one, a text stays as it is."""
    assert _mask()("text") == "text"
    assert _mask("")("text") == "text"


def test_masks_are_independent() -> None:
    """There is no global list of secrets."""
    _mask("secret-1")

    assert _mask("secret-2")("secret-1") == "secret-1"


def test_thousands_of_keys_are_no_burden() -> None:
    """5,000 tenants with keys of their own neither hold up the start nor each line of the log."""
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
