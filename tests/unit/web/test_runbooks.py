import dataclasses
import html
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from exporter import shipped
from exporter.poll import Poller
from exporter.web import Sources, serve
from exporter.web.runbooks import entries
from tests.unit.web.conftest import CLOCK, NOW, Pollers

Json = dict[str, Any]
Open = Callable[[str], Any]

_NAME = "SoftswitchNodeMissing"
_EVIL = "<img src=x onerror=alert(1)>"


def _alert(state: str = "firing", name: str = _NAME, **labels: str) -> Json:
    return {
        "state": state,
        "labels": {"alertname": name, "severity": "critical", "scope": "node", "switch": "pbx", **labels},
        "annotations": {"summary": "S.", "description": f"About {labels.get('node')}.", "runbook_url": ""},
        "age_seconds": 725.0,
    }


class _Site:
    """The pages of an exporter with these alerts; ``alerts`` None: not evaluated yet."""

    def __init__(self) -> None:
        self.alerts: list[Json] | None = []
        self.pollers: list[Poller] = []
        self.base = ""

    def alerting(self) -> Json:
        """Return that part of the status."""
        firing = None if self.alerts is None else len(self.alerts)
        return {"alerting": {"firing": firing, "pending": firing}, "alerts": self.alerts or []}

    async def get(self, path: str) -> tuple[int, str]:
        """Return the status and the text of a page."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.base}{path}", allow_redirects=False) as response,
        ):
            return response.status, response.headers.get("Location") or await response.text()

    async def now(self, name: str = _NAME) -> str:
        """Return the words above a runbook."""
        _, page = await self.get(f"/runbooks/{name}")
        text = page.partition("<h2>Now</h2>")[2].partition("</section>")[0]
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())

    async def rows(self) -> list[list[str]]:
        """Return name, state, and severity with meaning of each entry of the index."""
        _, page = await self.get("/runbooks/")
        return [re.findall(r"<(?:a|span|p)[^>]*>([^<\n]+)<", row) for row in page.split("<li>")[1:]]


@pytest.fixture
async def site(sources: Sources) -> AsyncIterator[_Site]:
    """Return a running exporter that evaluates four alerts."""
    made = _Site()
    evaluated = {_NAME, "SoftswitchApiDown", "SoftswitchBalanceLow", "SoftswitchWatchdog"}
    changed = dataclasses.replace(
        sources, pollers=lambda: made.pollers, alerting=made.alerting, evaluated=evaluated, clock=CLOCK
    )
    server = await serve(changed, [("127.0.0.1", 0)], "/metrics")
    host, port = server.addresses[0]
    made.base = f"http://{host}:{port}"
    yield made
    await server.close()


async def test_every_runbook_has_a_page(site: _Site) -> None:
    """With its title, its text, and the headers that forbid foreign scripts."""
    for name in shipped.runbooks():
        status, page = await site.get(f"/runbooks/{name}")
        assert (status, page.count(f"<h1>{name}</h1>"), page.count("<h1")) == (200, 1, 1)
        assert '<h2 id="fix">Fix</h2>' in page
    async with aiohttp.ClientSession() as session, session.get(f"{site.base}/runbooks/{_NAME}") as response:
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")


async def test_problems_that_exist_now(site: _Site) -> None:
    """What fires or is pending, where, since when, and a link to the page about it."""
    site.alerts = [
        _alert(node="pbx1"),
        _alert("pending", node="pbx2", tenant="A&B"),
        _alert(name="SoftswitchApiDown", node="x"),
    ]

    assert await site.now() == (
        "firing, critical : switch pbx, node pbx1 About pbx1. "
        "For 12 min, since 2023-11-14 22:01 UTC. Show it on the status page Commands for it "
        "pending, critical : switch pbx, node pbx2, tenant A&B If it lasts, it fires as: About pbx2. "
        "For 12 min, since 2023-11-14 22:01 UTC. Show it on the status page Show the tenant Commands for it "
        "As of 2023-11-14 22:13:20 UTC. Reload the page to refresh."
    )
    _, page = await site.get(f"/runbooks/{_NAME}")
    assert page.count(f'<a href="../#{_NAME}:pbx">') == 2
    assert '<a href="../tenant?switch=pbx&amp;tenant=A%26B">' in page
    assert f"<title>{_NAME} (firing: 1, pending: 1) · softswitch-exporter</title>" in page


async def test_what_is_not_known_is_not_called_well(site: _Site) -> None:
    """Not evaluated yet, evaluated by Prometheus only, and no problem are different words."""
    assert "The alert is neither firing nor pending" in await site.now()
    assert "The exporter does not evaluate this alert" in await site.now("SoftswitchNoCalls")
    site.alerts = None
    assert "Not known: alerts have not been evaluated yet" in await site.now()
    assert "The exporter does not evaluate this alert" in await site.now("SoftswitchNoCalls")


async def test_nothing_is_called_well_while_a_switch_is_silent(site: _Site, pollers: Pollers) -> None:
    """The page and the index say since when it has not responded."""
    silent = pollers()
    silent.store.note_attempt(valid=True, now=NOW - 240)
    site.pollers = [silent]

    said = f"{silent.configuration.name} has not responded for 4 min"
    assert (await site.now()).startswith(f"Unknown : {said}. As of")
    assert (await site.now("SoftswitchApiDown")).startswith(f"{said} . The alert is not pending yet.")
    shown = {row[0]: row[1] for row in await site.rows()}
    assert shown[_NAME] == shown["SoftswitchBalanceLow"] == f"unknown: {said}"
    assert shown["SoftswitchApiDown"] == f"not firing yet: {said}"
    assert shown["SoftswitchWatchdog"] == "not firing"
    site.alerts = [_alert(node="pbx1")]
    assert f"There may be more: {said}." in await site.now()

    silent.store.note_attempt(valid=True, now=NOW)
    site.alerts = []
    assert "The alert is neither firing nor pending" in await site.now()


async def test_commands_have_the_values_of_a_problem(site: _Site) -> None:
    """Those of the first one, or those in the URL; a value that is not safe leaves the example and a note."""
    name = "SoftswitchWatchedExtensionDown"
    site.alerts = [
        _alert(name=name, tenant="A", extension="201"),
        _alert(name=name, tenant="B", extension="301"),
    ]
    note = "First replace the example values"

    _, first = await site.get(f"/runbooks/{name}")
    assert "{switch=&quot;pbx&quot;, tenant=&quot;A&quot;, extension=&quot;201&quot;}" in first
    assert f'href="./{name}?switch=pbx&amp;tenant=B&amp;extension=301#diagnosis"' in first
    assert note not in first

    _, second = await site.get(f"/runbooks/{name}?switch=pbx&tenant=B")
    assert "--switch=pbx --query=registrations --tenant=B --extension=301" in second
    assert "The commands below are for switch <b>pbx</b>, tenant <b>B</b>, extension <b>301</b>." in second

    _, unsafe = await site.get(f"/runbooks/{name}?switch=pbx&tenant=%24(reboot)")
    assert "reboot" not in unsafe
    assert "--switch=pbx --query=registrations --tenant=ACME --extension=100" in unsafe
    assert f"{note}: <code>ACME</code> (the tenant), <code>100</code> (the extension)." in unsafe


async def test_the_watchdog_is_no_problem(site: _Site) -> None:
    """It always fires, and is a problem when it does not."""
    site.alerts = [_alert(name="SoftswitchWatchdog")]
    assert (await site.now("SoftswitchWatchdog")).startswith("The alert is firing, as it should")
    assert (await site.rows())[-1][:2] == ["SoftswitchWatchdog", "firing, as it should"]


async def test_texts_of_a_switch_are_escaped_and_cut(site: _Site) -> None:
    """Names from a switch are neither HTML nor endless, and the list is bounded."""
    site.alerts = [_alert(node=_EVIL, tenant="x" * 5000), *(_alert(node=f"n{n}") for n in range(80))]

    _, page = await site.get(f"/runbooks/{_NAME}")
    assert _EVIL not in page
    assert html.escape(_EVIL) in page
    assert "x" * 301 not in re.sub(r'href="[^"]*"', "", page)
    assert page.count("<li>\n<p><b") == 50
    assert "There may be more." in page


async def test_the_index_begins_with_what_fires(site: _Site) -> None:
    """Then what is pending; the watchdog and all others keep their order."""
    site.alerts = [
        _alert("pending", "SoftswitchBalanceLow", tenant="A"),
        _alert(node="1"),
        _alert(node="2"),
        _alert(name="SoftswitchWatchdog"),
        _alert("pending", node="3"),
    ]

    rows = await site.rows()
    assert rows[:3] == [
        [_NAME, "firing: 2, pending: 1", "critical: a node has left the cluster"],
        ["SoftswitchBalanceLow", "pending: 1", "warning or critical: a tenant&#39;s balance is low"],
        [
            "SoftswitchMonitoringLost",
            "evaluated by Prometheus only",
            "critical: no exporter reports on a switch",
        ],
    ]
    others = [entry.name for entry in entries() if entry.name not in {_NAME, "SoftswitchBalanceLow"}]
    assert [row[0] for row in rows[2:]] == others
    assert {entry.name for entry in entries()} == set(shipped.runbooks())


async def test_an_unknown_runbook(site: _Site) -> None:
    """It is not found; the page quotes the name and links to the index."""
    status, page = await site.get("/runbooks/%3Cb%3EFoo")
    assert (status, "<b>" in page, "&lt;b&gt;Foo" in page, '<a href="./">' in page) == (
        404,
        False,
        True,
        True,
    )
    status, page = await site.get(f"/runbooks/{'x' * 3000}")
    assert (status, len(page) < 2000) == (404, True)
    assert (await site.get("/runbooks/README"))[0] == 404


async def test_other_paths_lead_to_the_pages(site: _Site) -> None:
    """Without a slash, or with the name of the file; relative, so that a proxy may add a prefix."""
    assert await site.get("/runbooks") == (302, "runbooks/")
    assert await site.get(f"/runbooks/{_NAME}.md") == (302, _NAME)
