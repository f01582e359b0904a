"""Scenarios of the daemon: the fault matrix, single faults, discovery, reloads, alerts, limits."""

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from tests.e2e import fault_matrix
from tests.e2e.fake_switch import REFUSAL, Exchange, Fault
from tests.e2e.outside.harness import (
    OPERATIONS,
    Harness,
    Prepare,
    Scenario,
    Steps,
    delayed,
    limited,
    refusing_keys_except,
)
from tests.e2e.response_faults import COLUMNS, FAULTS, QUERIES, body, raw, status
from tests.e2e.unique_values import FORMATS, STATE_NAMES, TENANT_KEYS, TENANTS, UniqueValueSwitch

MINUTE, HOUR = 60, 3600
KEY = "admin-key-of-the-recording"
ODD_KEY = 's3cr3t+Key/with&odd=chars%"<ü>0fk3y'
CODES = ("ACME", "BOREAL", "CINDER", "DELTA9", "EIDER", "FJORD", "GLADE", "HAVEN", "INDIGO")

_COMMAND = ("--config.file=config.yaml", "--web.listen-address=127.0.0.1:{port}", "--log.format=json")
_REFUSED = body(REFUSAL)
_LOGIN_PAGE = body(
    "<!DOCTYPE html>\n<html><head><title>Login</title></head><body><form></form></body></html>"
)


def _daemon(prepare: Prepare, steps: Steps, *flags: str) -> Scenario:
    return Scenario((*_COMMAND, *flags), prepare, steps)


def _settings(harness: Harness, **more: Any) -> dict[str, Any]:
    tenants: list[dict[str, Any]] = [{"code": code} for code in harness.switch.tenants]
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
        "url": harness.switch.url,
        "key": KEY,
        "nodes": ["pbx1", {"name": "pbx2", "channels_limit": 40}, "pbx3"],
        "tenant_defaults": {"labels": {"team": "noc"}},
        "tenants": tenants,
        **more,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _write(harness: Harness, *switches: dict[str, Any], **sections: Any) -> None:
    sections = {"alerting": harness.alerting(labels={"site": "eu"}), **sections}
    harness.configure(json.dumps({"switches": switches, **sections}, ensure_ascii=False, indent=1))


def _polling(*codes: str, **more: Any) -> Prepare:
    """Poll these tenants with the default intervals, with more settings of the switch."""

    def prepare(harness: Harness) -> None:
        harness.add_switch(*(codes or CODES))
        _write(harness, _settings(harness, **more))

    return prepare


# The fault matrix


def _prepare_matrix(harness: Harness) -> None:
    harness.add_switch(*fault_matrix.CODES, *fault_matrix.LISTED)
    harness.configure(fault_matrix.configuration(harness.switch.url, ODD_KEY, alerting=harness.alerting()))


def _matrix(first: int, step: int) -> Scenario:
    """Run every ``step``-th round of the fault matrix."""

    async def steps(harness: Harness) -> None:
        await harness.look_after("well", 3 * int(fault_matrix.INTERVAL))
        for number in range(first, len(FAULTS), step):
            faults = fault_matrix.faults_of_round(number)
            for column, fault in faults.items():
                harness.switch.faults[COLUMNS[column].request] = FAULTS[fault][0]
            await asyncio.sleep(30)
            if not number % 3:
                harness.signal_reload()
            await asyncio.sleep(75)
            await harness.look(f"round {number}", everything=False)
            harness.switch.faults.clear()
            await asyncio.sleep(2.5 * MINUTE)
        await harness.look("well again")

    return _daemon(_prepare_matrix, steps, "--log.level=debug")


async def _all_faults_at_once(harness: Harness) -> None:
    # The load of the machine decides how much of these is read by when. The matrix covers them.
    faults = [fault for name, (fault, _) in FAULTS.items() if not re.search("endless|continue", name)]
    for fault, code in zip(faults, harness.switch.tenants, strict=False):
        harness.switch.fail(fault, OPERATIONS, (code,))
    await harness.look_after("all faults", 30, 3 * MINUTE)
    harness.signal_reload()
    await harness.look_after("all faults after a reload", 30)
    harness.switch.faults.clear()
    await harness.look_after("well again", 5 * MINUTE)


def _prepare_all_faults(harness: Harness) -> None:
    harness.add_switch(*(f"T{number:02}" for number in range(len(FAULTS))), "S0", "S1", "S2")
    queries = {query: dict.fromkeys(intervals, "1m") for query, intervals in QUERIES.items()}
    queries["registrations"]["source"] = "extensions"
    queries["tenants"]["interval"] = "off"
    more = {"timeout": "5s", "max_concurrency": 40, "max_requests_per_second": 100}
    defaults = {"extensions": ["100"]}
    tenants = [{"code": code} for code in harness.switch.tenants]
    _write(harness, _settings(harness, queries=queries, tenants=tenants, tenant_defaults=defaults, **more))


# Single faults


def _failing(
    fault: Fault,
    operations: Iterable[str] = OPERATIONS,
    tenants: Iterable[str] = (),
    **more: Any,
) -> Scenario:
    """Apply a fault after ten minutes, for half an hour."""

    async def steps(harness: Harness) -> None:
        await harness.look_after("well", 10 * MINUTE)
        harness.switch.fail(fault, operations, tenants)
        await harness.look_after("bad", 90, 5 * MINUTE, 15 * MINUTE, HOUR // 2)
        harness.switch.faults.clear()
        await harness.look_after("healing", 90, 20 * MINUTE)

    return _daemon(_polling(**more), steps)


async def _down(harness: Harness) -> None:
    await harness.look_after("well", 10 * MINUTE)
    harness.switch.listener.close()
    await harness.look_after("down", 90, 10 * MINUTE, HOUR // 2)
    await harness.switch.listener.open()
    await harness.look_after("up", 90, 20 * MINUTE)


def _write_key(key: str) -> None:
    Path("key").write_text(f"{key}\n")


def _prepare_key_file(harness: Harness) -> None:
    harness.add_switch(*CODES)
    _write_key("the-first-key")
    _write(harness, _settings(harness, key=None, key_file="key"))


async def _rotate_key(harness: Harness) -> None:
    valid = {"the-first-key"}
    harness.switch.fail(refusing_keys_except(valid))
    await harness.look_after("well", 15 * MINUTE)
    valid.clear()
    valid.add("the-second-key")
    await harness.look_after("refused", 90, HOUR // 2)
    _write_key("the-second-key")
    await harness.look_after("the new key", 5, 15 * MINUTE)


def _wrong_key(**more: Any) -> Scenario:
    async def steps(harness: Harness) -> None:
        harness.switch.fail(refusing_keys_except({KEY}))
        await harness.look_after("a wrong key", MINUTE, HOUR // 2)

    return _daemon(_polling(**more), steps)


async def _slow(harness: Harness) -> None:
    harness.switch.fail(delayed(7))
    await harness.look_after("slow", 5 * MINUTE, HOUR // 2)


async def _idle(harness: Harness) -> None:
    await harness.look_after("well", 10, MINUTE, 10 * MINUTE, HOUR // 2)


async def _fail_alertmanager(harness: Harness) -> None:
    await harness.look_after("well", 10 * MINUTE)
    for response in ("500 Internal Server Error", "400 Bad Request", "429 Too Many Requests", "200 OK"):
        harness.alertmanager.status = response
        await harness.look_after(response.partition(" ")[0], 10 * MINUTE)


async def _trouble(harness: Harness) -> None:
    """Make every kind of alert fire and resolve: license, balance, registrations, nodes, channels."""
    await harness.look_after("well", 10 * MINUTE)
    harness.switch.responses |= {
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
    await harness.look_after("trouble", 5 * MINUTE, HOUR)
    harness.switch.responses.clear()
    await harness.look_after("over", 10 * MINUTE, HOUR // 2)


# Discovery


def _prepare_discovery(harness: Harness) -> None:
    harness.add_switch(*CODES[:6])
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
    settings = _settings(harness, queries=queries, discover_tenants=discover, tenant_defaults=defaults)
    _write(harness, settings | {"tenants": [{"code": "ACME", "watch": ["100"]}]})


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


async def _lists_of_tenants(harness: Harness) -> None:
    await harness.look_after("six", MINUTE)
    for name, rows in _LISTS.items():
        harness.switch.responses["MANAGEDB", ""] = rows
        await harness.look_after(name, _LIST_EVERY)
    harness.switch.responses.clear()
    for fault in ("hangs before the headers", "the refusal", "a login page", "a server error", "resets"):
        harness.switch.fail(FAULTS[fault][0], ("MANAGEDB",))
        await harness.look_after(fault, 12 * MINUTE)
        harness.switch.faults.clear()
        await asyncio.sleep(2 * _LIST_EVERY)
    await harness.look("well again")


async def _lists_of_extensions(harness: Harness) -> None:
    await harness.look_after("two", MINUTE)
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
        harness.switch.responses["INFO extensions", "BOREAL"] = rows
        await harness.look_after(name, 6 * MINUTE)


# Reloads


async def _reloads(harness: Harness) -> None:
    await harness.look_after("first", 5 * MINUTE)
    settings = _settings(harness)
    changed = settings | {
        "tenants": [*settings["tenants"][3:], {"code": "NOBODY"}],
        "thresholds": {"license": {"warning": "300d"}, "balance": "off"},
        "queries": {"calls": {"interval": "off"}, "balance": {"tenant_interval": "1m"}},
        "nodes": ["pbx1"],
        "stale_after": 2,
    }
    changes: Mapping[str, Callable[[], object]] = {
        "broken": lambda: harness.configure("switches: [{name: pbx, urll: x}]"),
        "changed": lambda: _write(harness, changed),
        "two switches": lambda: _write(harness, changed, settings | {"name": "second"}),
        "other labels": lambda: _write(
            harness, settings | {"tenant_defaults": {"labels": {"region": "north"}}}
        ),
        "no alerting": lambda: harness.configure(json.dumps({"switches": [settings]})),
        "as at first": lambda: _write(harness, settings),
    }
    for number, (name, change) in enumerate(changes.items()):
        change()
        if number % 2:
            harness.signal_reload()
        else:
            harness.write(f"reload-{number}.answer", await harness.get("/-/reload", method="POST"))
        await harness.look_after(name, 5, 10 * MINUTE)


# Formats of responses


def _prepare_shapes(harness: Harness) -> None:
    switches = []
    for shape in FORMATS:
        switch = harness.add_switch()
        responses = UniqueValueSwitch(shape)

        async def respond(exchange: Exchange, responses: UniqueValueSwitch = responses) -> None:
            text = responses.respond(dict(parse_qsl(exchange.query_string)))
            await body(("No such request" if text is None else text).encode())(exchange)

        switch.tenants = TENANTS
        switch.fail(respond)
        tenants = [
            {"code": code, "extensions": [*STATE_NAMES]}
            | ({"key": TENANT_KEYS[code]} if code in TENANT_KEYS else {})
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
    _write(harness, *switches)


_SENTENCES = {
    "license": {"pattern": r"in (-?\d+) days"},
    "calls": {"pattern": r"(\d+) calls", "empty": "error"},
    "balance": {"pattern": r"(-?[\d.]+) EUR"},
    "peers": {"total_name": "Insgesamt", "tenant_interval": "2m"},
    "limits": {"tenant_interval": "5m"},
    "registrations": {"words": {"registered": ["Angemeldet"], "unregistered": ["Abgemeldet"]}},
}


def _prepare_sentences(harness: Harness) -> None:
    switch = harness.add_switch(*CODES[:3])
    switch.responses |= {
        ("LICENSEDAYS", ""): "Your license expires in 42 days",
        ("COUNTCALLS", ""): "There are 7 calls",
        ("COUNTCALLS", "ACME"): "",
        ("COUNTPEERS", ""): {"pbx1": 3, "pbx2": 5, "Insgesamt": 8},
        ("INFO balance", "ACME"): "You have -12.5 EUR",
        ("INFO regstate", "ACME"): "Angemeldet",
        ("INFO config", "ACME"): "30|-1|4|-1|5|-1|0|",
    }
    _write(harness, _settings(harness, queries=_SENTENCES))


def daemons() -> dict[str, Scenario]:
    """Return the scenarios of the daemon."""
    limits = {"tenant_interval": "5m"}
    return {
        **{f"matrix-{part}": _matrix(part, 4) for part in range(4)},
        "all-faults-at-once": _daemon(_prepare_all_faults, _all_faults_at_once),
        "day-well": _daemon(_polling(), _idle),
        "day-debug-json": _daemon(_polling(*CODES[:3]), _idle, "--log.level=debug"),
        "day-one-tenant-refused": _failing(_REFUSED, tenants=("FJORD",)),
        "day-third-refused": _failing(_REFUSED, tenants=("BOREAL", "EIDER", "HAVEN")),
        "day-peers-hang": _failing(Exchange.wait, ("COUNTPEERS",)),
        "day-one-tenant-hangs": _failing(Exchange.wait, tenants=("FJORD",)),
        "day-all-hang": _failing(Exchange.wait),
        "day-license-fails-twice": _failing(limited(status("500 Oops"), 2), ("LICENSEDAYS",)),
        "day-html": _failing(_LOGIN_PAGE),
        "day-429": _failing(status("429 Too Many Requests", "Retry-After: 300")),
        "day-503": _failing(status("503 Unavailable")),
        "day-resets": _failing(raw(b"")),
        "day-down": _daemon(_polling(), _down),
        "day-slow": _daemon(_polling(max_concurrency=2, timeout="20s"), _slow),
        "day-key-exchanged": _daemon(_prepare_key_file, _rotate_key),
        "day-wrong-key": _wrong_key(key="wrong"),
        "day-no-admin-key": _wrong_key(key=None, tenants=[{"code": "ACME", "key": KEY}]),
        "day-wrong-tenant-key": _wrong_key(
            tenants=[*({"code": code} for code in CODES[1:]), {"code": "ACME", "key": "wrong"}]
        ),
        "day-rate": _daemon(_polling(max_requests_per_second=0.1, queries={"limits": limits}), _idle),
        "day-max-series": _daemon(_polling(max_series=120, queries={"limits": limits}), _idle),
        "day-trouble": _daemon(_polling(queries={"limits": limits}), _trouble),
        "day-alertmanager-fails": _daemon(_polling(*CODES[:3]), _fail_alertmanager),
        "discovery-tenants": _daemon(_prepare_discovery, _lists_of_tenants),
        "discovery-extensions": _daemon(_prepare_discovery, _lists_of_extensions),
        "source-extensions": _failing(
            _LOGIN_PAGE, ("INFO extensions",), queries={"registrations": {"source": "extensions"}}
        ),
        "source-peers": _failing(
            _LOGIN_PAGE, ("CHANSIPPEERS",), queries={"registrations": {"source": "peers"}}
        ),
        "reloads": _daemon(_polling(), _reloads, "--web.enable-lifecycle"),
        "shapes": _daemon(_prepare_shapes, _idle),
        "sentences": _daemon(_prepare_sentences, _idle),
    }
