"""A real headless browser that requests only the pages under test."""

import contextlib
from collections.abc import Iterator

from playwright.sync_api import Browser, Page, expect, sync_playwright

_FLAGS = (
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)


@contextlib.contextmanager
def running_browser(executable: str) -> Iterator[Browser]:
    """Run Chromium."""
    expect.set_options(timeout=20_000)  # milliseconds, for a busy machine
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(
    browser: Browser, url: str, *, expect_clean_console: bool = True, **settings: object
) -> Iterator[Page]:
    """Open a page in its own context, and by default expect that nothing is written to the console.

    Violations of the content security policy are written there too.
    """
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})  # type: ignore[arg-type]  # playwright checks them
    console: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: console.append(message.text))
    page.on("pageerror", lambda error: console.append(str(error)))
    page.goto(url)
    yield page
    context.close()
    assert not expect_clean_console or console == []
