import copy
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import __version__
from exporter.threads import ThreadLimit
from exporter.web.responses import static_files, status_page

_QUERY = {
    "query": "balance",
    "scope": "tenant",
    "interval_seconds": 300.0,
    "cycle_seconds": None,
    "freshness": "late",
    "targets_tried": 1200,
    "targets_failing": 1,
    "failures_by_reason": {"decode": 1},
    "newest_success_age_seconds": 7.4,
    "oldest_success_age_seconds": 7300,
    "failures": [
        {
            "tenant": "ACME",
            "reason": "decode",
            "detail": "expected a number",
            "answer": "<html>",
            "age_seconds": 3,
            "success_age_seconds": None,
        }
    ],
}
_TENANT = {
    "tenant": "ACME",
    "name": "Acme Tools",
    "balance": -1234.5,
    "balance_thresholds": {"warning": 50, "critical": 10},
    "balance_verdict": "critical",
    "calls": None,
    "channels": 4,
    "channels_limit": 30,
    "registered": 7,
    "extensions": 8,
    "registered_verdict": None,
    "failing": {"balance": "decode", "calls": "timeout"},
}

_ALERT: dict[str, Any] = {
    "state": "firing",
    "labels": {
        "alertname": "SoftswitchTenantRegistrationsLost",
        "severity": "critical",
        "scope": "tenant",
        "switch": "pbx",
        "tenant": "ACME",
    },
    "annotations": {"description": "None of the 20 extensions of ACME on pbx is registered."},
    "age_seconds": 130,
}
_WATCHDOG = _ALERT | {
    "labels": {"alertname": "SoftswitchWatchdog", "severity": "none", "scope": "monitoring"}
}


def _alerting(
    firing: int | None, pending: int | None, *alerts: dict[str, Any], **more: Any
) -> dict[str, Any]:
    counts = {"delivery": "on", "firing": firing, "pending": pending, **more}
    return {"alerting": counts, "alerts": copy.deepcopy([*alerts, _WATCHDOG])}


def _switch(**more: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "name": "pbx",
        "url": "https://pbx.example.com/api",
        "up": True,
        "valid_answer_age_seconds": 12,
        "peers": 40,
        "channels": 14,
        "calls": 7,
        "license_remaining_seconds": -3 * 86_400,
        "license_verdict": "critical",
        "tenants": 1,
        "series": 1234,
        "series_limited": False,
        "requests_in_flight": 2,
        "breaker_open": False,
        "refused_keys": [],
        "targets_held_back": 0,
        "nodes": [{"node": "n1", "present": False, "peers": None, "channels": 3, "channels_limit": None}],
        "queries": [_QUERY],
        "tenant_list": [_TENANT],
    }
    return copy.deepcopy(usual) | more


def _status(*switches: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": __version__,
        "time_seconds": 1_700_000_000.0,
        "alerting": None,
        "alerts": [],
        "switches": list(switches),
    }


class _Reader(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "link", "input"}:
            self.open.append(tag)
        self.attributes += attrs
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {data.strip()}".strip()


async def _read(*switches: dict[str, Any], telemetry_path: str = "/metrics", **more: Any) -> _Reader:
    reader = _Reader(
        await status_page(
            _status(*switches) | more, telemetry_path, tenants=100, threads=ThreadLimit("page", 1)
        )
    )
    assert reader.open == []
    return reader


def _links(page: _Reader) -> list[str | None]:
    return [value for name, value in page.attributes if name == "href"]


async def test_contents() -> None:
    """The page has links, a section per switch, and a row per query, failure, node and tenant."""
    page = await _read(_switch())

    assert _links(page)[-4:] == ["./metrics", "./api/v1/status", "./-/healthy", "./-/ready"]
    assert "As of 2023-11-14 22:13:20 UTC. Reload the page to refresh." in page.texts
    assert page.tags.count("section") == 1
    dash = "\N{EN DASH}"
    assert [row for row in page.rows if row[0] in {"balance", "n1", "ACME"}] == [
        ["balance", "each tenant", "late", "7 s", "2 h", "5 min", dash, "1 / 1,200", "decode 1"],
        ["balance", "ACME", "decode", "3 s", dash, "expected a number Response <html>"],
        ["n1", "missing", dash, "3"],
        [
            "ACME", "Acme Tools", "critical -1,234.50", "warning 50.00, critical 10.00", dash, "4 / 30",
            "7 / 8", "balance decode, calls timeout",
        ],
    ]  # fmt: skip
    for text in ("up", "12 s ago", "closed", "critical -3 d", "none", "1,234"):
        assert text in page.texts


async def test_colors_are_not_the_only_marks() -> None:
    """Everything with a color also has a word."""
    page = await _read(
        _switch(
            up=False,
            breaker_open=True,
            series_limited=True,
            valid_answer_age_seconds=None,
            refused_keys=["admin", *"ABCDE"],
        )
    )

    for text in (
        "down",
        "open: sending only probes",
        "1,234: limited, some detail is dropped",
        "admin, A, B, C, D, …",
    ):
        assert text in page.texts


@pytest.mark.parametrize(("up", "words"), [(True, "up"), (False, "down"), (None, "not tried yet")])
async def test_states(up: bool | None, words: str) -> None:  # noqa: FBT001 -- a table
    """A switch is up, down or not tried; with several switches, the top of the page has their states, too."""
    assert (await _read(_switch(up=up))).texts.count(words) == 1
    assert (await _read(_switch(up=up), _switch(name="other", up=not up))).texts.count(words) == 2


async def test_without_data() -> None:
    """The page renders without switches, tenants and alerting."""
    page = await _read()
    assert "section" not in page.tags
    assert "Alerts" not in page.texts
    assert (await _read(_switch(tenant_list=[], nodes=[], queries=[], tenants=0))).rows


async def test_alerts() -> None:
    """With alerting, each alert but the watchdog has a row with its labels and age."""
    stale = copy.deepcopy(_ALERT) | {"state": "pending"}
    stale["labels"] = {
        "alertname": "SoftswitchDataStale",
        "severity": "warning",
        "switch": "b",
        "query": "calls",
    }

    page = await _read(_switch(), **_alerting(1, 1, _ALERT, stale))

    text = _ALERT["annotations"]["description"]
    assert page.rows[1:3] == [
        ["firing", "critical", "SoftswitchTenantRegistrationsLost", "switch pbx, tenant ACME", "2 min", text],
        ["pending", "warning", "SoftswitchDataStale", "switch b, query calls", "2 min", text],
    ]
    assert "1 firing, 1 pending." in page.texts
    assert page.rows[3][0] == "Query"


@pytest.mark.parametrize(
    ("firing", "pending", "delivery", "words"),
    [
        (None, None, "on", "Alerts have not been evaluated yet."),
        (0, 0, "on", "0 firing, 0 pending."),
        (0, 1200, "on", "0 firing, 1,200 pending."),
        (2, 0, "dry_run", "2 firing, 0 pending. Dry run: alerts are not sent."),
        (2, 0, "off", "2 firing, 0 pending. No alerting configured: alerts are not sent."),
    ],
)
async def test_alert_counts(firing: int, pending: int, delivery: str, words: str) -> None:
    """The counts are unknown before the first evaluation."""
    page = await _read(**_alerting(firing, pending, delivery=delivery, dry_run=delivery == "dry_run"))

    assert words in page.texts
    assert len(page.rows) == 1  # the headings


async def test_at_most_fifty_alerts() -> None:
    """The page has the number of the others, including those that the status does not list."""
    page = await _read(**_alerting(40, 1211, *[_ALERT] * 60))

    assert (len(page.rows), "and 1,201 more" in page.texts) == (51, True)
    assert not any("more" in text for text in (await _read(**_alerting(50, 0, *[_ALERT] * 50))).texts)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
async def test_untrusted_texts_cannot_become_markup(text: str) -> None:
    """No name or response of a switch changes the tags and attributes."""
    hostile = _switch(name=text, url=text, refused_keys=[text])
    hostile["nodes"][0]["node"] = text
    hostile["queries"][0]["failures"][0] |= {"tenant": text, "detail": text, "answer": text}
    hostile["tenant_list"][0] |= {"tenant": text, "name": text}
    alert = copy.deepcopy(_ALERT)
    alert["labels"] |= {"switch": text, "tenant": text}
    alert["annotations"]["description"] = text

    page = await _read(hostile, **_alerting(1, 0, alert))
    usual = await _read(_switch(refused_keys=["x"]), **_alerting(1, 0, _ALERT))

    assert page.tags == usual.tags
    assert [name for name, _ in page.attributes] == [name for name, _ in usual.attributes]
    assert ("data-key", text) in page.attributes


async def test_a_path_cannot_become_markup() -> None:
    """The telemetry path is escaped in its attribute, and cannot be another scheme."""
    assert './m"><script>' in _links(await _read(telemetry_path='/m"><script>'))
    assert "./javascript:alert(1)" in _links(await _read(telemetry_path="/javascript:alert(1)"))


async def test_nothing_is_inline() -> None:
    """The page has no inline styles or scripts, so that the policy can forbid them."""
    page = await _read(_switch())

    assert page.tags.count("script") == 1
    assert "style" not in page.tags
    names = {name for name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on") or name == "style"}


def test_every_file_is_there() -> None:
    """Each file that the page or its script loads is served."""
    files = static_files()

    assert b'from "./words.js"' in files["/-/static/status.js"][0]
    assert {path.rpartition(".")[2] for path in files} == {"js", "css", "svg"}
    assert all(content for content, _ in files.values())
