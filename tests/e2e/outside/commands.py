"""Scenarios of the commands: --config.check, probe, test-alert, simulate, demo, --help."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.outside.harness import Harness, Prepare, Scenario, refusing_keys_except
from tests.e2e.response_faults import FAULTS

KEY = "admin-key-of-the-recording"
_EXAMPLE = Path(__file__).resolve().parents[3] / "config.example.yaml"
_CONFIGURATIONS = Path(__file__).with_name("configurations")
_FILE = "--config.file=config.yaml"


def _configured(text: str) -> Prepare:
    return lambda harness: harness.configure(text)


def _checks() -> dict[str, Scenario]:
    check = (_FILE, "--config.check")
    example = _EXAMPLE.read_text(encoding="utf-8")
    files = {
        "example": example,
        "example-with-a-key": example.replace("replace-with-your-key", "abc"),
        **{file.stem: file.read_text(encoding="utf-8") for file in sorted(_CONFIGURATIONS.glob("*.yaml"))},
    }
    scenarios = {f"check-{name}": Scenario(check, _configured(text)) for name, text in files.items()}
    return scenarios | {"check-no-file": Scenario(check)}


# probe

_UNEXPECTED_RESPONSES: Mapping[tuple[str, str], object] = {
    ("LICENSEDAYS", ""): "Your license expires in 42 days",
    ("COUNTPEERS", ""): {"pbx1": 3, "pbx2": 5, "Insgesamt": 8},
    ("COUNTCALLS", ""): "",
    ("CHANSIPPEERS", ""): "Not for you",
    ("INFO regstate", "ACME"): "Angemeldet",
    ("INFO balance", "ACME"): "12.50 EUR",
}
_FAULTS = {
    ("COUNTPEERS", ""): "a login page",
    ("COUNTCHANNELS", ""): "random bytes",
    ("LICENSEDAYS", ""): "a redirect",
    ("INFO balance", "ACME"): "a JSON error",
    ("INFO regstate", "ACME"): "the refusal",
    ("INFO extensions", "ACME"): "half of the truth",
    ("MANAGEDB", ""): "a PHP warning before the truth",
    ("CHANSIPPEERS", ""): "resets after the headers",
}
_HANGS = {("COUNTPEERS", ""): "hangs before the headers", ("COUNTCALLS", ""): "hangs in the body"}
_QUERIES = (
    "peers",
    "channels",
    "calls",
    "license",
    "balance",
    "registrations",
    "limits",
    "tenants",
    "extensions",
)


def _probe(
    *flags: str,
    faults: Mapping[tuple[str, str], str] | None = None,
    responses: Mapping[tuple[str, str], object] | None = None,
    key: str = "",
    **settings: Any,
) -> Scenario:
    """Probe a switch with these faults and responses; with a ``key`` it refuses all others."""
    applied = {request: FAULTS[name][0] for request, name in (faults or {}).items()}

    def prepare(harness: Harness) -> None:
        switch = harness.add_switch("ACME", "BOREAL")
        switch.responses |= responses or {}
        switch.faults |= applied
        if key:
            switch.fail(refusing_keys_except({key}))
        tenants = [{"code": "ACME", "extensions": ["100"]}]
        section = {"name": "pbx", "url": switch.url, "key": KEY, "tenants": tenants, **settings}
        harness.configure(json.dumps({"switches": [section]}))

    return Scenario(("probe", _FILE, *flags), prepare)


def _probes() -> dict[str, Scenario]:
    tenant = "--tenant=ACME"
    phone = (tenant, "--extension=101")
    return {
        "probe-all": _probe(),
        "probe-odd-answers": _probe(responses=_UNEXPECTED_RESPONSES),
        "probe-broken": _probe(faults=_FAULTS),
        "probe-refused": _probe(key="another"),
        "probe-hangs": _probe(faults=_HANGS),
        "probe-tenant": _probe(tenant),
        "probe-phone": _probe(*phone),
        "probe-phone-in-a-list": _probe(*phone, queries={"registrations": {"source": "extensions"}}),
        "probe-phone-in-peers": _probe(*phone, queries={"registrations": {"source": "peers"}}),
        **{f"probe-{query}": _probe(f"--query={query}") for query in _QUERIES},
        **{f"probe-{query}-of-tenant": _probe(f"--query={query}", tenant) for query in _QUERIES},
        "probe-other-switch": _probe("--switch=other"),
        "probe-without-file": Scenario(("probe",)),
        "probe-unknown-query": _probe("--query=nothing"),
        "probe-down": _probe("--query=license", url="http://127.0.0.1:1/x"),
    }


# Other commands

_SIMULATOR_REQUESTS = (
    "reqtype=COUNTPEERS&format=json",
    "reqtype=COUNTPEERS",
    "reqtype=COUNTPEERS&format=json&tenant=ACME",
    "reqtype=COUNTCHANNELS&format=json",
    "reqtype=COUNTCHANNELS&format=json&nodename=pbx1",
    "reqtype=COUNTCHANNELS&tenant=ACME",
    "reqtype=COUNTCALLS",
    "reqtype=COUNTCALLS&tenant=ACME",
    "reqtype=LICENSEDAYS",
    "reqtype=INFO&info=balance&tenant=ACME",
    "reqtype=INFO&info=regstate&format=json&tenant=ACME&ext=100",
    "reqtype=INFO&info=regstate&tenant=ACME&ext=100",
    "reqtype=INFO&info=extensions&format=json&tenant=ACME",
    "reqtype=INFO&info=extensions&tenant=ACME",
    "reqtype=INFO&info=config&format=json&tenant=ACME",
    "reqtype=INFO&info=config&tenant=ACME",
    "reqtype=MANAGEDB&object=tenant&action=list&format=json",
    "reqtype=MANAGEDB&object=tenant&action=list",
    "reqtype=CHANSIPPEERS&format=json",
    "reqtype=CHANSIPPEERS",
    "reqtype=INFO&info=balance&tenant=NOBODY",
    "reqtype=HANGUP&channel=x",
    "reqtype=NOTHING",
)


async def _query_simulator(harness: Harness) -> None:
    """Send every request with each key, and once more after a minute; then read the control interface."""

    async def get(name: str, path: str) -> None:
        harness.write(f"{name}.answer", await harness.get(path))

    for number, request in enumerate(_SIMULATOR_REQUESTS):
        for key in ("demo-admin", "demo-tenant-ACME", "wrong"):
            await get(f"asked-{number:02}-{key}", f"/pbx/proxyapi.php?key={key}&{request}")
    await asyncio.sleep(60)
    for number, request in enumerate(_SIMULATOR_REQUESTS):
        await get(f"later-{number:02}", f"/pbx/proxyapi.php?key=demo-admin&{request}")
    for name in ("truth", "requests", "faults"):
        await get(name, f"/simulator/{name}")
    await get("page", "/")


async def _record_demo(harness: Harness) -> None:
    for label in ("first", "second", "third"):
        await asyncio.sleep(20)
        await harness.look(label)


def _test_alert(status: str) -> Scenario:
    def prepare(harness: Harness) -> None:
        harness.alertmanager.status = status
        switch = {"name": "pbx", "url": "http://127.0.0.1:1/x", "key": KEY}
        harness.configure(json.dumps({"switches": [switch], "alerting": harness.alerting()}))

    return Scenario(("test-alert", _FILE), prepare)


def _others() -> dict[str, Scenario]:
    simulate = ("simulate", "--listen=127.0.0.1:{port}", "--tenants=4", "--extensions=3")
    sentences = ("--license=sentence", "--channels=total", "--regstate-parameter=id", "--latency=2")
    demo = ("demo", "--port={port}", "--simulator-port={simulator_port}")
    return {
        "help": Scenario(("--help",)),
        **{
            f"help-{command}": Scenario((command, "--help"))
            for command in ("probe", "healthcheck", "simulate", "demo", "test-alert")
        },
        "version": Scenario(("--version",)),
        "without-arguments": Scenario(()),
        "bad-flag": Scenario(("--config.fil=x",)),
        "bad-port": Scenario(("--config.file=x", "--web.listen-address=x")),
        "start-no-file": Scenario((_FILE,)),
        "start-bad-file": Scenario((_FILE,), _configured("switches: [{name: pbx, urll: x}]")),
        "healthcheck-nobody": Scenario(("healthcheck", "--web.listen-address=127.0.0.1:{port}")),
        "test-alert": _test_alert("200 OK"),
        "test-alert-refused": _test_alert("400 Bad Request"),
        "simulate": Scenario(simulate, steps=_query_simulator),
        "simulate-sentences": Scenario((*simulate, *sentences), steps=_query_simulator),
        "demo": Scenario(demo, steps=_record_demo),
    }


def commands() -> dict[str, Scenario]:
    """Return the scenarios of the commands."""
    return {**_checks(), **_probes(), **_others()}
