"""Scenarios of the daemon: the fault matrix, bad days, discovery, reloads, alerts, limits."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from tests.e2e import fault_matrix
from tests.e2e.fake_switch import REFUSAL, Exchange, Fault
from tests.e2e.outside.stage import OPERATIONS, Stage, late, locked, times
from tests.e2e.response_faults import COLUMNS, FAULTS, QUERIES, body, raw, status
from tests.e2e.unique_values import OWN_KEY, SHAPES, TENANTS, WORDS
from tests.e2e.unique_values import Switch as PrimeSwitch

MINUTE, HOUR = 60, 3600
KEY = "admin-key-of-the-recording"
ODD_KEY = 's3cr3t+Key/with&odd=chars%"<ü>0fk3y'
CODES = ("ACME", "BOREAL", "CINDER", "DELTA9", "EIDER", "FJORD", "GLADE", "HAVEN", "INDIGO")

Prepare = Callable[[Stage], None]
Story = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True)
class Daemon:
    """A scenario of the daemon: what stands around it, and what happens to it."""

    prepare: Prepare
    story: Story
    flags: tuple[str, ...] = ()


async def _hang(exchange: Exchange) -> None:
    await exchange.wait()


_REFUSED = body(REFUSAL)
_HTML = body("<!DOCTYPE html>\n<html><head><title>Login</title></head><body><form></form></body></html>")


def _settings(stage: Stage, **more: Any) -> dict[str, Any]:
    tenants: list[dict[str, Any]] = [{"code": code} for code in stage.switch.tenants]
    if len(tenants) > 2:
        tenants[0] |= {"extensions": ["100", "101"], "watch": ["100", "777"], "labels": {"team": "voice"}}
        tenants[1] |= {"extensions": "all", "channels_limit": 12}
        tenants[2] |= {
            "business_hours": {
                "timezone": "Europe/Rome",
                "days": ["tue", "wed"],
                "from": "22:00",
                "to": "06:00",
            },
            "queries": {"channels": {"tenant_interval": "1m"}, "calls": {"tenant_interval": "off"}},
        }
    settings = {
        "name": "pbx",
        "url": stage.switch.url,
        "key": KEY,
        "nodes": ["pbx1", {"name": "pbx2", "channels_limit": 40}, "pbx3"],
        "tenant_defaults": {"labels": {"team": "noc"}},
        "tenants": tenants,
        **more,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _write(stage: Stage, *switches: dict[str, Any], **sections: Any) -> None:
    sections = {"alerting": stage.alerting(labels={"site": "eu"}), **sections}
    stage.configure(json.dumps({"switches": switches, **sections}, ensure_ascii=False, indent=1))


def _polling(*codes: str, **more: Any) -> Prepare:
    """Poll these tenants with the default intervals, with more settings of the switch."""

    def prepare(stage: Stage) -> None:
        stage.add_switch(*(codes or CODES))
        _write(stage, _settings(stage, **more))

    return prepare


async def _look_after(stage: Stage, moments: Iterable[int], label: str, *, everything: bool = True) -> None:
    """Look at the program so many seconds after now."""
    passed = 0
    for moment in moments:
        await asyncio.sleep(moment - passed)
        passed = moment
        await stage.look(f"{label} {moment}s", everything=everything)


# The fault matrix


def _prepare_matrix(stage: Stage) -> None:
    stage.add_switch(*fault_matrix.VICTIMS, *fault_matrix.LISTED)
    stage.configure(fault_matrix.configuration(stage.switch.url, ODD_KEY, alerting=stage.alerting()))


def _matrix(first: int, step: int) -> Daemon:
    """Live through every ``step``-th round of the matrix."""

    async def story(stage: Stage) -> None:
        await _look_after(stage, (3 * int(fault_matrix.INTERVAL),), "well")
        for number in range(first, len(FAULTS), step):
            faults = fault_matrix.faults_of_round(number)
            for column, fault in faults.items():
                stage.switch.faults[COLUMNS[column].asked] = FAULTS[fault][0]
            await asyncio.sleep(30)
            if not number % 3:
                stage.signal_reload()
            await asyncio.sleep(75)
            await stage.look(f"round {number}", everything=False)
            stage.switch.faults.clear()
            await asyncio.sleep(2.5 * MINUTE)
        await stage.look("well again")

    return Daemon(_prepare_matrix, story, ("--log.level=debug",))


async def _all_faults_at_once(stage: Stage) -> None:
    # How much of these has been read at a moment depends on how busy the machine is; the matrix has them.
    faults = [fault for name, (fault, _) in FAULTS.items() if not re.search("endless|continue", name)]
    for fault, code in zip(faults, stage.switch.tenants, strict=False):
        stage.switch.break_down(fault, OPERATIONS, (code,))
    await _look_after(stage, (30, 3 * MINUTE), "all faults")
    stage.signal_reload()
    await _look_after(stage, (30,), "all faults after a reload")
    stage.switch.faults.clear()
    await _look_after(stage, (5 * MINUTE,), "well again")


def _prepare_all_faults(stage: Stage) -> None:
    stage.add_switch(*(f"T{number:02}" for number in range(len(FAULTS))), "S0", "S1", "S2")
    queries = {query: dict.fromkeys(intervals, "1m") for query, intervals in QUERIES.items()}
    queries["registrations"]["source"] = "extensions"
    queries["tenants"]["interval"] = "off"
    more = {"timeout": "5s", "max_concurrency": 40, "max_requests_per_second": 100}
    defaults = {"extensions": ["100"]}
    tenants = [{"code": code} for code in stage.switch.tenants]
    _write(stage, _settings(stage, queries=queries, tenants=tenants, tenant_defaults=defaults, **more))


# Bad days


def _bad_day(
    fault: Fault,
    operations: Iterable[str] = OPERATIONS,
    tenants: Iterable[str] = (),
    lasts: int = HOUR // 2,
    **more: Any,
) -> Daemon:
    """Ten minutes of health, then a fault, then recovery."""

    async def story(stage: Stage) -> None:
        await _look_after(stage, (10 * MINUTE,), "well")
        stage.switch.break_down(fault, operations, tenants)
        moments = [moment for moment in (90, 5 * MINUTE, 15 * MINUTE) if moment < lasts]
        await _look_after(stage, (*moments, lasts), "bad")
        stage.switch.faults.clear()
        await _look_after(stage, (90, 20 * MINUTE), "healing")

    return Daemon(_polling(**more), story)


async def _down(stage: Stage) -> None:
    await _look_after(stage, (10 * MINUTE,), "well")
    stage.switch.listener.close()
    await _look_after(stage, (90, 10 * MINUTE, HOUR // 2), "down")
    await stage.switch.listener.open()
    await _look_after(stage, (90, 20 * MINUTE), "up")


def _write_key(key: str) -> None:
    Path("key").write_text(f"{key}\n")


def _prepare_key_file(stage: Stage) -> None:
    stage.add_switch(*CODES)
    _write_key("the-first-key")
    _write(stage, _settings(stage, key=None, key_file="key"))


async def _exchange_key(stage: Stage) -> None:
    valid = {"the-first-key"}
    stage.switch.break_down(locked(valid))
    await _look_after(stage, (15 * MINUTE,), "well")
    valid.clear()
    valid.add("the-second-key")
    await _look_after(stage, (90, HOUR // 2), "refused")
    _write_key("the-second-key")
    await _look_after(stage, (5, 15 * MINUTE), "the new key")


def _wrong_key(**more: Any) -> Daemon:
    async def story(stage: Stage) -> None:
        stage.switch.break_down(locked({KEY}))
        await _look_after(stage, (MINUTE, HOUR // 2), "a wrong key")

    return Daemon(_polling(**more), story)


async def _slow(stage: Stage) -> None:
    stage.switch.break_down(late(7))
    await _look_after(stage, (5 * MINUTE, HOUR // 2), "slow")


async def _wait_and_look(stage: Stage) -> None:
    await _look_after(stage, (10, MINUTE, 10 * MINUTE, HOUR // 2), "well")


async def _an_alertmanager_that_fails(stage: Stage) -> None:
    await _look_after(stage, (10 * MINUTE,), "well")
    for answer in ("500 Internal Server Error", "400 Bad Request", "429 Too Many Requests", "200 OK"):
        stage.alertmanager.status = answer
        await _look_after(stage, (10 * MINUTE,), answer.partition(" ")[0])


async def _trouble(stage: Stage) -> None:
    """Let every kind of alert begin and end: license, balance, registrations, nodes, channels."""
    await _look_after(stage, (10 * MINUTE,), "well")
    said: dict[tuple[str, str], object] = {
        ("LICENSEDAYS", ""): 5,
        ("INFO balance", "ACME"): -3,
        ("INFO balance", "CINDER"): 5000,
        ("INFO config", "ACME"): {"maxchannels": 10, "maxextensions": "-1"},
        ("COUNTPEERS", ""): {"pbx1": 3, "Total": 3},
        ("COUNTCHANNELS", ""): {"pbx1": 50, "pbx2": 39, "Total": 89},
        ("COUNTCHANNELS", "BOREAL"): {"pbx1": 12, "pbx2": 0, "Total": 12},
        ("INFO regstate", "ACME"): "UNAVAILABLE",
        ("INFO extensions", "BOREAL"): [
            {"ex_number": "100", "st_state": "UNAVAILABLE"},
            {"ex_number": "101", "st_state": "UNKNOWN"},
        ],
    }
    stage.switch.said |= said
    await _look_after(stage, (5 * MINUTE, HOUR), "trouble")
    stage.switch.said.clear()
    await _look_after(stage, (10 * MINUTE, HOUR // 2), "over")


# Discovery


def _prepare_discovery(stage: Stage) -> None:
    stage.add_switch(*CODES[:6])
    off = {"interval": "off", "tenant_interval": "off"}
    queries = {
        "peers": {"interval": "off"},
        "channels": {"tenant_interval": "off"},
        "calls": off,
        "license": {"interval": "off"},
        "balance": {"tenant_interval": "5m"},
        "tenants": {"interval": "5m"},
        "extensions": {"tenant_interval": "5m"},
    }
    discover = {"enabled": True, "include": [".*"], "exclude": ["X.*"]}
    defaults = {"extensions": "all", "labels": {"team": "noc"}}
    settings = _settings(stage, queries=queries, discover_tenants=discover, tenant_defaults=defaults)
    _write(stage, settings | {"tenants": [{"code": "ACME", "watch": ["100"]}]})


def _rows(codes: Iterable[str], **more: object) -> list[Mapping[str, object]]:
    return [{"te_code": code, "te_name": f"Name of {code}", **more} for code in sorted(codes)]


_LIST_EVERY = 5 * MINUTE
_LISTS: Mapping[str, object] = {
    "five": _rows(CODES[:5]),
    "five again": _rows(CODES[:5]),
    "six": _rows(CODES[:6]),
    "one excluded": _rows((*CODES[:6], "XTRA")),
    "one disabled": [*_rows(CODES[:5]), *_rows(CODES[5:6], te_disabled="1")],
    "one more": [*_rows(CODES[:6]), {"te_code": "NEW", "te_name": "New & Sons"}],
    "a half": _rows(CODES[:2]),
    "the other half": _rows(CODES[2:4]),
    "two": _rows(CODES[:2]),
    "two again": _rows(CODES[:2]),
    "two once more": _rows(CODES[:2]),
    "two for good": _rows(CODES[:2]),
    "all": _rows(CODES),
    "empty": [],
    "empty again": "]",
    "no codes": [{"te_name": "no code"}],
    "a sentence": "You may not do this",
    "no tenant twice": [*_rows(CODES[:6]), *_rows(CODES[:1])],
}


async def _lists_of_tenants(stage: Stage) -> None:
    await _look_after(stage, (MINUTE,), "six")
    for name, rows in _LISTS.items():
        stage.switch.said["MANAGEDB", ""] = rows
        await _look_after(stage, (_LIST_EVERY,), name)
    stage.switch.said.clear()
    for fault in ("hangs before the headers", "the refusal", "a login page", "a server error", "resets"):
        stage.switch.break_down(FAULTS[fault][0], ("MANAGEDB",))
        await _look_after(stage, (12 * MINUTE,), fault)
        stage.switch.faults.clear()
        await asyncio.sleep(2 * _LIST_EVERY)
    await stage.look("well again")


async def _lists_of_extensions(stage: Stage) -> None:
    await _look_after(stage, (MINUTE,), "two")
    lists: Mapping[str, object] = {
        "three": [{"ex_number": number, "st_state": "NOT_INUSE"} for number in ("100", "101", "102")],
        "one": [{"ex_number": "100", "st_state": "UNAVAILABLE"}],
        "one again": [{"ex_number": "100", "st_state": "UNKNOWN"}],
        "none": [],
        "none again": [],
        "odd": [{"ex_number": 'a"b', "st_state": "Weird"}, {"ex_number": "é", "st_state": ""}],
        "a sentence": "No such thing",
    }
    for name, rows in lists.items():
        stage.switch.said["INFO extensions", "BOREAL"] = rows
        await _look_after(stage, (6 * MINUTE,), name)


# Reloads


async def _reloads(stage: Stage) -> None:
    await _look_after(stage, (5 * MINUTE,), "first")
    settings = _settings(stage)
    changed = settings | {
        "tenants": [*settings["tenants"][3:], {"code": "UNREACHABLE_URL"}],
        "thresholds": {"license": {"warning": "300d"}, "balance": "off"},
        "queries": {"calls": {"interval": "off"}, "balance": {"tenant_interval": "1m"}},
        "nodes": ["pbx1"],
        "stale_after": 2,
    }
    changes: Mapping[str, Callable[[], object]] = {
        "broken": lambda: stage.configure("switches: [{name: pbx, urll: x}]"),
        "changed": lambda: _write(stage, changed),
        "two switches": lambda: _write(stage, changed, settings | {"name": "second"}),
        "other labels": lambda: _write(
            stage, settings | {"tenant_defaults": {"labels": {"region": "north"}}}
        ),
        "no alerting": lambda: stage.configure(json.dumps({"switches": [settings]})),
        "as at first": lambda: _write(stage, settings),
    }
    for number, (name, change) in enumerate(changes.items()):
        change()
        if number % 2:
            stage.signal_reload()
        else:
            stage.write(f"reload-{number}.answer", await stage.get("/-/reload", method="POST"))
        await _look_after(stage, (5, 10 * MINUTE), name)


# Forms of answers


def _prepare_shapes(stage: Stage) -> None:
    switches = []
    for shape in SHAPES:
        switch = stage.add_switch()
        answers = PrimeSwitch(shape)

        async def answer(exchange: Exchange, answers: PrimeSwitch = answers) -> None:
            said = answers.answer(dict(parse_qsl(exchange.query_string)))
            text = ("No such request" if said is None else said).encode()
            await body(text)(exchange)

        switch.tenants = TENANTS
        switch.break_down(answer)
        tenants = [
            {"code": code, "extensions": [*WORDS], **({"key": OWN_KEY[code]} if code in OWN_KEY else {})}
            for code in TENANTS
        ]
        queries = {
            query: dict.fromkeys(intervals, "1m")
            for query, intervals in QUERIES.items()
            if query not in {"tenants", "extensions"}
        }
        switches.append(
            {
                "name": shape.name,
                "url": switch.url,
                "key": "demo-admin",
                "tenants": tenants,
                "queries": queries,
                "nodes": ["pbx1", "pbx9"],
            }
        )
    _write(stage, *switches)


_SENTENCES = {
    "license": {"pattern": r"in (-?\d+) days"},
    "calls": {"pattern": r"(\d+) calls", "empty": "error"},
    "balance": {"pattern": r"(-?[\d.]+) EUR"},
    "peers": {"total_name": "Insgesamt", "tenant_interval": "2m"},
    "limits": {"tenant_interval": "5m"},
    "registrations": {"words": {"registered": ["Angemeldet"], "unregistered": ["Abgemeldet"]}},
}


def _prepare_sentences(stage: Stage) -> None:
    switch = stage.add_switch(*CODES[:3])
    switch.said |= {
        ("LICENSEDAYS", ""): "Your license expires in 42 days",
        ("COUNTCALLS", ""): "There are 7 calls",
        ("COUNTCALLS", "ACME"): "",
        ("COUNTPEERS", ""): {"pbx1": 3, "pbx2": 5, "Insgesamt": 8},
        ("INFO balance", "ACME"): "You have -12.5 EUR",
        ("INFO regstate", "ACME"): "Angemeldet",
        ("INFO config", "ACME"): "30|-1|4|-1|5|-1|0|",
    }
    _write(stage, _settings(stage, queries=_SENTENCES))


def daemons() -> dict[str, Daemon]:
    """Return every scenario of the daemon."""
    limits = {"tenant_interval": "5m"}
    return {
        **{f"matrix-{part}": _matrix(part, 4) for part in range(4)},
        "all-faults-at-once": Daemon(_prepare_all_faults, _all_faults_at_once),
        "day-well": Daemon(_polling(), _wait_and_look),
        "day-debug-json": Daemon(_polling(*CODES[:3]), _wait_and_look, ("--log.level=debug",)),
        "day-one-tenant-refused": _bad_day(_REFUSED, tenants=("FJORD",)),
        "day-third-refused": _bad_day(_REFUSED, tenants=("BOREAL", "EIDER", "HAVEN")),
        "day-peers-hang": _bad_day(_hang, ("COUNTPEERS",)),
        "day-one-tenant-hangs": _bad_day(_hang, tenants=("FJORD",)),
        "day-all-hang": _bad_day(_hang),
        "day-license-fails-twice": _bad_day(times(2, status("500 Oops")), ("LICENSEDAYS",)),
        "day-html": _bad_day(_HTML),
        "day-429": _bad_day(status("429 Too Many Requests", "Retry-After: 300")),
        "day-503": _bad_day(status("503 Unavailable")),
        "day-resets": _bad_day(raw(b"")),
        "day-down": Daemon(_polling(), _down),
        "day-slow": Daemon(_polling(max_concurrency=2, timeout="20s"), _slow),
        "day-key-exchanged": Daemon(_prepare_key_file, _exchange_key),
        "day-wrong-key": _wrong_key(key="wrong"),
        "day-no-admin-key": _wrong_key(key=None, tenants=[{"code": "ACME", "key": KEY}]),
        "day-wrong-tenant-key": _wrong_key(
            tenants=[*({"code": code} for code in CODES[1:]), {"code": "ACME", "key": "wrong"}]
        ),
        "day-rate": Daemon(_polling(max_requests_per_second=0.1, queries={"limits": limits}), _wait_and_look),
        "day-max-series": Daemon(_polling(max_series=120, queries={"limits": limits}), _wait_and_look),
        "day-trouble": Daemon(_polling(queries={"limits": limits}), _trouble),
        "day-alertmanager-fails": Daemon(_polling(*CODES[:3]), _an_alertmanager_that_fails),
        "discovery-tenants": Daemon(_prepare_discovery, _lists_of_tenants),
        "discovery-extensions": Daemon(_prepare_discovery, _lists_of_extensions),
        "source-extensions": _bad_day(
            _HTML,
            ("INFO extensions",),
            queries={"registrations": {"source": "extensions"}},
        ),
        "source-peers": _bad_day(
            _HTML, ("CHANSIPPEERS",), lasts=HOUR // 2, queries={"registrations": {"source": "peers"}}
        ),
        "reloads": Daemon(_polling(), _reloads, ("--web.enable-lifecycle",)),
        "shapes": Daemon(_prepare_shapes, _wait_and_look),
        "sentences": Daemon(_prepare_sentences, _wait_and_look),
    }
