"""The buttons of the demo, pressed in a real browser."""

import json
import re
from collections.abc import Callable

from playwright.sync_api import expect

from exporter.cli.demo import demo_world
from exporter.simulator.page import breakages
from tests.e2e.browser import opened, running_browser
from tests.e2e.conftest import Start
from tests.e2e.programs import EXPORTER, get, wait_until


def test_each_button_causes_its_alert(run_program: Start, require_program: Callable[[str, str], str]) -> None:
    """Five of them at once: the status page names each. One click repairs everything."""
    demo = run_program(*EXPORTER, "demo", "--port", "0", "--simulator-port", "0")
    demo.wait_for("registered ")
    exporter, simulator = re.findall(r"(http://127\.0\.0\.1:\d+)/  ", demo.text())

    def problems() -> set[str]:
        return {one["alertname"] for one in json.loads(get(f"{exporter}/api/v1/status"))["problems"]}

    pressed = [
        one for one in breakages(demo_world()) if one.path == "world" and "Queue" not in one.alert
    ]  # a queue alerts only while its tenant is open, and a hanging API hides the others
    chromium = require_program("chromium", "chromium")
    with running_browser(chromium) as browser, opened(browser, f"{simulator}/") as page:
        for one in pressed:
            page.get_by_role("button", name=one.name).click()
            expect(page.locator("output")).to_have_text(f"Done: {one.name}.")
        lost = "SoftswitchTenantRegistrationsLost"
        low = "SoftswitchTenantRegistrationsLow"  # while no evaluation of the alerts has seen the phones
        expected = {one.alert for one in pressed} - {lost}
        wait_until(
            lambda: expected <= problems() and {lost, low} & problems(),
            90,
            lambda: f"{expected}, {lost} or {low} in {problems()}",
        )
        page.get_by_role("button", name="Repair everything").click()
        expect(page.locator("output")).to_have_text("Everything is repaired.")
        truth = json.loads(get(f"{simulator}/simulator/truth"))["switch"]
        assert truth["license_days"] > 3
        assert truth["absent_nodes"] == []
        with page.context.expect_page() as opening:
            page.get_by_role("link", name="the exporter's status page").click()
        expect(opening.value).to_have_url(f"{exporter}/")
