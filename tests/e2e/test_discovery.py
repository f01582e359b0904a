"""Discovery of tenants and extensions from correct and faulty lists, on the fast clock."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from exporter.config import SwitchConfiguration
from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.truth import truth
from tests.e2e.fast_clock import run
from tests.e2e.fast_fleet import FastExporter, fast_exporter
from tests.e2e.programs import print_result

Configured = Callable[..., SwitchConfiguration]

MINUTE = 60.0
LIST_EVERY = 10 * MINUTE
CODES = frozenset({"ACME", "BOREAL", "CINDER", "DELTA9", "EIDER", "FJORD"})
BALANCE = "softswitch_tenant_balance"
INFO = "softswitch_tenant_info"
FAILURE = "softswitch_query_failure"

_LIST = {"switch": "pbx", "query": "tenants", "scope": "switch", "tenant": ""}


def _configuration(configured: Configured, url: str, **settings: Any) -> SwitchConfiguration:
    """Return a configuration that discovers its tenants and polls the balance of each.

    The channels query shows that the key is valid, even if many removed tenants are refused.
    """
    off = {"interval": "off", "tenant_interval": "off"}
    queries = {
        "peers": {"interval": "off"},
        "channels": {"tenant_interval": "off"},
        "calls": off,
        "license": {"interval": "off"},
        "balance": {"tenant_interval": "5m"},
        "tenants": {"interval": "10m"},
        **settings.pop("queries", {}),
    }
    discover = {"enabled": True, **settings.pop("discover_tenants", {})}
    return configured(url=url, key="demo-admin", queries=queries, discover_tenants=discover, **settings)


def _run(
    configured: Configured, scenario: Callable[[FastExporter], Any], *, tenants: int = 6, **settings: Any
) -> Any:
    async def main() -> Any:
        async with fast_exporter(
            lambda url: _configuration(configured, url, **settings), tenants=tenants
        ) as exporter:
            return await scenario(exporter)

    return run(main())


def _rows(codes: Iterable[str], **more: object) -> str:
    return json.dumps([{"te_code": code, "te_name": f"Name of {code}", **more} for code in sorted(codes)])


def _list_fault(codes: Iterable[str], limit: int | None = None) -> Fault:
    """Return a fault that makes the switch list these tenants."""
    return Fault(FaultKind.BODY, reqtype="MANAGEDB", text=_rows(codes), limit=limit)


def _failure_reason(exporter: FastExporter) -> str | None:
    """Return why the last list was rejected, or None."""
    return next(
        (
            dict(labels)["reason"]
            for name, labels in exporter.scrape().series
            if name == FAILURE and _LIST.items() <= dict(labels).items()
        ),
        None,
    )


def _list_times(exporter: FastExporter) -> list[float]:
    return [e.time for e in exporter.requests() if e.parameters["reqtype"] == "MANAGEDB"]


def _tenants_with_balance(exporter: FastExporter) -> set[str]:
    return {dict(labels)["tenant"] for name, labels in exporter.scrape().series if name == BALANCE}


def test_tenants_are_added_and_removed(configured: Configured) -> None:
    """A missing tenant is removed by the second list, a disabled one by the first; both can return."""

    async def scenario(exporter: FastExporter) -> None:
        changes = exporter.switch.parts.world.overrides
        await exporter.advance(MINUTE)
        assert exporter.tenants() == _tenants_with_balance(exporter) == CODES
        assert exporter.value("softswitch_tenants") == 6

        changes.set_tenant_present("FJORD", present=False)
        await exporter.advance(LIST_EVERY)
        assert "FJORD" in exporter.tenants()  # missing once
        await exporter.advance(LIST_EVERY - 2 * MINUTE)
        assert exporter.value(INFO, tenant="FJORD", name="Fjord Sjømat") == 1
        await exporter.advance(2 * MINUTE)
        assert exporter.tenants() == CODES - {"FJORD"}
        assert exporter.value("softswitch_tenants") == 5

        changes.set_tenant_present("FJORD", present=True)
        await exporter.advance(LIST_EVERY)
        assert exporter.tenants() == _tenants_with_balance(exporter) == CODES

        changes.set_disabled("ACME", disabled=True)
        changes.set_disabled("CLOSED1", disabled=False)
        await exporter.advance(LIST_EVERY)
        assert exporter.tenants() == _tenants_with_balance(exporter) == CODES - {"ACME"} | {"CLOSED1"}
        await exporter.advance(5 * MINUTE)
        sent = [
            e.parameters.get("tenant") for e in exporter.requests() if e.time > _list_times(exporter)[-1] + 1
        ]
        assert "BOREAL" in sent
        assert "ACME" not in sent

        changes.set_disabled("ACME", disabled=False)
        await exporter.advance(LIST_EVERY)
        assert exporter.tenants() == _tenants_with_balance(exporter) == CODES | {"CLOSED1"}

    _run(configured, scenario)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(FaultKind.EMPTY, reqtype="MANAGEDB"), "empty"),
        (Fault(FaultKind.REFUSE_KEY, reqtype="MANAGEDB"), "auth"),
        (Fault(FaultKind.HTML, reqtype="MANAGEDB"), "decode"),
        (Fault(FaultKind.HANG, reqtype="MANAGEDB"), "timeout"),
        (Fault(FaultKind.BODY, reqtype="MANAGEDB", text="[]", limit=2), "empty"),
        (_list_fault({"ACME", "BOREAL"}, limit=2), "decode"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.kind} {value.text[:12]}",
)
def test_an_invalid_list_removes_no_tenant(fault: Fault, reason: str, configured: Configured) -> None:
    """Every tenant stays and is polled while lists fail, also if an invalid list is repeated."""

    async def scenario(exporter: FastExporter) -> int:
        await exporter.advance(MINUTE)
        assert exporter.tenants() == CODES
        began = len(_list_times(exporter))
        with exporter.fault(fault):
            await exporter.advance(2 * LIST_EVERY + MINUTE)  # two invalid lists, and retries
            assert _failure_reason(exporter) == reason
            assert exporter.tenants() == _tenants_with_balance(exporter) == CODES
        bad = len(_list_times(exporter)) - began
        await exporter.advance(LIST_EVERY + 6 * MINUTE)
        assert _failure_reason(exporter) is None
        assert exporter.tenants() == CODES
        return bad

    bad = _run(configured, scenario)

    print_result(f"{reason}: {bad} invalid lists, no tenant lost")
    assert bad >= 2


def _shrink(exporter: FastExporter) -> None:
    world = exporter.switch.parts.world
    for tenant in world.all_tenants:
        world.overrides.set_tenant_present(tenant.code, present=tenant.code in {"ACME", "BOREAL"})


def test_the_first_list_after_a_reload_is_accepted(configured: Configured) -> None:
    """A reload by the operator makes a short list valid at once."""

    async def scenario(exporter: FastExporter) -> tuple[float, int]:
        await exporter.advance(MINUTE)
        _shrink(exporter)
        before = len(_list_times(exporter))
        await exporter.advance(LIST_EVERY)
        assert len(_list_times(exporter)) == before + 1
        assert exporter.tenants() == CODES
        reloaded = exporter.now
        await exporter.reload(_configuration(configured, exporter.switch.url))
        assert exporter.tenants() == _tenants_with_balance(exporter) == CODES  # the reload alone removes none
        while exporter.tenants() == CODES:
            await exporter.advance(1)
        assert exporter.tenants() == {"ACME", "BOREAL"}
        return exporter.now - reloaded, len(_list_times(exporter)) - before

    after, lists = _run(configured, scenario)

    print_result(f"after a reload, list {lists} was accepted within {after:.0f} s")
    assert after <= 1
    assert lists == 2


def test_include_and_exclude_patterns(configured: Configured) -> None:
    """Patterns match whole codes, `exclude` overrides `include`, and a reload applies changes at once."""
    patterns = {"include": ["[A-D].*", "EIDE"], "exclude": ["CIN.*", "ACM"]}

    async def scenario(exporter: FastExporter) -> None:
        await exporter.advance(MINUTE)
        assert exporter.tenants() == {"ACME", "BOREAL", "DELTA9"}
        await exporter.reload(
            _configuration(configured, exporter.switch.url, discover_tenants={"exclude": ["ACME"]})
        )
        assert exporter.tenants() == CODES - {"ACME"}
        await exporter.advance(MINUTE)
        assert _tenants_with_balance(exporter) == CODES - {"ACME"}

    _run(configured, scenario, discover_tenants=patterns)


def test_discovered_tenants_get_tenant_defaults(configured: Configured) -> None:
    """Labels and extensions come from tenant_defaults; a renamed tenant has one info series."""
    defaults = {"labels": {"team": "noc"}, "extensions": "all"}
    registrations = {"registrations": {"tenant_interval": "5m", "source": "extensions"}}

    async def scenario(exporter: FastExporter) -> None:
        await exporter.advance(MINUTE)
        tenants = truth(exporter.switch.parts.world)["tenants"]
        assert isinstance(tenants, dict)
        assert _names(exporter) == {code: [(tenants[code]["name"], "noc")] for code in CODES}
        for code in CODES:
            states = ("registered", "unregistered", "unknown")
            found = [exporter.value("softswitch_tenant_extensions", tenant=code, state=s) for s in states]
            assert sum(count or 0 for count in found) == 4
        with exporter.fault(_list_fault(CODES)):
            await exporter.advance(LIST_EVERY)
        assert _names(exporter) == {code: [(f"Name of {code}", "noc")] for code in CODES}

    _run(configured, scenario, tenant_defaults=defaults, queries=registrations)


def _names(exporter: FastExporter) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for name, labels in exporter.scrape().series:
        if name == INFO:
            of = dict(labels)
            found.setdefault(of["tenant"], []).append((of["name"], of["team"]))
    return found


def _registered(exporter: FastExporter) -> dict[tuple[str, str], float]:
    return {
        (dict(labels)["tenant"], dict(labels)["extension"]): value
        for (name, labels), value in exporter.scrape().series.items()
        if name == "softswitch_extension_registered"
    }


def _expected_registered(
    exporter: FastExporter, codes: Iterable[str] = CODES
) -> dict[tuple[str, str], float]:
    tenants: Any = truth(exporter.switch.parts.world)["tenants"]
    return {
        (code, number): float(registered)
        for code in CODES
        for number, registered in tenants[code]["extensions"].items()
    }


def test_peers_are_listed_again_when_extensions_are_known(configured: Configured) -> None:
    """Registrations are complete within two minutes despite an interval of 30 minutes."""

    async def scenario(exporter: FastExporter) -> int:
        exporter.switch.parts.world.time.freeze()
        await exporter.advance(2 * MINUTE)
        assert _registered(exporter) == _expected_registered(exporter)
        by_operation: Any = exporter.switch.parts.journal.counts()["by_operation"]
        sent: int = by_operation["CHANSIPPEERS"]
        return sent

    sent = _run(
        configured,
        scenario,
        tenant_defaults={"extensions": "all"},
        queries={"registrations": {"tenant_interval": "30m", "source": "peers"}},
    )

    assert sent == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(FaultKind.BODY, info="extensions", tenant="ACME", text="[]", limit=2), "empty"),
        (Fault(FaultKind.REFUSE_KEY, info="extensions", tenant="ACME"), "auth"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.kind} {value.text[:12]}",
)
def test_an_invalid_list_of_extensions_removes_none(
    fault: Fault, reason: str, configured: Configured
) -> None:
    """Known extensions are still polled with regstate, and keep their series."""

    async def scenario(exporter: FastExporter) -> None:
        exporter.switch.parts.world.time.freeze()
        await exporter.advance(15 * MINUTE)
        true = _expected_registered(exporter)
        assert _registered(exporter) == true
        with exporter.fault(fault):
            await exporter.advance(LIST_EVERY)
            failed = {"query": "extensions", "scope": "tenant", "tenant": "ACME", "reason": reason}
            reasons = [
                samples_of.get((FAILURE, frozenset({"switch": "pbx", **failed}.items())))
                for samples_of in (scrape.series for scrape in exporter.scrapes)
            ]
            assert 1 in reasons
            if fault.limit is None:
                await exporter.advance(20 * MINUTE)
        assert _registered(exporter) == true

    _run(
        configured,
        scenario,
        tenant_defaults={"extensions": "all"},
        queries={"registrations": {"tenant_interval": "5m"}, "extensions": {"tenant_interval": "10m"}},
    )
