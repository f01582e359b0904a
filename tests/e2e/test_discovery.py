"""Tenants and extensions that a switch lists, rightly or not, in hours of a fast clock."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from exporter.config import SwitchConfiguration
from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.world import truth
from tests.e2e.fast_clock import FastExporter, exporting, run
from tests.e2e.programs import print_result

Configured = Callable[..., SwitchConfiguration]

MINUTE = 60.0
LIST_EVERY = 10 * MINUTE
CODES = frozenset({"ACME", "BOREAL", "CINDER", "DELTA9", "EIDER", "FJORD"})
BALANCE = "softswitch_tenant_balance"
INFO = "softswitch_tenant_info"
FAILURE = "softswitch_query_failure"

_LIST = {"switch": "pbx", "query": "tenants", "scope": "switch", "tenant": ""}


def _discovering(configured: Configured, url: str, **settings: Any) -> SwitchConfiguration:
    """Return a configuration that finds its tenants and asks each for its credit.

    The channels of the whole show that the key is good, where many tenants are gone and refused for that.
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


def _discovers(
    configured: Configured, story: Callable[[FastExporter], Any], *, tenants: int = 6, **settings: Any
) -> Any:
    async def told() -> Any:
        async with exporting(lambda url: _discovering(configured, url, **settings), tenants=tenants) as made:
            return await story(made)

    return run(told())


def _rows(codes: Iterable[str], **more: object) -> str:
    return json.dumps([{"te_code": code, "te_name": f"Name of {code}", **more} for code in sorted(codes)])


def _listed(codes: Iterable[str], limit: int | None = None) -> Fault:
    """Return the fault of a list that holds these tenants, whatever the truth."""
    return Fault(FaultKind.BODY, reqtype="MANAGEDB", text=_rows(codes), limit=limit)


def _why(exporter: FastExporter) -> str | None:
    """Return why the newest list was not taken."""
    return next(
        (
            dict(labels)["reason"]
            for name, labels in exporter.scrape().series
            if name == FAILURE and _LIST.items() <= dict(labels).items()
        ),
        None,
    )


def _lists(exporter: FastExporter) -> list[float]:
    return [e.time for e in exporter.requests() if e.parameters["reqtype"] == "MANAGEDB"]


def _have_balance(exporter: FastExporter) -> set[str]:
    return {dict(labels)["tenant"] for name, labels in exporter.scrape().series if name == BALANCE}


def test_tenants_come_and_go(configured: Configured) -> None:
    """One that vanishes goes with the second list, one that is disabled with the first; both come back."""

    async def story(exporter: FastExporter) -> None:
        changes = exporter.switch.parts.world.overrides
        await exporter.passes(MINUTE)
        assert exporter.tenants() == _have_balance(exporter) == CODES
        assert exporter.value("softswitch_tenants") == 6

        changes.set_tenant_present("FJORD", present=False)
        await exporter.passes(LIST_EVERY)
        assert "FJORD" in exporter.tenants()  # missing once
        await exporter.passes(LIST_EVERY - 2 * MINUTE)
        assert exporter.value(INFO, tenant="FJORD", name="Fjord Sjømat") == 1
        await exporter.passes(2 * MINUTE)
        assert exporter.tenants() == CODES - {"FJORD"}
        assert exporter.value("softswitch_tenants") == 5

        changes.set_tenant_present("FJORD", present=True)
        await exporter.passes(LIST_EVERY)
        assert exporter.tenants() == _have_balance(exporter) == CODES

        changes.set_disabled("ACME", disabled=True)
        changes.set_disabled("CLOSED1", disabled=False)
        await exporter.passes(LIST_EVERY)
        assert exporter.tenants() == _have_balance(exporter) == CODES - {"ACME"} | {"CLOSED1"}
        await exporter.passes(5 * MINUTE)
        asked = [e.parameters.get("tenant") for e in exporter.requests(since=_lists(exporter)[-1] + 1)]
        assert "BOREAL" in asked
        assert "ACME" not in asked

        changes.set_disabled("ACME", disabled=False)
        await exporter.passes(LIST_EVERY)
        assert exporter.tenants() == _have_balance(exporter) == CODES | {"CLOSED1"}

    _discovers(configured, story)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(FaultKind.EMPTY, reqtype="MANAGEDB"), "empty"),
        (Fault(FaultKind.REFUSE_KEY, reqtype="MANAGEDB"), "auth"),
        (Fault(FaultKind.SENTENCE, reqtype="MANAGEDB"), "rejected"),
        (Fault(FaultKind.GARBAGE, reqtype="MANAGEDB"), "decode"),
        (Fault(FaultKind.TRUNCATE, reqtype="MANAGEDB"), "decode"),
        (Fault(FaultKind.HTML, reqtype="MANAGEDB"), "decode"),
        (Fault(FaultKind.STATUS, reqtype="MANAGEDB"), "http"),
        (Fault(FaultKind.HANG, reqtype="MANAGEDB"), "timeout"),
        (Fault(FaultKind.BODY, reqtype="MANAGEDB", text='[{"te_name": "no code"}]'), "decode"),
        (Fault(FaultKind.BODY, reqtype="MANAGEDB", text="[]", limit=2), "empty"),
        (Fault(FaultKind.BODY, reqtype="MANAGEDB", text="]", limit=2), "empty"),
        (_listed({"ACME", "BOREAL"}, limit=2), "decode"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.kind} {value.text[:12]}",
)
def test_a_bad_list_loses_nobody(fault: Fault, reason: str, configured: Configured) -> None:
    """However long no list comes, and where a false one comes twice, every tenant stays and is polled."""

    async def story(exporter: FastExporter) -> int:
        await exporter.passes(MINUTE)
        assert exporter.tenants() == CODES
        began = len(_lists(exporter))
        with exporter.fault(fault):
            await exporter.passes(2 * LIST_EVERY + MINUTE)  # two bad lists, and more where it is asked again
            assert _why(exporter) == reason
            assert exporter.tenants() == _have_balance(exporter) == CODES
            if fault.limit is None:
                await exporter.passes(40 * MINUTE)
                assert _why(exporter) == reason
                assert exporter.tenants() == _have_balance(exporter) == CODES
        bad = len(_lists(exporter)) - began
        await exporter.passes(LIST_EVERY + 6 * MINUTE)
        assert _why(exporter) is None
        assert exporter.tenants() == CODES
        return bad

    bad = _discovers(configured, story)

    print_result(f"{reason}: {bad} bad lists, no tenant lost")
    assert bad >= 2


def test_lists_that_contradict_each_other(configured: Configured) -> None:
    """Short lists that are not alike are never believed, however many come."""
    halves = [{"ACME", "BOREAL"}, {"CINDER", "DELTA9"}]

    async def story(exporter: FastExporter) -> None:
        await exporter.passes(MINUTE)
        faults = [_listed(halves[number % 2], limit=1) for number in range(8)]
        with exporter.fault(*faults):
            await exporter.passes(8 * LIST_EVERY)
        assert len(_lists(exporter)) > 8
        assert not [
            scrape.at
            for scrape in exporter.scrapes[1:]
            if not {dict(labels).get("tenant", "") for _, labels in scrape.series} >= CODES
        ]

    _discovers(configured, story)


def _shrink(exporter: FastExporter) -> None:
    world = exporter.switch.parts.world
    for tenant in world.all_tenants:
        world.overrides.set_tenant_present(tenant.code, present=tenant.code in {"ACME", "BOREAL"})


def test_a_real_shrink_is_believed_the_third_time(configured: Configured) -> None:
    """More than half are gone for good: the first two lists change nothing, the third one does."""

    async def story(exporter: FastExporter) -> tuple[float, list[float]]:
        await exporter.passes(MINUTE)
        _shrink(exporter)
        before = len(_lists(exporter))
        while exporter.tenants() == CODES:
            await exporter.passes(10)
        assert exporter.tenants() == {"ACME", "BOREAL"}
        return exporter.now, _lists(exporter)[before:]

    at, lists = _discovers(configured, story)

    print_result(f"list {len(lists)} was accepted, {at - lists[0]:.0f} s after the first short one")
    assert len(lists) == 3
    assert 0 <= at - lists[2] <= 10


def test_a_reload_makes_the_next_list_be_believed(configured: Configured) -> None:
    """Who reloads the configuration says: look again, and take it as it is."""

    async def story(exporter: FastExporter) -> tuple[float, int]:
        await exporter.passes(MINUTE)
        _shrink(exporter)
        before = len(_lists(exporter))
        await exporter.passes(LIST_EVERY)
        assert len(_lists(exporter)) == before + 1
        assert exporter.tenants() == CODES
        reloaded = exporter.now
        await exporter.reload(_discovering(configured, exporter.switch.url))
        assert exporter.tenants() == _have_balance(exporter) == CODES  # a reload alone loses nothing
        while exporter.tenants() == CODES:
            await exporter.passes(1)
        assert exporter.tenants() == {"ACME", "BOREAL"}
        return exporter.now - reloaded, len(_lists(exporter)) - before

    after, lists = _discovers(configured, story)

    print_result(f"after a reload a shrink was believed within {after:.0f} s, with list {lists}")
    assert after <= 1
    assert lists == 2


def test_which_tenants_are_wanted(configured: Configured) -> None:
    """Patterns match whole codes, what is excluded is out, and a reload changes it at once."""
    patterns = {"include": ["[A-D].*", "EIDE"], "exclude": ["CIN.*", "ACM"]}

    async def story(exporter: FastExporter) -> None:
        await exporter.passes(MINUTE)
        assert exporter.tenants() == {"ACME", "BOREAL", "DELTA9"}
        await exporter.reload(
            _discovering(configured, exporter.switch.url, discover_tenants={"exclude": ["ACME"]})
        )
        assert exporter.tenants() == CODES - {"ACME"}
        await exporter.passes(MINUTE)
        assert _have_balance(exporter) == CODES - {"ACME"}

    _discovers(configured, story, discover_tenants=patterns)


def test_names_labels_and_defaults(configured: Configured) -> None:
    """What tenant_defaults say holds for who is discovered; a name may change and is one series."""
    defaults = {"labels": {"team": "noc"}, "extensions": "all"}
    registrations = {"registrations": {"tenant_interval": "5m", "source": "extensions"}}

    async def story(exporter: FastExporter) -> None:
        await exporter.passes(MINUTE)
        listed = truth(exporter.switch.parts.world)["tenants"]
        assert isinstance(listed, dict)
        assert _names(exporter) == {code: [(listed[code]["name"], "noc")] for code in CODES}
        for code in CODES:
            states = ("registered", "unregistered", "unknown")
            found = [exporter.value("softswitch_tenant_extensions", tenant=code, state=s) for s in states]
            assert sum(count or 0 for count in found) == 4
        with exporter.fault(_listed(CODES)):
            await exporter.passes(LIST_EVERY)
        assert _names(exporter) == {code: [(f"Name of {code}", "noc")] for code in CODES}

    _discovers(configured, story, tenant_defaults=defaults, queries=registrations)


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


def _truly_registered(exporter: FastExporter, codes: Iterable[str] = CODES) -> dict[tuple[str, str], float]:
    tenants: Any = truth(exporter.switch.parts.world)["tenants"]
    return {
        (code, number): float(registered)
        for code in codes
        for number, registered in tenants[code]["extensions"].items()
    }


@pytest.mark.parametrize("source", ["regstate", "extensions", "peers"])
def test_registrations_are_true(source: str, configured: Configured) -> None:
    """From each source: of every phone of every discovered tenant what the switch knows, and the counts."""

    async def story(exporter: FastExporter) -> int:
        world = exporter.switch.parts.world
        world.time.freeze()
        world.overrides.drop_registrations(0.4)
        await exporter.passes(20 * MINUTE)
        true = _truly_registered(exporter)
        assert 0 < sum(true.values()) < len(true)
        assert _registered(exporter) == true
        for code in CODES:
            registered = sum(value for (tenant, _), value in true.items() if tenant == code)
            counts = {"registered": registered, "unregistered": 4 - registered, "unknown": 0}
            for state, count in counts.items():
                assert exporter.value("softswitch_tenant_extensions", tenant=code, state=state) == count
        world.overrides.drop_registrations(0)
        await exporter.passes(10 * MINUTE)
        assert _registered(exporter) == _truly_registered(exporter) != true
        operations = {"regstate": "INFO regstate", "extensions": "INFO extensions", "peers": "CHANSIPPEERS"}
        by_operation: Any = exporter.switch.parts.journal.counts()["by_operation"]
        asked: int = by_operation[operations[source]]
        return asked

    asked = _discovers(
        configured,
        story,
        tenant_defaults={"extensions": "all"},
        queries={
            "registrations": {"tenant_interval": "5m", "source": source},
            "extensions": {"tenant_interval": "10m"},
        },
    )

    print_result(f"{source}: {asked} requests in 30 minutes for {len(CODES)} tenants with 4 extensions each")


def test_who_is_registered_is_known_soon(configured: Configured) -> None:
    """From the list of all peers, which is asked for again once the extensions are known."""

    async def story(exporter: FastExporter) -> int:
        exporter.switch.parts.world.time.freeze()
        await exporter.passes(2 * MINUTE)
        assert _registered(exporter) == _truly_registered(exporter)
        by_operation: Any = exporter.switch.parts.journal.counts()["by_operation"]
        asked: int = by_operation["CHANSIPPEERS"]
        return asked

    asked = _discovers(
        configured,
        story,
        tenant_defaults={"extensions": "all"},
        queries={"registrations": {"tenant_interval": "30m", "source": "peers"}},
    )

    assert asked == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(FaultKind.BODY, info="extensions", tenant="ACME", text="[]", limit=2), "empty"),
        (
            Fault(
                FaultKind.BODY,
                info="extensions",
                tenant="ACME",
                text='[{"ex_number": "100", "st_state": "NOT_INUSE"}]',
                limit=2,
            ),
            "decode",
        ),
        (Fault(FaultKind.TRUNCATE, info="extensions", tenant="ACME"), "decode"),
        (Fault(FaultKind.REFUSE_KEY, info="extensions", tenant="ACME"), "auth"),
        (Fault(FaultKind.EMPTY, info="extensions", tenant="ACME"), "empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.kind} {value.text[:12]}",
)
def test_a_bad_list_of_extensions_loses_none(fault: Fault, reason: str, configured: Configured) -> None:
    """The extensions that are known go on being asked with regstate, and none of their series goes."""

    async def story(exporter: FastExporter) -> None:
        exporter.switch.parts.world.time.freeze()
        await exporter.passes(15 * MINUTE)
        true = _truly_registered(exporter)
        assert _registered(exporter) == true
        with exporter.fault(fault):
            await exporter.passes(LIST_EVERY)
            failed = {"query": "extensions", "scope": "tenant", "tenant": "ACME", "reason": reason}
            reasons = [
                samples_of.get((FAILURE, frozenset({"switch": "pbx", **failed}.items())))
                for samples_of in (scrape.series for scrape in exporter.scrapes)
            ]
            assert 1 in reasons
            if fault.limit is None:
                await exporter.passes(30 * MINUTE)
        assert _registered(exporter) == true

    _discovers(
        configured,
        story,
        tenant_defaults={"extensions": "all"},
        queries={"registrations": {"tenant_interval": "5m"}, "extensions": {"tenant_interval": "10m"}},
    )
