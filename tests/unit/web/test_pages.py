import copy
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import __version__
from exporter.threads import ThreadLimit
from exporter.web.pages import missing_page, status_page
from exporter.web.tenant_rows import Filter
from tests.unit.web.conftest import switch_state

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
    "verdict": "critical",
    "why": "credit low, balance decode",
    "alerts": ["SoftswitchBalanceLow"],
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

_PROBLEM: dict[str, Any] = {
    "id": "pbx SoftswitchBalanceLow critical firing",
    "severity": "critical",
    "state": "firing",
    "last_known": False,
    "switch": "pbx",
    "alertname": "SoftswitchBalanceLow",
    "text": "ACME has low credit",
    "age_seconds": 130,
    "value": "\N{MINUS SIGN}12.00, threshold 10.00",
    "count": 1,
    "subjects": ["ACME"],
    "runbook": "./runbooks/SoftswitchBalanceLow",
    "evidence": "./tenant?switch=pbx&tenant=ACME",
}


def _switch(**more: Any) -> dict[str, Any]:
    usual = switch_state(
        url="https://pbx.example.com/api",
        state="problems",
        severity="critical",
        sentence="ACME has low credit for 2 min",
        valid_answer_age_seconds=12,
        peers=40,
        channels=14,
        calls=7,
        tenants=1,
        series=1234,
        license_remaining_seconds=-3 * 86_400,
        license_verdict="critical",
        requests_in_flight=2,
        targets_held_back=0,
        nodes=[{"node": "n1", "present": False, "peers": None, "channels": 3, "channels_limit": None}],
        trunks=[{"trunk": "t1", "registered": False, "reachable": None, "state": "not registered"}],
        polling={"healthy": False, "text": "1 query, 1 with failures, 1,234 series"},
        queries=[_QUERY],
        tenant_list=[_TENANT],
    )
    return copy.deepcopy(usual) | more


def _status(*switches: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": __version__,
        "time_seconds": 1_700_000_000.0,
        "state": "critical",
        "headline": "1 critical",
        "notices": [],
        "problems": [_PROBLEM],
        "timeline": [],
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


async def _read(
    *switches: dict[str, Any],
    telemetry_path: str = "/metrics",
    wanted: Filter | None = None,
    tenants: int = 100,
    **more: Any,
) -> _Reader:
    threads = ThreadLimit("page", 1)
    state = _status(*switches) | more
    reader = _Reader(
        await status_page(state, telemetry_path, tenants=tenants, threads=threads, wanted=wanted)
    )
    assert reader.open == []
    return reader


def _links(page: _Reader) -> list[str | None]:
    return [value for name, value in page.attributes if name == "href"]


async def test_contents() -> None:
    """The page has links, and a row per problem, switch, node, trunk, tenant, query and failure."""
    page = await _read(_switch())

    dash, minus = "\N{EN DASH}", "\N{MINUS SIGN}"
    assert "As of 2023-11-14 22:13:20 UTC. Reload the page to refresh." in page.texts
    assert [row for row in page.rows if row[0] in {"critical", "pbx", "balance", "n1", "t1", "ACME"}] == [
        ["critical", "ACME has low credit", "pbx", "2 min", f"{minus}12.00, threshold 10.00",
         "Evidence Runbook"],
        ["pbx", "up", "7", "14", "40", "1", "critical: expired 3 d ago", "12 s ago"],
        ["n1", "pbx", "missing", dash, "3"],
        ["t1", "pbx", "not registered"],
        ["ACME", "pbx", "critical", "credit low, balance decode", "Acme Tools", f"{minus}1,234.50", dash,
         "4 / 30", "7 / 8"],
        ["balance", "each tenant", "late", "7 s", "2 h", "5 min", dash, "1 / 1,200", "decode 1"],
        ["balance", "ACME", "decode", "3 s", dash, "expected a number Response <html>"],
    ]  # fmt: skip
    for text in ("ACME has low credit for 2 min", "closed", "none", "1,234"):
        assert text in page.texts


@pytest.mark.parametrize(
    ("state", "is_last_known", "mark", "text"),
    [
        ("firing", False, "critical", "critical"),
        ("pending", False, "critical", "critical (pending)"),
        ("pending", True, "critical", "critical (pending, last known)"),
        ("unknown", False, "critical", "critical (last known)"),
        ("recovered", False, "recovered", "recovered"),
    ],
)
async def test_the_state_of_a_problem(state: str, is_last_known: bool, mark: str, text: str) -> None:  # noqa: FBT001 -- a table
    """It is in words; a problem that is over is not marked as critical."""
    page = await _read(_switch(), problems=[_PROBLEM | {"state": state, "last_known": is_last_known}])

    assert [row[0] for row in page.rows if row[1:2] == [_PROBLEM["text"]]] == [text]
    assert ("class", f"severity {mark}") in page.attributes


async def test_links() -> None:
    """Every link is relative, so that a proxy may add a prefix."""
    links = _links(await _read(_switch()))

    assert {
        "./metrics", "./api/v1/status", "./sd", "./-/healthy", "./-/ready", "./runbooks/",
        "./tenant?switch=pbx&tenant=ACME", "./runbooks/SoftswitchBalanceLow",
    } <= {*links}  # fmt: skip
    assert all(link.startswith(("./", "#")) for link in links if link)


async def test_notices() -> None:
    """A configuration that cannot be loaded is a banner with its errors; a dry run is a line."""
    page = await _read(
        _switch(),
        notices=[
            {"severity": "critical", "text": "The reload failed", "errors": ["switches[0].url: bad"]},
            {"severity": "", "text": "Dry run", "errors": []},
        ],
    )

    assert page.texts.count("The reload failed") == page.texts.count("switches[0].url: bad") == 1
    assert [value for name, value in page.attributes if name == "class" and value and "notice" in value] == [
        "notice critical"
    ]
    assert page.texts.count("Dry run") == 1


async def test_changes() -> None:
    """At most fifteen of the last hour are shown; those of alerts are folded first, and all are counted."""
    kinds = ["alert_firing"] * 14 + ["node_missing", "alert_firing", "trunk_down"]
    changes = [
        {"time_seconds": 1_700_000_000.0 - age, "kind": kind, "switch": "pbx", "text": f"{kind} {age}"}
        for age, kind in enumerate([*kinds, "exporter_started"], 10)
    ]
    changes[-1]["time_seconds"] = 1_700_000_000.0 - 3700
    page = await _read(_switch(), timeline=changes)

    rows = [row[1] for row in page.rows if len(row) == 3 and row[1].startswith(("alert", "node", "trunk"))]
    assert ["62 min ago", "exporter_started 27", "pbx"] in page.rows
    shown, folded = rows[:15], rows[15:]
    assert shown == [f"alert_firing {age}" for age in range(10, 23)] + ["node_missing 24", "trunk_down 26"]
    assert folded == ["alert_firing 23", "alert_firing 25"]
    assert "Others in the last hour: 2. Earlier, in the last 24 hours: 1" in page.texts


async def test_nodes_and_trunks_of_a_silent_switch_are_unknown() -> None:
    """The page says so, even if there are no rows, for what is polled."""
    polled = [_QUERY | {"query": query, "scope": "switch", "failures": []} for query in ("peers", "trunks")]
    silent = {"up": False, "valid_answer_age_seconds": 240.0, "trunks": []}
    told = "Unknown: pbx has not responded for 4 min."

    assert (await _read(_switch(queries=polled, **silent))).texts.count(told) == 2
    assert (await _read(_switch(queries=polled[:1], **silent))).texts.count(told) == 1
    assert told not in (await _read(_switch(queries=polled, trunks=[]))).texts


async def test_the_first_problem_of_an_alert_and_switch_has_an_id() -> None:
    """Runbooks link to it."""
    others = [_PROBLEM | {"state": "pending"}, _PROBLEM | {"switch": "a b"}]
    page = await _read(_switch(), problems=[_PROBLEM, *others])

    found = [value for name, value in page.attributes if name == "id" and ":" in (value or "")]
    assert found == ["SoftswitchBalanceLow:pbx", "SoftswitchBalanceLow:a%20b"]


async def test_nodes_and_trunks_that_are_down_come_first() -> None:
    """Also if they belong to the last switch."""
    fine = {"node": "n0", "present": True, "peers": 1, "channels": 0, "channels_limit": None}
    up = {"trunk": "t0", "registered": True, "reachable": None, "state": "registered"}
    page = await _read(_switch(nodes=[fine], trunks=[up]), _switch(name="other"))

    rows = [row[:2] for row in page.rows if row[0] in {"n0", "n1", "t0", "t1"}]
    assert rows == [["n1", "other"], ["n0", "pbx"], ["t1", "other"], ["t0", "pbx"]]


def _verdicts(*verdicts: str, name: str = "T") -> list[dict[str, Any]]:
    return [_TENANT | {"tenant": f"{name}{number}", "verdict": v} for number, v in enumerate(verdicts)]


def _tenants(page: _Reader) -> list[str]:
    return [
        row[0] for row in page.rows if len(row) == 9 and row[2] in {"critical", "warning", "ok", "failing"}
    ]


async def test_the_worst_tenants_of_all_switches_come_first() -> None:
    """Up to the limit."""
    one = _switch(tenant_list=_verdicts("critical", "ok"), tenants=2)
    other = _switch(name="other", tenant_list=_verdicts("critical", "warning", name="O"), tenants=2)

    assert _tenants(await _read(one, other)) == ["T0", "O0", "O1", "T1"]
    assert _tenants(await _read(one, other, tenants=3)) == ["T0", "O0", "O1"]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ({"severity": "warning"}, ["T1"]),
        ({"severity": "nonsense"}, ["T0", "T1", "T2"]),
        ({"problems": "1"}, ["T0", "T1"]),
        ({"text": "t2"}, ["T2"]),
        ({"text": "CREDIT low t1"}, ["T1"]),
        ({"text": "balancelow"}, ["T0", "T1", "T2"]),
        ({"text": "nobody"}, []),
        ({"switch": "pbx"}, ["T0", "T1", "T2"]),
        ({"switch": "other"}, []),
    ],
)
async def test_filter(wanted: dict[str, str], shown: list[str]) -> None:
    """The filter in the URL works without JavaScript."""
    switch = _switch(tenant_list=_verdicts("critical", "warning", "ok"), tenants=3)

    assert _tenants(await _read(switch, wanted=Filter.of(wanted))) == shown


async def test_polling_is_folded_while_it_is_healthy() -> None:
    """And open if it is not."""
    healthy = await _read(_switch(polling={"healthy": True, "text": "fine"}))
    unhealthy = await _read(_switch())

    opened = [name for name, _ in unhealthy.attributes].count("open")
    assert opened == [name for name, _ in healthy.attributes].count("open") + 1


async def test_colors_are_not_the_only_marks() -> None:
    """Everything with a color also has a word."""
    page = await _read(
        _switch(
            up=False,
            breaker_open=True,
            series_limited=True,
            valid_answer_age_seconds=None,
            refused_keys=["admin", *"ABCDE"],
        ),
        _switch(name="other", up=None),
    )

    for text in (
        "down",
        "not tried yet",
        "open: sending only probes",
        "1,234: limited, some detail is dropped",
        "admin, A, B, C, D, …",
    ):
        assert text in page.texts


async def test_without_data() -> None:
    """The page renders without switches, tenants and problems."""
    page = await _read(problems=[], state="unknown", headline="no switch configured")
    assert "no switch configured" in page.texts
    assert (await _read(_switch(tenant_list=[], nodes=[], trunks=[], queries=[], tenants=0))).rows


def _named(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a switch that has this text wherever it may be one of a switch, and the rest of the status."""
    switch = _switch(name=text, url=text, refused_keys=[text], sentence=text)
    switch["nodes"][0]["node"] = switch["trunks"][0]["trunk"] = text
    switch["queries"][0]["failures"][0] |= {"tenant": text, "detail": text, "answer": text}
    switch["tenant_list"][0] |= {"tenant": text, "name": text, "why": text}
    told = {"switch": text, "text": text}
    return switch, {
        "problems": [_PROBLEM | told],
        "timeline": [{"time_seconds": 1_700_000_000.0, "kind": "node"} | told],
        "headline": text,
        "notices": [{"severity": "critical", "text": text, "errors": [text]}],
    }


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
async def test_untrusted_texts_cannot_become_markup(text: str) -> None:
    """No name or response of a switch changes the tags and attributes."""
    (hostile, more), (usual, usually) = _named(text), _named("x")

    page, other = await _read(hostile, **more), await _read(usual, **usually)

    assert page.tags == other.tags
    assert [name for name, _ in page.attributes] == [name for name, _ in other.attributes]
    assert ("data-key", f"{text} {text}") in page.attributes


async def test_invisible_characters_are_shown() -> None:
    """They cannot rearrange the text around a name; links and keys contain the name as it is."""
    name, seen = "\u202eexe.gpj\u2066", r"\u202eexe.gpj\u2066"
    hostile, more = _named(name)

    page = await _read(hostile, **more)

    assert not [text for text in page.texts if "\u202e" in text or "\u2066" in text]
    assert sum(seen in text for text in page.texts) > 20
    raw = {key for key, value in page.attributes if value and "\u202e" in value}
    assert raw == {"data-key", "data-sentence", "data-switch", "value"}
    assert "./tenant?switch=%E2%80%AEexe.gpj%E2%81%A6&tenant=%E2%80%AEexe.gpj%E2%81%A6" in _links(page)
    assert seen in " ".join(_Reader(await missing_page(name, ThreadLimit("page", 1))).texts)
    assert len((await _read(hostile, wanted=Filter(text=seen), **more)).rows) == len(page.rows)


async def test_a_path_cannot_become_markup() -> None:
    """The telemetry path is escaped in its attribute, and cannot be another scheme."""
    assert './m"><script>' in _links(await _read(telemetry_path='/m"><script>'))
    assert "./javascript:alert(1)" in _links(await _read(telemetry_path="/javascript:alert(1)"))
