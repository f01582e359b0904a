import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.metrics import catalogue
from exporter.model import Answer, Counts, Failure, Query, Skipped, Technology
from exporter.poll.context import SwitchContext
from exporter.poll.memory import SeenPeers, SwitchMemory
from tests.trees import damaged
from tests.unit.poll.ingesting import Ingesting

_DAY = 86_400.0


class _Run(Ingesting):
    """One run of the exporter: an ingester and its memory."""

    def __init__(self, context: Callable[..., SwitchContext], **settings: object) -> None:
        super().__init__(context, **settings)
        self.now = 1000.0
        self.memory = SwitchMemory(self.context, self.ingester.seen_peers)

    async def take(self, outcome: Answer | Failure) -> None:
        """Ingest a response to COUNTPEERS."""
        await self.ingest(Query.PEERS, "", outcome)

    def present(self) -> object:
        """Return the values of ``softswitch_node_present`` by node."""
        return self.values(catalogue.NODE_PRESENT)

    def written(self) -> list[Mapping[str, Any]]:
        """Return the parts as they are in the file."""
        return [json.loads(json.dumps(part)) for part in self.memory.parts()]


Runs = Callable[..., _Run]


@pytest.fixture
def runs(context: Callable[..., SwitchContext]) -> Runs:
    """Return a function that starts a run, with what a file has and how long ago it was written."""

    def make(parts: list[Mapping[str, Any]] | None = None, passed: float = 0.0, **settings: object) -> _Run:
        made = _Run(context, **settings)
        assert made.memory.restore(parts or [], passed) == 0
        return made

    return make


async def test_a_node_that_was_seen_before_a_restart(runs: Runs) -> None:
    """It is missing if it is not in the first response, whether it was missing before or not."""
    first = runs()
    await first.take(Counts(None, {"n1": 1, "n2": 1, "n3": 1}))
    await first.take(Counts(None, {"n1": 1, "n2": 1}))
    second = runs(first.written(), passed=300)
    assert second.present() is None
    await second.take(Counts(None, {"n1": 1}))

    assert second.present() == {"n1": 1, "n2": 0, "n3": 0}
    assert second.changes == ["node missing: n2"]  # n3 was missing before
    third = runs(second.written(), passed=300)
    await third.take(Counts(None, {"n1": 1, "n2": 1, "n3": 1}))
    assert third.changes == ["node back: n2; n3"]


async def test_a_missing_node_is_forgotten_after_a_day(runs: Runs) -> None:
    """The time of the restart counts."""
    first = runs()
    await first.take(Counts(None, {"n1": 1, "n2": 1}))
    first.now += 100
    parts = first.written()
    for passed, states in ((_DAY - 200, {"n1": 1, "n2": 0}), (_DAY, {"n1": 1})):
        second = runs(parts, passed=passed)
        await second.take(Counts(None, {"n1": 1}))
        assert second.present() == states


@pytest.mark.parametrize("step", [3 * _DAY, -3 * _DAY])
async def test_a_missing_node_and_a_step_of_the_wall_clock(step: float, runs: Runs) -> None:
    """The node is still missing: NTP may have corrected a clock that was days wrong."""
    run = runs()
    await run.take(Counts(None, {"n1": 1, "n2": 1}))
    await run.take(Counts(None, {"n1": 1}))
    run.ahead += step
    assert run.written()[0] == {"seen": [["n2", 0.0, True], ["n1", 0.0, False]]}
    await run.take(Counts(None, {"n1": 1}))
    assert run.present() == {"n1": 1, "n2": 0}
    await run.take(Counts(None, {"n1": 1, "n2": 1}))
    assert run.changes == ["node back: n2", "node missing: n2"]


async def test_a_missing_node_beside_an_unreadable_name(runs: Runs) -> None:
    """It was missing before, so it does not have that name."""
    first = runs()
    await first.take(Counts(None, {"n1": 1, "n2": 1}))
    await first.take(Counts(None, {"n1": 1}))
    second = runs(first.written())
    await second.take(Counts(None, {"n1": 1}, skipped=Skipped(1, 1, "x")))
    assert second.present() == {"n1": 1, "n2": 0}


async def test_phones_that_a_list_had(runs: Runs) -> None:
    """They are expected in lists of the same origin after a restart, until their tenant is gone."""
    first = runs(tenants=[{"code": "ACME"}, {"code": "GONE"}])
    phones = first.ingester.seen_peers
    phones.start("here")
    before = first.memory.version
    phones.add("ACME", ["100", "101"])
    phones.add("GONE", ["100"])
    assert first.memory.version > before

    second = runs(first.written(), tenants=[{"code": "ACME"}])
    again = second.ingester.seen_peers
    second.memory.note_tenants()
    again.start("here")
    assert again.expects("ACME", {}, has_pjsip=True)("101")
    assert not again.expects("GONE", {}, has_pjsip=True)("100")
    again.start("there")
    assert not again.expects("ACME", {}, has_pjsip=True)("101")


@pytest.mark.parametrize(
    "part",
    [
        {"seen": 5},
        {"seen": [["n1"]]},
        {"seen": [["n1", -1, False]]},
        {"seen": [[1, 1, False]]},
        {"seen": [["\ud800", 1, True], ["n9", 1, True]]},
        {"seen": [["x" * 256, 1, True]]},
        {"nodes": {"\0": True}},
        {"tenants": ["\udc00"]},
        {"trunks": {"\ud801": False}, "of": ""},
        5,
        {"phones": ["100"], "of": "ACME"},
        {"phones": [100], "of": "ACME", "origin": "x"},
        {"trunks": 1, "of": ""},
    ],
)
async def test_an_invalid_part_is_left_out(part: Mapping[str, Any], runs: Runs) -> None:
    """The others are used."""
    run = runs()
    assert run.memory.restore([part, {"seen": [["n9", 1, False]]}], 0) == 1
    await run.take(Counts(None, {"n1": 1}))
    assert run.present() == {"n1": 1, "n9": 0}


_WRITTEN = [
    {"seen": [["n1", 5.0, False], ["n2", 60.0, True]]},
    {"nodes": {"n1": True, "n2": False}},
    {"tenants": ["ACME"]},
    {"trunks": {"sip": True, "pstn": None}, "of": "ACME"},
    {"phones": ["100", "101"], "of": "ACME", "origin": "peers"},
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example makes its own run
@given(data=st.data())
def test_any_part(data: st.DataObject, runs: Runs) -> None:
    """Whatever a part is, the next response is used, and everything can be written and shown."""
    run = runs()
    run.memory.restore(map(json.loads, damaged([json.dumps(part) for part in _WRITTEN], data)), 60.0)

    asyncio.run(run.take(Counts(None, {"n1": 1})))

    run.memory.note_tenants()
    for written in ([*run.memory.parts()], run.changes, run.present()):
        json.dumps(written, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("technology", "of_chan_sip", "of_all"),
    [
        (None, True, True),
        (Technology.SIP, True, True),
        (Technology.PJSIP, False, True),  # moved to PJSIP, which CHANSIPPEERS never lists
        (Technology.OTHER, False, True),
    ],
)
def test_a_phone_that_was_listed(
    technology: Technology | None,
    of_chan_sip: bool,  # noqa: FBT001 -- a table
    of_all: bool,  # noqa: FBT001 -- a table
) -> None:
    """It is expected, unless its technology is known and never in this kind of list."""
    seen, technologies = SeenPeers(), {"100": technology} if technology else {}
    seen.start("here")
    seen.add("A", ["100"])
    assert seen.expects("A", technologies, has_pjsip=False)("100") is of_chan_sip
    assert seen.expects("A", technologies, has_pjsip=True)("100") is of_all


@pytest.mark.parametrize("has_pjsip", [False, True])
def test_a_phone_that_was_never_listed(has_pjsip: bool) -> None:  # noqa: FBT001 -- a table
    """It is expected only if it is known to use chan_sip."""
    technologies = dict(zip("12345", Technology, strict=True))
    is_expected = SeenPeers().expects("A", technologies, has_pjsip=has_pjsip)
    assert [number for number in "123456" if is_expected(number)] == ["1"]


def test_peers_are_forgotten() -> None:
    """With their tenant, and with the kind of list or the switch that listed them."""
    seen = SeenPeers()
    seen.start("here")
    for code in "AB":
        seen.add(code, ["100"])
    seen.drop_tenants(["A", "Z"])
    seen.start("here")
    assert [seen.expects(code, {}, has_pjsip=True)("100") for code in "AB"] == [False, True]
    seen.start("there")
    assert not seen.expects("B", {}, has_pjsip=True)("100")


@given(st.lists(st.tuples(st.sampled_from("AB"), st.sets(st.sampled_from("12345678")), st.booleans())))
def test_the_memory_is_bounded(steps: list[tuple[str, set[str], bool]]) -> None:
    """It never holds more than its limit, and holds everything within it."""
    seen, wanted = SeenPeers(most=8), {"A": set[str](), "B": set[str]()}
    for code, numbers, is_dropped in steps:
        if is_dropped:
            seen.drop_tenants([code])
            wanted[code].clear()
        seen.add(code, numbers)
        wanted[code] |= numbers
        held = {each: set(filter(seen.expects(each, {}, has_pjsip=True), "12345678")) for each in "AB"}
        assert all(held[each] <= wanted[each] for each in "AB")
        assert sum(map(len, held.values())) == min(8, sum(map(len, wanted.values())))
        wanted = held


def test_the_memory_holds_the_largest_installation() -> None:
    """300,000 phones and no more, also after the switch changed."""
    seen = SeenPeers()
    for origin in ("here", "there"):
        seen.start(origin)
        seen.add("A", [str(number) for number in range(300_001)])
        is_expected = seen.expects("A", {}, has_pjsip=True)
        assert (is_expected("299999"), is_expected("300000")) == (True, False)


def test_version_changes_with_each_change() -> None:
    """And only then, because each change is saved."""
    seen = SeenPeers()
    versions = [seen.version]
    changes: list[Callable[[], None]] = [
        lambda: seen.start("here"),
        lambda: seen.add("A", ["100"]),
        lambda: seen.add("B", ["100"]),
        lambda: seen.drop_tenants(["A"]),
        lambda: seen.start("there"),
    ]
    for change in changes:
        change()
        versions.append(seen.version)
        seen.drop_tenants(["UNKNOWN"])
        seen.add("B", [])
        assert seen.version == versions[-1]

    assert len(set(versions)) == 6
