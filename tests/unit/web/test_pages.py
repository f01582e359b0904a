from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import __version__
from exporter.web.pages import landing_page


def _switch(**more: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "name": "pbx",
        "url": "https://pbx.example.com/api",
        "up": True,
        "tenants": 3,
        "queries": [{"targets_failing": 1}, {"targets_failing": 2}],
    }
    return usual | more


class _Reader(HTMLParser):
    """Collects tags and text, as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_what_is_on_it() -> None:
    """Version, links, and a row for each switch."""
    page = _Reader(landing_page({"switches": [_switch(), _switch(name="other", up=None)]}, "/metrics"))

    assert page.open == []
    assert page.links == ["/metrics", "/api/v1/status", "/-/healthy", "/-/ready"]
    assert f"Version {__version__}" in page.texts
    assert page.tags.count("tr") == 3
    assert "script" not in page.tags
    for text in ("pbx", "other", "https://pbx.example.com/api", "3", "answers", "not tried yet"):
        assert text in page.texts


@pytest.mark.parametrize(
    ("up", "words"), [(True, "answers"), (False, "does not answer"), (None, "not tried yet")]
)
def test_states(up: bool | None, words: str) -> None:  # noqa: FBT001 -- a table
    """Three states, and not tried is not down."""
    assert words in _Reader(landing_page({"switches": [_switch(up=up)]}, "/metrics")).texts


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_names_cannot_become_markup(text: str) -> None:
    """Whatever a switch is called, the page has the same tags, and says the name."""
    page = _Reader(landing_page({"switches": [_switch(name=text, url=text)]}, "/metrics"))

    assert page.tags == _Reader(landing_page({"switches": [_switch()]}, "/metrics")).tags
    assert page.texts.count(text) >= 2 or text in "".join(page.texts)


def test_a_path_cannot_become_markup() -> None:
    """The telemetry path is escaped within its attribute."""
    assert _Reader(landing_page({"switches": []}, '/m"><script>')).links[0] == '/m"><script>'
