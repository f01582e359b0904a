"""What an operator sees first on the status page, in a real browser: every critical problem."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from playwright.sync_api import Browser, Page, expect

from tests.e2e.accelerated_exporter import start_accelerated_exporter
from tests.e2e.browser import opened, running_browser
from tests.e2e.full_configuration import UNREACHABLE_URL, configuration, queries, switch
from tests.e2e.programs import (
    Exporter,
    Simulator,
    get_json,
    running_programs,
    start_exporter,
    start_simulator,
    wait_until,
)

_DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
_SPEED = 60
"""A second stands for a minute of an alert."""

_PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}}

_VISIBLE = """() => [...document.querySelectorAll('[data-table="problems"] tbody tr')]
  .filter((row) => {
    const place = row.querySelector(".what").getBoundingClientRect();
    const severity = row.querySelector(".severity").getBoundingClientRect();
    return place.width > 0 && place.top >= 0 && place.left >= 0 && place.right <= innerWidth
      && place.bottom <= innerHeight && severity.height > 0 && severity.bottom <= innerHeight;
  })
  .map((row) => row.querySelector(".what").textContent)"""
"""The texts of the problems that are completely in the viewport."""

_LOST = re.compile(r"([\d,]+) tenants have no phones registered")

_SENTENCES = """() => [...document.querySelectorAll("#sentences li")]
  .filter((line) => line.getBoundingClientRect().bottom <= innerHeight).map((line) => line.textContent)"""


@pytest.fixture(scope="module")
def browser(require_program: Callable[[str, str], str]) -> Iterator[Browser]:
    """Start one browser for all tests."""
    with running_browser(require_program("chromium", "chromium")) as started:
        yield started


@contextlib.contextmanager
def _healthy(directory: Path, tenants: int) -> Iterator[tuple[Simulator, Exporter]]:
    """Start a switch with four nodes, and an exporter that has polled all of it and says so."""
    with running_programs(directory) as run:
        simulator = start_simulator(run, f"--tenants={tenants}", "--nodes=4", "--extensions=2")
        enabled = queries(tenants={"interval": "1s"}, peers={"tenant_interval": "off"})
        for query in ("channels", "calls", "limits"):
            enabled[query]["tenant_interval"] = "off"
        enabled["balance"] = {"tenant_interval": f"{max(1, tenants // 100)}s"}
        enabled["registrations"] = {"tenant_interval": "2s", "source": "peers"}
        settings = switch(
            "pbx-eu",
            simulator.url,
            max_requests_per_second=500,
            max_concurrency=16,
            thresholds={"registered_ratio": {"warning": "off", "critical": 0.1}},
            discover_tenants={"enabled": True},
            nodes=[f"pbx{number}" for number in range(1, 5)],
            tenant_defaults={"extensions": ["100", "101"]},
            queries=enabled,
        )
        healthy = {code: {"balance": 1000} for code in _codes(simulator)}
        simulator.change_world(freeze=True, license_days=200, tenants=healthy)
        text = configuration(settings)
        exporter = start_accelerated_exporter(run, directory / "config.yaml", text, _SPEED)
        # A pause of a busy machine makes values late for a moment.
        wait_until(
            lambda: _status(exporter)["state"] == "clear" and _polled(exporter) == tenants,
            90,
            lambda: f"all clear: {_status(exporter)['switches'][0]['sentence']}",
        )
        yield simulator, exporter


def _codes(simulator: Simulator) -> list[str]:
    return [code for code, tenant in simulator.truth()["tenants"].items() if not tenant["disabled"]]


def _status(exporter: Exporter) -> dict[str, Any]:
    return get_json(f"{exporter.base_url}/api/v1/status")


def _break(simulator: Simulator) -> list[str]:
    """Break the switch in several ways; return its tenants.

    The first one has no credit. The others, or 200 of them, lose their phones.
    """
    codes = _codes(simulator)
    broken: dict[str, dict[str, float]] = {code: {"dropped": 1.0} for code in codes[1:201]}
    broken[codes[0]] = {"balance": -12}
    simulator.change_world(nodes={"pbx2": False}, license_days=5, tenants=broken)
    return codes


def _violations(page: Page) -> str:
    results = Axe().run(page)
    return str(results.generate_report()) if results.violations_count else ""


@pytest.fixture(scope="module")
def broken(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Exporter, list[str]]]:
    """Start a switch with three tenants, whose page is clear, and break it; return its tenants, too."""
    with _healthy(tmp_path_factory.mktemp("broken"), 3) as (simulator, exporter):
        with opened(browser, exporter.base_url, **_DESKTOP) as page:
            expect(page.locator("#sentences li")).to_have_text("pbx-eu all clear")
            assert _violations(page) == ""
        yield exporter, _break(simulator)


def test_the_first_screen_names_every_critical_problem(
    browser: Browser, broken: tuple[Exporter, list[str]]
) -> None:
    """Every problem is in the viewport of a desktop and of a phone, in light and in dark."""
    for page in _screens(browser, *broken):
        assert _violations(page) == ""


def test_three_hundred_tenants(browser: Browser, tmp_path: Path) -> None:
    """Many problems of a kind are one, and its evidence is the tenants that it counts."""
    with _healthy(tmp_path, 300) as (simulator, exporter):
        codes = _break(simulator)
        for _ in _screens(browser, exporter, codes):
            pass
        with opened(browser, exporter.base_url, **_DESKTOP) as page:
            _assert_evidence(page, len(codes))


def _screens(browser: Browser, exporter: Exporter, codes: list[str]) -> Iterator[Page]:
    """Open the page in two sizes and colour schemes, and assert that it shows everything that is broken."""
    for settings in ({**_DESKTOP, "color_scheme": "light"}, {**_PHONE, "color_scheme": "dark"}):
        with opened(browser, exporter.base_url, **settings) as page:
            expect(page.locator("#time")).to_contain_text("Refreshes automatically")
            _wait_for_all(page, codes)
            assert page.evaluate(
                "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            )
            yield page


def _assert_evidence(page: Page, tenants: int) -> None:
    """Assert that the link of a problem leads to exactly the tenants that it counts."""
    expect(page.locator("#time")).to_contain_text("Refreshes automatically")
    row = page.locator('[data-table="problems"] tbody tr').filter(has_text=_LOST).first
    found = _LOST.search(row.inner_text())
    assert found
    row.get_by_role("link", name="Evidence").click()
    expect(page.locator("output")).to_have_text(f"{found[1]} of {tenants:,} tenants")
    expect(page.locator('[data-table="tenants"] tbody tr').first).to_be_in_viewport(ratio=1)


def _polled(exporter: Exporter) -> int:
    return int(_status(exporter)["switches"][0]["tenants"])


def _wait_for_all(page: Page, codes: list[str]) -> None:
    """Wait until the page, which refreshes itself, shows everything that ``_break`` broke."""
    wait_until(lambda: not _missing(page, codes), 60, lambda: _missing(page, codes))


def _missing(page: Page, codes: list[str]) -> str:
    """Return what the sentence, the title and the list in the viewport do not show."""
    visible = [text.partition(" (fires at ")[0] for text in page.evaluate(_VISIBLE)]
    sentence = " ".join(page.evaluate(_SENTENCES))
    # With the node, others may lose all their phones.
    lost = [found for text in visible if (found := _LOST.match(text))]
    problems = {"node pbx2 missing", "license expires in 5 d", f"{codes[0]} has low credit"}
    is_shown = {
        "the problems": problems <= {*visible},
        "the tenants without phones": [_number(found[1]) >= min(200, len(codes) - 1) for found in lost]
        == [True],
        "the sentence": "node pbx2 missing" in sentence and all(found[0] in sentence for found in lost),
        "the title": "critical" in page.title(),
        # The worst tenant is in the first row, although its code may be the last one.
        "the first tenant": "critical" in page.locator('[data-table="tenants"] tbody tr').first.inner_text(),
    }
    missing = [what for what, is_there in is_shown.items() if not is_there]
    return f"{missing}; shown: {visible}, {sentence}" if missing else ""


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def test_keyboard_only(browser: Browser, broken: tuple[Exporter, list[str]]) -> None:
    """Tab reaches every control in the order of the page and leaves it again; focus is always visible."""
    exporter, _ = broken
    with opened(browser, exporter.base_url, **_DESKTOP) as page:
        expect(page.locator("#time")).to_contain_text("Refreshes automatically")
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the problems")
        expect(skip).to_be_focused()
        assert skip.evaluate("(it) => it.getBoundingClientRect().top >= 0")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        reached = [_after_tab(page) for _ in range(60)]
        assert all(outline for _, outline in reached)
        order = [name for name, _ in reached]
        for name in ("Evidence", "text", "severity", "only-problems", "State", "ACME", "SUMMARY"):
            assert any(name in one for one in order), (name, order)
        assert order.index("text") < order.index("severity") < order.index("only-problems")
        assert "BODY" in order  # not trapped: after the last control, focus leaves the page
        page.locator("#text").focus()
        page.keyboard.type("acme")
        expect(page.locator('[data-table="tenants"] tbody tr')).to_have_count(1)
        page.locator('[data-table="tenants"] tbody a').press("Enter")
        expect(page.locator("h1")).to_contain_text("ACME")
        assert _violations(page) == ""
    for size, scheme in ((_PHONE, "dark"), (_DESKTOP, "light")):
        url = f"{exporter.base_url}/tenant?switch=pbx-eu&tenant=ACME"
        with opened(browser, url, java_script_enabled=True, **size, color_scheme=scheme) as page:
            assert _violations(page) == ""
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    with opened(browser, f"{exporter.base_url}/tenant?tenant=x", expect_clean_console=False) as page:
        assert _violations(page) == ""


def _after_tab(page: Page) -> tuple[str, bool]:
    """Press Tab; return the name of the focused element, and whether its focus is visible."""
    page.keyboard.press("Tab")
    found = page.evaluate(
        """() => {
          const it = document.activeElement;
          const style = getComputedStyle(it);
          const hasOutline = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
          const isShown = it === document.body || hasOutline;
          return [it.id || it.ariaLabel || (it.matches("a, button") ? it.textContent : it.tagName), isShown];
        }"""
    )
    return found[0], found[1]


def test_two_switches(browser: Browser, tmp_path: Path) -> None:
    """Each has its sentence; a silent one is never clear, and the list names the switch of each problem."""
    with running_programs(tmp_path) as run:
        simulator = start_simulator(run, "--tenants=2", "--nodes=1")
        one = switch("pbx-eu", simulator.url, tenants=[{"code": "ACME"}], nodes=["pbx1"])
        other = switch("pbx-us", UNREACHABLE_URL, tenants=[{"code": "ACME"}])
        text = configuration(one, other)
        exporter = start_exporter(run, tmp_path / "config.yaml", text)
        wait_until(lambda: _status(exporter)["state"] == "critical", 60, "the problem")
        with opened(browser, exporter.base_url, **_DESKTOP) as page:
            expect(page.locator("#time")).to_contain_text("Refreshes automatically")
            lines = page.locator("#sentences li")
            expect(lines.nth(1)).to_contain_text("API silent")
            expect(lines.nth(1)).to_contain_text("nodes and tenants unknown since the start")
            row = page.locator('[data-table="problems"] tbody tr').first
            expect(row).to_contain_text("pbx-us")
            page.locator("#switch").select_option("pbx-us")
            expect(page.locator('[data-table="tenants"] tbody tr')).to_have_count(1)
            assert page.url.endswith("?switch=pbx-us")
            assert _violations(page) == ""
