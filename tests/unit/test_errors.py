import pytest

from exporter.errors import ConfigurationError, ExporterError, shortened, shown, shown_url


def test_only_the_first_problems_are_logged() -> None:
    """A hundred of thousands, and of a long line its start: masking them all would block the event loop."""
    error = ConfigurationError("config.yaml", [f"switches[{at}]: is empty" for at in range(3000)])
    *first, last = shortened(error).splitlines()
    assert first == str(error).splitlines()[:100]
    assert last == "and 2,900 more; run --config.check to see all"
    few = ConfigurationError("config.yaml", error.problems[:100])
    assert shortened(few) == str(few)
    assert len(shortened(ExporterError("x" * 100_000))) == 16_001


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("htp://pbx", '"htp://pbx"'),
        ("127.0.0.1:9093", '"127.0.0.1:9093"'),
        ("http:/pbx.example.com/pbx/proxyapi.php", '"http:/pbx.example.com/pbx/proxyapi.php"'),
        ("https://pbx.example.com:99999/api", '"https://pbx.example.com:99999/api"'),
        ("ftp://pbx/S3CRET-key-0123456789/api", '"ftp://pbx/…/api"'),
        (f"ftp://pbx/{'a' * 48}{'S3CRET' * 20}", '"ftp://pbx/…"'),
    ],
)
def test_an_invalid_url_is_shown(url: str, expected: str) -> None:
    """It has no user, password or query; what looks like a key in its path is masked."""
    assert shown_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "ftp://noc:secret@pbx",
        "ftp://noc@pbx",
        "http://noc:secret#@pbx",
        "http://noc:secret/pbx",
        "noc:secret:pbx.example.com",
        "ftp://pbx/api?key=secret",
        "ftp://pbx/api&key=secret",
        "ftp://pbx/api%3Fkey%3Dsecret",
        "ftp://pbx/api#secret",
    ],
)
def test_an_invalid_url_with_credentials_is_not_shown(url: str) -> None:
    """Not even if the credentials are mistyped."""
    assert shown_url(url) == "(not shown, because it may contain a password or a key)"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("word " * 11 + "Pa55word-of-a-trunk", '"' + "word " * 11 + '…"'),
        ("Pa55word-" * 10, '"…"'),
        ("word " * 20, '"' + "word " * 12 + '…"'),
    ],
)
def test_a_long_value_is_cut_before_a_possible_secret(value: str, expected: str) -> None:
    """The start of a secret does not look like one, so it would not be masked."""
    assert shown(value) == expected
