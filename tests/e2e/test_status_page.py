"""The status page in a real browser, served by a real exporter that polls a simulated switch."""

import contextlib
import json
import re
import signal
from collections.abc import Callable, Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, expect

from tests.e2e.accelerated_exporter import start_accelerated_exporter
from tests.e2e.browser import opened, running_browser
from tests.e2e.full_configuration import TENANT_QUERIES, UNREACHABLE_URL, configuration, queries, switch
from tests.e2e.programs import (
    EXPORTER,
    Exporter,
    Simulator,
    free_port,
    get_json,
    running_programs,
    send,
    start_exporter,
    start_simulator,
    wait_until,
)

SCRIPT = "<script>alert(1)</script>"
QUOTES = """O'Neill & "Sons" <b>"""
LONG = "x" * 255
TURNED = "\u202eexe.gpj\u2066"
SEEN = r"\u202eexe.gpj\u2066"
RESPONSE = "<img src=x onerror=alert(1)> cannot do that, says the switch"

ALERTING = {"alertmanagers": [{"url": f"http://127.0.0.1:{free_port()}"}], "dry_run": True}
ALERTING_SPEED = 600
"""0.1 s stand for a minute of an alert."""

EXPECTED_ALERTS = {"SoftswitchNodeMissing", "SoftswitchBalanceLow", "SoftswitchDataStale"}


@pytest.fixture(scope="module")
def browser(require_program: Callable[[str, str], str]) -> Iterator[Browser]:
    """Start one browser for all tests, which open pages in their own contexts."""
    with running_browser(require_program("chromium", "chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, Exporter]]:
    """Start a frozen switch with hostile names, and an exporter that polls all of it."""
    directory = tmp_path_factory.mktemp("status-page")
    with running_programs(directory) as run:
        simulator = start_simulator(run, "--tenants=12", "--nodes=2", "--extensions=3")
        balances = dict.fromkeys(_codes(simulator), 1000.0) | {"BOREAL": -500.0, "CINDER": 20.5}
        tenants = {code: {"balance": balance} for code, balance in balances.items()}
        simulator.change_world(freeze=True, tenants=tenants)
        names = {"ACME": QUOTES, "BOREAL": LONG, "CINDER": SCRIPT, "DELTA9": TURNED}
        rows = [{"te_code": code, "te_name": names.get(code, code.title())} for code in _codes(simulator)]
        simulator.inject_fault(kind="body", reqtype="MANAGEDB", text=json.dumps(rows))
        nodes = {"pbx1": 3, "pbx2": 2, SCRIPT: 4}
        simulator.inject_fault(kind="body", reqtype="COUNTPEERS", text=json.dumps(nodes))
        simulator.inject_fault(kind="sentence", info="config", tenant="CINDER", text=RESPONSE)
        settings = switch(
            "pbx-<i>eu</i>",
            simulator.url,
            discover_tenants={"enabled": True},
            nodes=["pbx1", "gone"],
            tenant_defaults={"extensions": ["100", "101"]},
            queries=queries(tenants={"interval": "1s"}, peers={"tenant_interval": "off"}),
        )
        text = configuration(settings, alerting=ALERTING)
        exporter = start_accelerated_exporter(run, directory / "config.yaml", text, ALERTING_SPEED)
        wait_until(lambda: _is_settled(exporter), 30, "every query of every tenant to be tried")
        wait_until(lambda: _has_alerts(exporter), 30, "the expected alerts to fire")
        yield simulator, exporter


def _codes(simulator: Simulator) -> list[str]:
    return [code for code, tenant in simulator.truth()["tenants"].items() if not tenant["disabled"]]


def _is_settled(exporter: Exporter) -> bool:
    (state,) = get_json(f"{exporter.base_url}/api/v1/status")["switches"]
    queries = [query for query in state["queries"] if query["scope"] == "tenant"]
    return bool(state["tenants"]) and all(query["targets_tried"] == state["tenants"] for query in queries)


def _has_alerts(exporter: Exporter) -> bool:
    state = get_json(f"{exporter.base_url}/api/v1/status")
    names = {alert["labels"]["alertname"] for alert in state["alerts"]}
    return names > EXPECTED_ALERTS and state["alerting"]["pending"] == 0


def _table(page: Page, kind: str) -> Locator:
    return page.locator(f'[data-table="{kind}"]')


def _column(page: Page, kind: str, column: int) -> list[str]:
    return _table(page, kind).locator(f"tbody tr > :nth-child({column})").all_text_contents()


def _wait_for_script(page: Page) -> None:
    """Wait until the script has shown the status that it fetched."""
    expect(page.locator("#time")).to_contain_text("Refreshes automatically")


def _refresh(page: Page) -> bool:
    """Make the page fetch at once, as if it became visible again; return whether it succeeded."""
    with page.expect_response("**/api/v1/status") as response:
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    return response.value.ok


_AGE = re.compile(r"\d+ (?:s|min)\b(?: ago)?|fresh|late")


def _texts(page: Page) -> list[str]:
    """Return the text of every sentence, fact and cell, with N for ages, which change."""
    facts = '[data-fact]:not([data-fact="flight"])'  # the number of requests in flight changes
    told = "#headline, #sentences li, #delivery, #earlier, #nodes-gap, #trunks-gap"
    texts = page.locator(f"title, {told}, {facts}, [data-table] th, [data-table] td").all_text_contents()
    return ["".join(_AGE.sub("N", text).split()) for text in texts]


def test_the_script_shows_what_the_server_shows(
    browser: Browser, programs: tuple[Simulator, Exporter]
) -> None:
    """Without JavaScript the page has the same texts, except for requests in flight."""
    _, exporter = programs
    without: list[str] = []
    within: list[str] = []

    def are_equal() -> bool:
        nonlocal without, within
        wait_until(lambda: _has_alerts(exporter), 30, "the expected alerts to fire")
        with opened(browser, exporter.base_url, java_script_enabled=False) as page:
            expect(page.locator("#time")).to_contain_text("Reload the page")
            expect(page.locator(".plain")).to_contain_text("At most 12 of 12 tenants, worst first")
            without = _texts(page)
        with opened(browser, exporter.base_url) as page:
            _wait_for_script(page)
            within = _texts(page)
        return within == without

    # While the browser starts on a busy machine, the exporter may pause for longer than the accelerated
    # alerts last, and they are pending again on one of the two pages.
    wait_until(are_equal, 60, lambda: f"the same texts: {[*unified_diff(without, within, n=0)]}")
    assert len(without) > 200


def test_problems(browser: Browser, programs: tuple[Simulator, Exporter]) -> None:
    """They are at the top, and in sentence and title; one that begins and ends appears and disappears."""
    simulator, exporter = programs
    with opened(browser, exporter.base_url) as page:
        _wait_for_script(page)
        expect(page.locator("#delivery")).to_have_text("Dry run: alerts are shown here but not sent.")
        rows = _table(page, "problems").locator("tbody tr")
        cells = rows.filter(has_text="node gone missing").locator("th, td")
        wait_until(lambda: _refresh(page) and cells.first.text_content() == "critical", 60, "it to fire")
        assert cells.nth(1).text_content() == "node gone missing"
        expect(page.locator("#sentences li")).to_contain_text("node gone missing for")
        headline = r"\d critical, \d warnings?( \(\d+ alerts(, \d+ covered)?\))?"
        expect(page).to_have_title(re.compile(f"^{headline} · softswitch-exporter$"))
        assert page.locator("link[rel=icon]").get_attribute("href") == "./-/static/icon-critical.svg"
        credit = rows.filter(has_text="with low credit: ").filter(has_text="ACME")
        simulator.change_world(tenants={"ACME": {"balance": 40}})
        wait_until(lambda: _refresh(page) and credit.count() >= 1, 60, "the problem to appear")
        simulator.change_world(tenants={"ACME": {"balance": 1000}})
        wait_until(lambda: _refresh(page) and credit.count() == 0, 60, "the problem to disappear")


def test_evidence(browser: Browser, programs: tuple[Simulator, Exporter]) -> None:
    """The links of a problem lead to what shows it: a tenant, or unfolded polling."""
    _, exporter = programs
    with opened(browser, exporter.base_url) as page:
        _wait_for_script(page)
        rows = _table(page, "problems").locator("tbody tr")
        wait_until(lambda: _refresh(page) and rows.filter(has_text="BOREAL has low credit").count() >= 1, 15,
                   "the balance of BOREAL to be a problem")  # fmt: skip
        rows.filter(has_text="BOREAL has low credit").first.get_by_role("link", name="Evidence").click()
        expect(page.locator("h1")).to_contain_text("BOREAL")
        expect(page.locator('[data-fact="credit"]')).to_have_text("critical \N{MINUS SIGN}500.00")
        expect(_table(page, "problems")).to_contain_text("\N{MINUS SIGN}500.00, threshold 10.00")
        page.go_back()
        _wait_for_script(page)
        runbook = rows.filter(has_text="node gone missing").get_by_role("link", name="Runbook")
        assert (runbook.get_attribute("href") or "").startswith("./runbooks/SoftswitchNodeMissing?")
        page.locator("#polling-1 > summary").click()
        expect(page.locator("#polling-1")).not_to_have_attribute("open", "")
        rows.filter(has_text="limits values stale").first.get_by_role("link", name="Evidence").click()
        expect(page.locator("#polling-1")).to_have_attribute("open", "")
        assert page.locator("#polling-1").evaluate("(it) => it.getBoundingClientRect().top < innerHeight")


def test_reloads_and_a_restart(browser: Browser, tmp_path: Path) -> None:
    """An open page says when alerts are not sent, and while the exporter is stopped; the last values stay."""
    file = tmp_path / "config.yaml"
    off = switch("pbx", UNREACHABLE_URL)
    with running_programs(tmp_path) as run:
        exporter = start_exporter(run, file, configuration(off))
        with opened(browser, exporter.base_url, expect_clean_console=False) as page:
            for loads, sections in enumerate(({}, {"alerting": ALERTING}, {})):
                if loads:
                    file.write_text(configuration(off, **sections))
                    exporter.program.process.send_signal(signal.SIGHUP)
                    exporter.program.wait_for(f"(?s)(configuration loaded.*){{{loads}}}")
                    _refresh_soon(page)
                _wait_for_script(page)
                reason = "Dry run" if sections else "the configuration has no section alerting"
                expect(page.locator("#delivery")).to_contain_text(reason)
                expect(page.locator("#sentences li")).to_contain_text(
                    "nodes and tenants unknown since the start"
                )
                wait_until(lambda: _watchdogs(exporter) == 1, 60, "the watchdog to be counted")
            warning = page.get_by_role("alert")
            expect(warning).to_be_hidden()
            exporter.program.stop()
            _refresh_soon(page)
            expect(warning).to_contain_text("No response from the exporter since")
            text = warning.inner_text()
            assert re.search(r"since \d\d:\d\d:\d\d \S+\. The values below are from that time\.$", text)
            expect(page.locator("#sentences li")).to_contain_text("API silent")
            address = exporter.base_url.removeprefix("http://")
            program = run(*EXPORTER, f"--config.file={file}", f"--web.listen-address={address}")
            program.wait_for("msg=listening")
            wait_until(lambda: _refresh(page) and warning.is_hidden(), 60, "the warning to disappear")


def _refresh_soon(page: Page) -> None:
    """Make the page fetch at once, unless it is doing so already."""
    with contextlib.suppress(Error):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def _watchdogs(exporter: Exporter) -> float | None:
    return exporter.value("softswitch_alerting_alerts", alertname="SoftswitchWatchdog", state="firing")


def test_every_query_node_and_tenant_has_a_row(
    browser: Browser, programs: tuple[Simulator, Exporter]
) -> None:
    """With the values of the switch."""
    simulator, exporter = programs
    truth = simulator.truth()
    with opened(browser, exporter.base_url) as page:
        _wait_for_script(page)
        assert _column(page, "switches", 2) == ["up"]
        assert len(_column(page, "queries", 1)) == 10
        assert set(_column(page, "queries", 3)) <= {"fresh", "late"}  # with intervals of a second
        assert _column(page, "nodes", 1)[0] == "gone"  # missing ones come first
        nodes = dict(zip(_column(page, "nodes", 1), _column(page, "nodes", 3), strict=True))
        assert nodes == {"pbx1": "yes", "gone": "missing", SCRIPT: "yes", "pbx2": "yes"}
        calls = dict(zip(_column(page, "tenants", 1), _column(page, "tenants", 7), strict=True))
        assert calls == {code: str(truth["tenants"][code]["calls"]) for code in _codes(simulator)}


def test_texts_of_a_switch_are_escaped(browser: Browser, programs: tuple[Simulator, Exporter]) -> None:
    """Tags and quotes stay text and invisible characters are shown, by the server and by the script alike."""
    _, exporter = programs
    for settings in ({"java_script_enabled": False}, {}):
        with opened(browser, exporter.base_url, **settings) as page:
            page.on("dialog", lambda dialog: pytest.fail(dialog.message))
            if not settings:
                _wait_for_script(page)
                page.evaluate("document.querySelectorAll('tbody').forEach((body) => body.replaceChildren())")
                _refresh(page)
                expect(_table(page, "tenants").locator("tbody tr")).to_have_count(12)
            assert SCRIPT in _column(page, "nodes", 1)
            assert {QUOTES, LONG, SCRIPT, SEEN} <= set(_column(page, "tenants", 5))
            assert RESPONSE in page.locator("pre").all_text_contents()
            assert page.locator("main").locator("script, img, b > *, i").count() == 0
    with opened(browser, exporter.base_url, expect_clean_console=False) as page:
        page.evaluate("document.body.append(document.createElement('script'))")
        page.evaluate("document.body.lastChild.text = 'window.ran = 1'")
        assert page.evaluate("window.ran") is None  # the content security policy blocks it


def test_filter_and_sort(browser: Browser, programs: tuple[Simulator, Exporter]) -> None:
    """Both survive refreshes, and are in the URL, also for another browser."""
    _, exporter = programs
    with opened(browser, exporter.base_url) as page:
        _wait_for_script(page)
        states = _column(page, "tenants", 3)
        assert states == sorted(states, key=["critical", "warning", "failing", "ok"].index)
        assert _column(page, "tenants", 1)[0] == "BOREAL"  # its credit is the only one below its threshold
        credit = page.get_by_role("columnheader", name="Credit")
        credit.get_by_role("button").press("Enter")
        expect(credit).to_have_attribute("aria-sort", "ascending")
        assert _column(page, "tenants", 1)[0] == "BOREAL"
        credit.get_by_role("button").click()
        expect(credit).to_have_attribute("aria-sort", "descending")
        assert page.locator("[aria-sort]").count() == 1
        assert _column(page, "tenants", 1)[0] == "ACME"

        field = page.get_by_label("Filter", exact=True)
        field.press_sequentially("limits REJECTED")
        expect(page.locator("output")).to_have_text("1 of 12 tenants")
        _refresh(page)
        assert _column(page, "tenants", 1) == ["CINDER"]
        assert field.evaluate("(field) => field === document.activeElement")
        url = page.url
        assert url.endswith("/?sort=-credit&text=limits+REJECTED")
        for scripted in (True, False):
            with opened(browser, url, java_script_enabled=scripted) as other:
                assert _column(other, "tenants", 1) == ["CINDER"]
        field.fill("nobody of this name")
        expect(page.locator("output")).to_have_text("0 of 12 tenants")


def test_filter_and_history(browser: Browser, programs: tuple[Simulator, Exporter]) -> None:
    """Each choice is a step back and forward; a reload keeps it."""
    _, exporter = programs
    with opened(browser, exporter.base_url) as page:
        _wait_for_script(page)
        found = page.locator("output")
        page.get_by_label("Only problems").check()
        expect(found).not_to_have_text("12 of 12 tenants")
        page.get_by_label("Severity", exact=True).select_option("ok")
        expect(found).to_have_text("0 of 12 tenants")
        assert page.url.endswith("?problems=1&severity=ok")
        page.go_back()
        expect(page.get_by_label("Severity", exact=True)).to_have_value("")
        page.go_back()
        expect(page.get_by_label("Only problems")).not_to_be_checked()
        expect(found).to_have_text("12 of 12 tenants")
        page.go_forward()
        expect(page.get_by_label("Only problems")).to_be_checked()
        page.reload()
        expect(page.get_by_label("Only problems")).to_be_checked()
        expect(found).not_to_have_text("12 of 12 tenants")


def test_failures_appear_and_disappear(browser: Browser, programs: tuple[Simulator, Exporter]) -> None:
    """Without interaction, with the response; details that are open, focus and scroll position are kept."""
    simulator, exporter = programs
    with opened(browser, exporter.base_url) as page:
        _wait_for_script(page)
        answer = page.locator("details details", has_text="cannot do that")
        answer.locator("summary").click()
        answer.locator("summary").focus()
        page.mouse.wheel(0, 400)
        page.wait_for_function("scrollY > 0")
        place = page.evaluate("scrollY")
        simulator.inject_fault(
            kind="sentence", info="balance", tenant="ACME", text="The till is closed demo-admin"
        )
        row = _table(page, "failures").locator("tr", has_text="The till is closed")
        expect(row).to_have_count(1)
        expect(row.locator("pre")).to_have_text("The till is closed ***")
        assert answer.evaluate("(it) => it.open && it.firstChild === document.activeElement")
        assert page.evaluate("scrollY") >= place
        fault = get_json(f"{simulator.base_url}/simulator/faults")["faults"][-1]
        send(f"{simulator.base_url}/simulator/faults?number={fault['number']}", None, method="DELETE")
        wait_until(lambda: _refresh(page) and row.count() == 0, 60, "the failure to disappear")
        assert answer.evaluate("(it) => it.open && it.firstChild === document.activeElement")


_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

_CONTRAST = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [red, green, blue] = channels(colour).slice(0, 3)
      .map((it) => it / 255).map((it) => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return (channels(colour)[3] ?? 1) > 0 || !element.parentElement ? colour : ground(element.parentElement);
  };
  const texts = [...document.body.querySelectorAll("*")].filter((element) => element.offsetParent
    && [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()));
  return texts.map((element) => {
    const [one, other] = [light(getComputedStyle(element).color), light(ground(element))];
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  });
}"""
"""The contrast of every text with its background, as WCAG 2 defines it."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(scheme: Any, browser: Browser, programs: tuple[Simulator, Exporter]) -> None:
    """At 360 pixels nothing overflows, every text has enough contrast, and tables keep their roles."""
    _, exporter = programs
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": scheme}
    with opened(browser, exporter.base_url, java_script_enabled=False, **phone) as page:
        assert page.evaluate(_OVERFLOW) == 0
    with opened(browser, exporter.base_url, **phone) as page:
        _wait_for_script(page)
        page.locator("details details summary").first.click()
        assert page.evaluate(_OVERFLOW) == 0
        scrolling = (
            "[...document.querySelectorAll('.scroll')].filter((it) => it.scrollWidth > it.clientWidth)"
        )
        assert page.evaluate(f"{scrolling}.length") == 0
        contrasts = page.evaluate(_CONTRAST)
        assert len(contrasts) > 100
        assert min(contrasts) >= 4.5
        tenants = _table(page, "tenants")
        assert tenants.get_by_role("row").count() == 13
        assert tenants.get_by_role("rowheader").count() == 12
        expect(tenants.get_by_role("button", name="Credit")).to_be_visible()
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background))) > 380) is (scheme == "light")


_COUNT_CHANGES = """
  window.changes = 0;
  new MutationObserver((found) => { window.changes += found.length; })
    .observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
"""


def test_a_thousand_tenants(browser: Browser, tmp_path: Path) -> None:
    """Filter and sort cover all of them, while the page has at most 200 rows."""
    with running_programs(tmp_path) as run:
        simulator = start_simulator(run, "--tenants=1000", "--extensions=1")
        enabled = queries() | {query: {"tenant_interval": "off"} for query in TENANT_QUERIES}
        enabled["tenants"] = {"interval": "1h"}
        text = configuration(
            switch("pbx", simulator.url, discover_tenants={"enabled": True}, queries=enabled)
        )
        exporter = start_exporter(run, tmp_path / "config.yaml", text)
        wait_until(lambda: exporter.value("softswitch_tenants", switch="pbx") == 1000, 30, "1,000 tenants")
        with opened(browser, exporter.base_url) as page:
            expect(page.locator("output")).to_have_text("1,000 of 1,000 tenants")
            rows = _table(page, "tenants").locator("tbody tr")
            expect(rows).to_have_count(100)
            page.evaluate(_COUNT_CHANGES)

            page.get_by_label("Filter", exact=True).press_sequentially("t048", delay=50)
            expect(rows).to_have_count(10)
            typed = page.evaluate("changes")
            page.get_by_label("Filter", exact=True).fill("")
            page.get_by_role("columnheader", name="Tenant").get_by_role("button").click(click_count=2)
            expect(rows.first).to_contain_text("T0984")
            assert rows.count() == 100
            page.evaluate("changes = 0")
            _refresh(page)
            wait_until(lambda: page.evaluate("changes") > 0, 60, "the page to change")
            # Unchanged rows are not replaced: only ages changed.
            assert page.evaluate("changes") < 1000
            assert typed < 5000
            rows.last.scroll_into_view_if_needed()
            expect(rows).to_have_count(200)
