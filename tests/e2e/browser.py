"""A real browser, headless, that asks nobody but the pages under test."""

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
    """Start a Chromium and end it."""
    expect.set_options(timeout=20_000)  # milliseconds: a busy machine is no defect
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser: Browser, url: str, *, complaints: bool = True, **settings: object) -> Iterator[Page]:
    """Open a page in a context of its own; nothing may be written to the console, unless complaints are due.

    What a content security policy forbids is written there as well.
    """
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})  # type: ignore[arg-type]  # playwright checks them
    said: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(url)
    yield page
    context.close()
    assert not complaints or said == []
