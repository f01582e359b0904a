import string
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from exporter.config.fields import checked_proxy_url, checked_url, refuse_invisible


@pytest.mark.parametrize(
    "url",
    [
        "https://pbx.example.com/pbx/proxyapi.php",
        "http://pbx",
        "http://pbx_1:8080/api/",
        "https://192.0.2.1/api",
        "https://[2001:db8::1]:8443/api",
        "https://pbx.example.com/a%20b",
        "HTTPS://PBX.example.com/api",
    ],
)
def test_usable_urls(url: str) -> None:
    """What can be asked is accepted as it was written."""
    assert checked_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "pbx.example.com/api",
        "//pbx.example.com/api",
        "ftp://pbx.example.com/api",
        "https://",
        "https:///api",
        "https:pbx",
        "https://:443/api",
        "https://pbx.example.com:port/api",
        "https://pbx.example.com:99999/api",
        "https://pbx.example.com:0/api",
        "https://[2001:db8::1/api",
        "https://pbx example.com/api",
        "https://pbx.example.com/a b",
        "https://pbx.example.com\\api",
        "https://<host>/api",
        "https://a,b/api",
        "https://pbx².example.com/api",
    ],
)
def test_unusable_urls(url: str) -> None:
    """What cannot be asked is refused, for a service and for a proxy."""
    for check in (checked_url, checked_proxy_url):
        with pytest.raises(ValueError, match="is not a URL that can be used"):
            check(url)


@pytest.mark.parametrize("tail", ["?", "?key=x", "#", "#top", "?a#b"])
def test_no_query_and_no_fragment(tail: str) -> None:
    """The exporter adds the query itself: what stands there would mix with the key."""
    with pytest.raises(ValueError, match="has a query"):
        checked_url(f"https://pbx.example.com/api{tail}")


@pytest.mark.parametrize("user", ["u", "u:p", ":p", ""])
def test_only_a_proxy_may_have_a_password(user: str) -> None:
    """The URL of a switch is shown, so it holds no credentials; that of a proxy is not shown, so it may."""
    url = f"http://{user}@proxy.example.com:3128"
    assert checked_proxy_url(url) == url
    with pytest.raises(ValueError, match="has a user or password in it"):
        checked_url(url)


_PARTS = st.sampled_from(
    ["http", "https", ":", "/", "//", "@", "[", "]", "::1", "pbx", ".", "-", "%", "é", "80", "~"]
)


@given(st.lists(_PARTS, max_size=8).map("".join) | st.text().map("https://{}".format))
def test_what_is_accepted_is_understood_alike_by_the_client(url: str) -> None:
    """An accepted URL leads the HTTP client to the host that was checked, without an error."""
    try:
        accepted = checked_url(url)
    except ValueError:
        return
    assert URL(accepted).raw_host
    assert (URL(accepted).host or "").rstrip(".") == (urlsplit(url).hostname or "").rstrip(".")


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
