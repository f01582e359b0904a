import math
from collections.abc import Callable

import pytest

from exporter.config import SwitchConfiguration
from exporter.model import Extension, Query, Registration, Scope, Target, Technology
from exporter.poll.planner import Targets

Configured = Callable[..., SwitchConfiguration]

_OFF = {"interval": "off", "tenant_interval": "off"}
_NOTHING = {
    "peers": _OFF,
    "channels": _OFF,
    "calls": _OFF,
    "license": {"interval": "off"},
    "balance": {"tenant_interval": "off"},
    "registrations": {"tenant_interval": "off"},
    "limits": {"tenant_interval": "off"},
}


def _only(**queries: dict[str, str]) -> dict[str, dict[str, str]]:
    return {**_NOTHING, **queries}


def test_default_intervals(configured: Configured) -> None:
    """With an admin key and a tenant, the queries and intervals of the design (section 4)."""
    targets = Targets(configured(tenants=[{"code": "ACME", "extensions": ["100"]}]))

    assert targets.intervals == {
        (Query.PEERS, Scope.SWITCH): 60,
        (Query.CHANNELS, Scope.SWITCH): 30,
        (Query.CHANNELS, Scope.TENANT): 120,
        (Query.CALLS, Scope.SWITCH): 30,
        (Query.CALLS, Scope.TENANT): 120,
        (Query.LICENSE, Scope.SWITCH): 3600,
        (Query.BALANCE, Scope.TENANT): 300,
        (Query.REGISTRATIONS, Scope.TENANT): 300,
    }


def test_no_switch_queries_without_an_admin_key(configured: Configured) -> None:
    """Tenant keys are not sent for installation-wide queries."""
    targets = Targets(configured(key=None, tenants=[{"code": "ACME", "key": "tenant-key"}]))

    assert {scope for _, scope in targets.intervals} == {Scope.TENANT}


@pytest.mark.parametrize(
    ("queries", "tenants", "several"),
    [
        ({"balance": {"tenant_interval": "1m"}}, 1, False),
        ({"balance": {"tenant_interval": "1m"}}, 2, True),
        ({"license": {"interval": "1m"}}, 2, False),
        ({"license": {"interval": "1m"}, "balance": {"tenant_interval": "1m"}}, 1, True),
        ({}, 2, False),
    ],
)
def test_has_several_targets(
    queries: dict[str, dict[str, str]],
    tenants: int,
    several: bool,  # noqa: FBT001 -- a table
    configured: Configured,
) -> None:
    """An installation-wide query is one target, however many tenants there are."""
    codes = [{"code": f"T{number}"} for number in range(tenants)]

    assert Targets(configured(queries=_only(**queries), tenants=codes)).has_several is several


def test_no_tenant_queries_without_tenants(configured: Configured) -> None:
    """And no registrations without extensions."""
    assert {scope for _, scope in Targets(configured()).intervals} == {Scope.SWITCH}
    assert (Query.REGISTRATIONS, Scope.TENANT) not in Targets(configured(tenants=[{"code": "A"}])).intervals


def test_shortest_tenant_interval_counts(configured: Configured) -> None:
    """A sweep starts as often as the tenant with the shortest interval needs."""
    switch = configured(
        queries=_only(calls={"interval": "off", "tenant_interval": "1m"}),
        tenants=[
            {"code": "A"},
            {"code": "B", "queries": {"calls": {"tenant_interval": "30s"}}},
            {"code": "C", "queries": {"calls": {"tenant_interval": "off"}}},
            {"code": "D", "queries": {"calls": {"tenant_interval": "90s"}}},
        ],
    )
    targets = Targets(switch)

    assert targets.intervals == {(Query.CALLS, Scope.TENANT): 30}
    paces = {code: targets.planned_interval(Target(Query.CALLS, Scope.TENANT, code)) for code in "ABCDX"}
    assert paces == {"A": 60, "B": 30, "C": math.inf, "D": 90, "X": math.inf}
    assert targets.requests(Query.CALLS, Scope.TENANT) == pytest.approx(0.5 + 1 + 1 / 3)


def test_stretched_plan_lengthens_every_tenant_interval(configured: Configured) -> None:
    """If the rate limit is too low, each target waits longer by the same factor."""
    switch = configured(
        max_requests_per_second=1,
        queries=_only(calls={"interval": "30s", "tenant_interval": "1m"}),
        tenants=[{"code": f"T{number}"} for number in range(200)],
    )
    targets = Targets(switch)

    stretch = (200 / 60) / (0.95 - 1 / 30)
    assert targets.planned_interval(Target(Query.CALLS, Scope.TENANT, "T0")) == pytest.approx(60 * stretch)
    assert targets.planned_interval(Target(Query.CALLS, Scope.SWITCH)) == 30


@pytest.mark.parametrize("source", ["regstate", "extensions", "peers"])
def test_plan_counts_discovered_extensions(source: str, configured: Configured) -> None:
    """After any number of lists, the plan is the same as one computed from the start."""
    switch = configured(
        queries={"registrations": {"source": source}},
        tenant_defaults={"extensions": "all"},
        tenants=[{"code": "A", "watch": ["100"]}, {"code": "B"}, {"code": "C", "extensions": ["1"]}],
    )
    targets = Targets(switch)

    virtual = [Extension("100", Registration.UNKNOWN, "", Technology.VIRTUAL)]
    for code, numbers, rows in (
        ("A", ["100", "101"], virtual),
        ("B", list("123456"), []),
        ("A", ["100"], virtual),
        ("A", [], []),
        ("B", ["7"], []),
        ("C", ["8"], []),
    ):
        targets.set_discovered_parts(Target(Query.REGISTRATIONS, Scope.TENANT, code), numbers, rows)
        wanted, cycles = targets.plan.required_rate, targets.plan.cycles
        targets.configure(switch, [])
        assert targets.plan.required_rate == pytest.approx(wanted)
        assert targets.plan.cycles == pytest.approx(dict(cycles))

    parts = [targets.parts(Target(Query.REGISTRATIONS, Scope.TENANT, code)) for code in "ABC"]
    assert parts == [("100",), ("7",), ("1",)]


def test_extensions_that_cannot_register_are_not_polled(configured: Configured) -> None:
    """Custom and virtual extensions of the list, even if they are watched; without a list all are polled."""
    tenants = [{"code": "A", "extensions": "all", "watch": ["1", "3", "9"]}, {"code": "B", "watch": ["3"]}]
    targets = Targets(configured(tenants=tenants))
    of_a, of_b = (Target(Query.REGISTRATIONS, Scope.TENANT, code) for code in "AB")
    technologies = zip("12345", Technology, strict=True)  # in the order sip, pjsip, custom, virtual, other
    rows = [Extension(number, Registration.UNKNOWN, "", each) for number, each in technologies]

    targets.set_discovered_parts(of_a, list("12345"), rows)

    assert targets.parts(of_a) == ("1", "2", "5", "9")
    assert targets.parts(of_b) == ("3",)


@pytest.mark.parametrize(
    ("registrations", "is_asked"),
    [
        ({"source": "regstate"}, True),
        ({"source": "peers"}, True),
        ({"source": "extensions"}, False),
        ({"tenant_interval": "off"}, False),
    ],
)
def test_lists_of_extensions_only_for_registrations(
    registrations: dict[str, str],
    is_asked: bool,  # noqa: FBT001 -- a table
    configured: Configured,
) -> None:
    """They are not requested if the registrations come from them, or are off."""
    targets = Targets(
        configured(queries={"registrations": registrations}, tenants=[{"code": "A", "extensions": "all"}])
    )

    assert ((Query.EXTENSIONS, Scope.TENANT) in targets.intervals) is is_asked


def test_queues_are_requested_one_by_one(configured: Configured) -> None:
    """The plan counts each queue; the list is requested for the names of configured queues as well."""
    tenants = [{"code": "A", "queues": "all"}, {"code": "B", "queues": ["1", "2"]}, {"code": "C"}]
    targets = Targets(configured(queries=_NOTHING, tenants=tenants))

    assert targets.intervals == {(Query.QUEUES, Scope.TENANT): 3600, (Query.QUEUE, Scope.TENANT): 60}
    assert targets.requests(Query.QUEUES, Scope.TENANT) == 2
    assert targets.requests(Query.QUEUE, Scope.TENANT) == 2
    of_tenants = [Target(Query.QUEUE, Scope.TENANT, code) for code in "ABC"]
    assert [targets.is_polled(target) for target in of_tenants] == [True, True, False]

    targets.set_discovered_parts(of_tenants[0], ["7", "5", "6"])
    targets.set_discovered_parts(of_tenants[1], ["3"])

    assert targets.requests(Query.QUEUE, Scope.TENANT) == 5
    sent = [item.request.parameters() for item in targets.tenant_items(Query.QUEUE, of_tenants)]
    assert sorted((each["tenant"], each["info"], each["id"]) for each in sent) == [
        *(("A", "queue", "5"), ("A", "queue", "6"), ("A", "queue", "7")),
        *(("B", "queue", "1"), ("B", "queue", "2")),
    ]


def test_plan_after_a_reload_counts_the_parts_of_each_tenant(configured: Configured) -> None:
    """Tenants with the same settings may have different numbers of discovered parts."""
    switch = configured(queries=_NOTHING, tenants=[{"code": code, "queues": "all"} for code in "ABC"])
    targets = Targets(switch)
    for code, queues in (("A", "1"), ("B", "123"), ("C", "123")):
        targets.set_discovered_parts(Target(Query.QUEUE, Scope.TENANT, code), queues)

    targets.configure(switch, [])

    assert targets.requests(Query.QUEUE, Scope.TENANT) == 7


@pytest.mark.parametrize(("source", "is_kept"), [("extensions", True), ("regstate", False)])
def test_reload_keeps_technologies_of_tenants_with_a_list(
    source: str,
    is_kept: bool,  # noqa: FBT001 -- a table
    configured: Configured,
) -> None:
    """Named extensions are in a list only if the registrations come from lists."""
    switch = configured(
        queries={"registrations": {"source": source}}, tenants=[{"code": "A", "extensions": ["1"]}]
    )
    targets = Targets(switch)
    rows = [Extension("1", Registration.UNKNOWN, "", Technology.VIRTUAL)]
    targets.set_discovered_parts(Target(Query.REGISTRATIONS, Scope.TENANT, "A"), ["1"], rows)

    targets.configure(switch, [])

    assert targets.technologies.unable("A") == ({"1"} if is_kept else set())


def test_queries_that_are_sent_for_a_tenant(configured: Configured) -> None:
    """Not those that are off, that have no part to poll, or that a list for all tenants replaces."""
    tenants = [{"code": "A", "queues": "all"}, {"code": "B", "queues": ["1"]}]
    targets = Targets(configured(queries=_only(balance={"tenant_interval": "1m"}), tenants=tenants))

    assert targets.sends(Query.BALANCE, "A")
    assert not targets.sends(Query.CALLS, "A")
    assert not targets.sends(Query.BALANCE, "UNKNOWN")
    assert [targets.sends(Query.QUEUE, code) for code in "AB"] == [False, True]
    targets.set_discovered_parts(Target(Query.QUEUE, Scope.TENANT, "A"), ["7"])
    assert targets.sends(Query.QUEUE, "A")


def test_keys_by_owner(configured: Configured) -> None:
    """A tenant without its own key is not an owner, because it uses the admin key."""
    targets = Targets(configured(tenants=[{"code": "A", "key": "tenant-key"}, {"code": "B"}]))

    assert list(targets.keys) == ["", "A"]
    owners = [targets.key_of(Target(Query.CALLS, Scope.TENANT, code)).owner for code in "AB"]
    assert owners == ["A", ""]
