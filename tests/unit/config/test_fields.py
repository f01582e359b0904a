import string
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from exporter.config.fields import (
    checked_alertmanager_url,
    checked_proxy_url,
    checked_url,
    invisible_problem,
)


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
def test_valid_urls(url: str) -> None:
    """They are accepted unchanged."""
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
        "https://a,b/api",
        "https://pbx².example.com/api",
    ],
)
def test_invalid_urls(url: str) -> None:
    """They are rejected for a service and for a proxy."""
    for check in (checked_url, checked_proxy_url):
        with pytest.raises(ValueError, match="invalid URL"):
            check(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://<host>/api",
        "https://$HOST/api",
        "https://${HOST}/api",
        "https://{{ host }}/api",
        "https://pbx.example.com/<path>",
        "https://pbx.example.com/%PATH%",
        "https://CHANGEME/api",
        "https://your-pbx.example.com/api",
    ],
)
def test_placeholders_in_urls(url: str) -> None:
    """They are rejected for a service and for a proxy."""
    for check in (checked_url, checked_proxy_url):
        with pytest.raises(ValueError, match="placeholder"):
            check(url)


@pytest.mark.parametrize("tail", ["/a$b", "/%24HOME", "/your-pbx", "/%E4%F6", "/changeme"])
def test_urls_that_only_resemble_placeholders(tail: str) -> None:
    """A path may contain these."""
    assert checked_url(f"https://pbx-your.example.com{tail}")


@pytest.mark.parametrize("tail", ["?", "?key=x", "#", "#top", "?a#b"])
def test_url_with_query_or_fragment(tail: str) -> None:
    """It would be mixed with the parameters that the exporter adds."""
    with pytest.raises(ValueError, match=r"must not contain \? or #"):
        checked_url(f"https://pbx.example.com/api{tail}")


@pytest.mark.parametrize("user", ["u", "u:p", ":p", ""])
def test_only_a_proxy_url_may_have_a_password(user: str) -> None:
    """The URL of a service is displayed, that of a proxy is not."""
    url = f"http://{user}@proxy.example.com:3128"
    assert checked_proxy_url(url) == url
    with pytest.raises(ValueError, match=r"must not contain a user or password, .*; remove them$"):
        checked_url(url)
    with pytest.raises(
        ValueError, match=r"must not contain a user or password, .*; set them in `basic_auth`$"
    ):
        checked_alertmanager_url(url)


def test_alertmanager_url_with_query() -> None:
    """The error does not mention the parameters and the key of a switch."""
    with pytest.raises(ValueError, match=r"^must not contain \? or #; remove it and the text after it$"):
        checked_alertmanager_url("http://127.0.0.1:9093?x")


_PARTS = st.sampled_from(
    ["http", "https", ":", "/", "//", "@", "[", "]", "::1", "pbx", ".", "-", "%", "é", "80", "~"]
)


@given(st.lists(_PARTS, max_size=8).map("".join) | st.text().map("https://{}".format))
def test_client_connects_to_the_host_that_was_checked(url: str) -> None:
    """The HTTP client parses an accepted URL in the same way."""
    try:
        accepted = checked_url(url)
    except ValueError:
        return
    assert URL(accepted).raw_host
    assert (URL(accepted).host or "").rstrip(".") == (urlsplit(url).hostname or "").rstrip(".")


@given(st.text(string.printable[:95] + "äЖ漢é€"))
def test_visible_characters(text: str) -> None:
    """Letters of any script, digits, punctuation and spaces are accepted."""
    assert not invisible_problem(text)


@pytest.mark.parametrize(
    "letter",
    "\u200b\u200c\u200d\u2060\ufeff\u00a0\u202f\u3000\u00ad\u202a\u202e\u2066\u2069\u061c\u180e\t\x00\x7f\ufe0f\u3164\u2800",
)
def test_invisible_characters(letter: str) -> None:
    """The message has the code point and the position, but not the text."""
    problem = invisible_problem(f"xy{letter}xy")
    assert problem.startswith(f"contains the invisible character U+{ord(letter):04X} (")
    assert ") at position 3; " in problem
    assert "xy" not in problem
