"""Scenarios of the commands: --config.check, probe, test-alert, simulate, --help."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.outside.stage import Stage, locked
from tests.e2e.response_faults import FAULTS

KEY = "admin-key-of-the-recording"
_EXAMPLE = Path(__file__).resolve().parents[3] / "config.example.yaml"


@dataclass(frozen=True)
class Command:
    """A run of the program that ends by itself, or after its ``story``."""

    arguments: tuple[str, ...]
    prepare: Callable[[Stage], None] = lambda _: None
    story: Callable[[Stage], Awaitable[None]] | None = None


_CONFIGURATIONS = Path(__file__).with_name("configurations")


def _with(text: str) -> Callable[[Stage], None]:
    return lambda stage: stage.configure(text)


def _checks() -> dict[str, Command]:
    check = ("--config.file=config.yaml", "--config.check")
    example = _EXAMPLE.read_text(encoding="utf-8")
    filled = example.replace("replace-with-your-key", "abc")
    return {
        "check-example": Command(check, _with(example)),
        "check-example-with-a-key": Command(check, _with(filled)),
        **{
            f"check-{file.stem}": Command(check, _with(file.read_text(encoding="utf-8")))
            for file in sorted(_CONFIGURATIONS.glob("*.yaml"))
        },
        "check-no-file": Command(check),
    }


# probe


def _probed(
    faults: Mapping[tuple[str, str], str] | None = None,
    said: Mapping[tuple[str, str], object] | None = None,
    lock: str = "",
    **settings: Any,
) -> Callable[[Stage], None]:
    def prepare(stage: Stage) -> None:
        switch = stage.add_switch("ACME", "BOREAL")
        switch.said |= said or {}
        switch.faults |= {asked: FAULTS[name][0] for asked, name in (faults or {}).items()}
        if lock:
            switch.break_down(locked({lock}))
        tenants = [{"code": "ACME", "extensions": ["100"]}]
        of_switch = {"name": "pbx", "url": switch.url, "key": KEY, "tenants": tenants, **settings}
        stage.configure(json.dumps({"switches": [of_switch]}))

    return prepare


_ODD_ANSWERS: Mapping[tuple[str, str], object] = {
    ("LICENSEDAYS", ""): "Your license expires in 42 days",
    ("COUNTPEERS", ""): {"pbx1": 3, "pbx2": 5, "Insgesamt": 8},
    ("COUNTCALLS", ""): "",
    ("CHANSIPPEERS", ""): "Not for you",
    ("INFO regstate", "ACME"): "Angemeldet",
    ("INFO balance", "ACME"): "12.50 EUR",
}


def _probes() -> dict[str, Command]:
    probe = ("probe", "--config.file=config.yaml")
    tenant = "--tenant=ACME"
    queries = (
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
    broken = {
        ("COUNTPEERS", ""): "a login page",
        ("COUNTCHANNELS", ""): "random bytes",
        ("LICENSEDAYS", ""): "a redirect",
        ("INFO balance", "ACME"): "a JSON complaint",
        ("INFO regstate", "ACME"): "the refusal",
        ("INFO extensions", "ACME"): "half of the truth",
        ("MANAGEDB", ""): "a PHP warning before the truth",
        ("CHANSIPPEERS", ""): "resets after the headers",
    }
    return {
        "probe-all": Command(probe, _probed()),
        "probe-odd-answers": Command(probe, _probed(said=_ODD_ANSWERS)),
        "probe-broken": Command(probe, _probed(broken)),
        "probe-refused": Command(probe, _probed(lock="another")),
        "probe-hangs": Command(
            probe,
            _probed(
                {("COUNTPEERS", ""): "hangs before the headers", ("COUNTCALLS", ""): "hangs in the body"}
            ),
        ),
        "probe-tenant": Command((*probe, tenant), _probed()),
        "probe-phone": Command((*probe, tenant, "--extension=101"), _probed()),
        "probe-phone-in-a-list": Command(
            (*probe, tenant, "--extension=101"), _probed(queries={"registrations": {"source": "extensions"}})
        ),
        "probe-phone-in-peers": Command(
            (*probe, tenant, "--extension=101"), _probed(queries={"registrations": {"source": "peers"}})
        ),
        **{f"probe-{query}": Command((*probe, f"--query={query}"), _probed()) for query in queries},
        **{
            f"probe-{query}-of-tenant": Command((*probe, f"--query={query}", tenant), _probed())
            for query in queries
        },
        "probe-other-switch": Command((*probe, "--switch=other"), _probed()),
        "probe-without-file": Command(("probe",)),
        "probe-unknown-query": Command((*probe, "--query=nothing"), _probed()),
        "probe-down": Command((*probe, "--query=license"), _probed(url=f"http://127.0.0.1:{1}/x")),
    }


# Other commands


def _with_alertmanager(answer: str) -> Callable[[Stage], None]:
    def prepare(stage: Stage) -> None:
        stage.alertmanager.status = answer
        switch = {"name": "pbx", "url": "http://127.0.0.1:1/x", "key": KEY}
        stage.configure(json.dumps({"switches": [switch], "alerting": stage.alerting()}))

    return prepare


_ASKED = (
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
    "reqtype=INFO&info=balance&tenant=UNREACHABLE_URL",
    "reqtype=HANGUP&channel=x",
    "reqtype=NOTHING",
)


async def _ask_simulator(stage: Stage) -> None:
    """Ask everything of the simulator, with each key, with faults, after changes of its world."""

    async def ask(label: str, path: str, method: str = "GET") -> None:
        stage.write(f"{label}.answer", await stage.get(path, method=method))

    for number, asked in enumerate(_ASKED):
        for key in ("demo-admin", "demo-tenant-ACME", "wrong"):
            await ask(f"asked-{number:02}-{key}", f"/pbx/proxyapi.php?key={key}&{asked}")
    await asyncio.sleep(60)
    for number, asked in enumerate(_ASKED):
        await ask(f"later-{number:02}", f"/pbx/proxyapi.php?key=demo-admin&{asked}")
    for name in ("truth", "requests", "faults"):
        await ask(name, f"/simulator/{name}")
    await ask("page", "/")


def _others() -> dict[str, Command]:
    commands = ("probe", "healthcheck", "simulate", "demo", "test-alert")
    simulate = ("simulate", "--listen=127.0.0.1:{port}", "--tenants=4", "--extensions=3")
    demo = ("demo", "--port={port}", "--simulator-port={simulator_port}")
    return {
        "help": Command(("--help",)),
        **{f"help-{command}": Command((command, "--help")) for command in commands},
        "version": Command(("--version",)),
        "without-arguments": Command(()),
        "bad-flag": Command(("--config.fil=x",)),
        "bad-port": Command(("--config.file=x", "--web.listen-address=x")),
        "start-no-file": Command(("--config.file=config.yaml",)),
        "start-bad-file": Command(("--config.file=config.yaml",), _with("switches: [{name: pbx, urll: x}]")),
        "healthcheck-nobody": Command(("healthcheck", "--web.listen-address=127.0.0.1:{port}")),
        "test-alert": Command(("test-alert", "--config.file=config.yaml"), _with_alertmanager("200 OK")),
        "test-alert-refused": Command(
            ("test-alert", "--config.file=config.yaml"), _with_alertmanager("400 Bad Request")
        ),
        "simulate": Command(simulate, story=_ask_simulator),
        "simulate-sentences": Command(
            (*simulate, "--license=sentence", "--channels=total", "--regstate-parameter=id", "--latency=2"),
            story=_ask_simulator,
        ),
        "demo": Command(demo, story=_watch_demo),
    }


async def _watch_demo(stage: Stage) -> None:
    for moment in ("first", "second", "third"):
        await asyncio.sleep(20)
        await stage.look(moment)


def commands() -> dict[str, Command]:
    """Return every scenario of a command."""
    return {**_checks(), **_probes(), **_others()}
