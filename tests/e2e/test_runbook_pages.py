"""The runbooks in a real browser, of an exporter whose switch does not respond."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from playwright.sync_api import Browser, Page, expect

from tests.e2e.accelerated_exporter import start_accelerated_exporter
from tests.e2e.browser import opened, running_browser
from tests.e2e.full_configuration import switch
from tests.e2e.programs import Exporter, get_json, running_programs, wait_until

SPEED = 60
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def browser(require_program: Callable[[str, str], str]) -> Iterator[Browser]:
    """Run a browser."""
    with running_browser(require_program("chromium", "chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Run an exporter until the API of its switch is down."""
    directory: Path = tmp_path_factory.mktemp("runbooks")
    with running_programs(directory) as run:
        queries = {"peers": {"interval": "500ms"}, "balance": {"tenant_interval": "off"}}
        text = yaml.safe_dump({"switches": [switch("pbx", "http://127.0.0.1:9/api", queries=queries)]})
        started = start_accelerated_exporter(run, directory / "config.yaml", text, SPEED)
        wait_until(lambda: _fires(started, "SoftswitchApiDown"), 60, "SoftswitchApiDown")
        yield started


def _fires(exporter: Exporter, name: str) -> bool:
    alerts = get_json(f"{exporter.base_url}/api/v1/status")["alerts"]
    return any(alert["labels"]["alertname"] == name and alert["state"] == "firing" for alert in alerts)


def _is_wide(page: Page) -> bool:
    wide: bool = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return wide


@pytest.mark.parametrize("settings", [{}, PHONE, {"color_scheme": "dark"}], ids=["desktop", "phone", "dark"])
def test_from_the_index_to_what_fires(settings: dict[str, Any], browser: Browser, exporter: Exporter) -> None:
    """By keyboard alone; the first screen shows the problem, and nothing violates the security policy."""
    with opened(browser, f"{exporter.base_url}/runbooks/", **settings) as page:
        first = page.locator(".index li").first
        expect(first).to_contain_text("SoftswitchApiDown firing: 1 critical: ")
        expect(first).to_be_in_viewport()
        assert not _is_wide(page)
        first.get_by_role("link").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("SoftswitchApiDown")
        problem = page.locator("#now li")
        expect(problem).to_contain_text("firing, critical: switch pbx")
        expect(problem).to_be_in_viewport(ratio=1)
        assert not _is_wide(page)
        page.get_by_role("link", name="Fix").press("Enter")
        expect(page.get_by_role("heading", name="Fix")).to_be_in_viewport()


@pytest.mark.parametrize(
    ("scheme", "names"),
    [("light", ["", "SoftswitchApiDown", "NoSuchRunbook"]), ("dark", ["SoftswitchRequestsFailing"])],
)
def test_the_pages_are_accessible(
    scheme: Any, names: list[str], browser: Browser, exporter: Exporter
) -> None:
    """axe-core finds no violation on the index, on two runbooks, and on the page for an unknown name."""
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)
    page = context.new_page()
    for name in names:
        page.goto(f"{exporter.base_url}/runbooks/{name}")
        found = Axe().run(page).response["violations"]
        assert found == [], name
    context.close()


def test_every_page_fits_on_a_phone(browser: Browser, exporter: Exporter) -> None:
    """Tables and commands do not make a page wider than the screen."""
    with opened(browser, f"{exporter.base_url}/runbooks/", **PHONE) as page:
        names = page.locator(".index a").all_inner_texts()
        assert len(names) > 25
        for name in names:
            page.goto(f"{exporter.base_url}/runbooks/{name}")
            assert not _is_wide(page), name
