"""Every fault of an answer at every query and scope: counted with its reason, felt by nobody else, soon over.

Three switches of one fleet ask for everything in every way: registrations phone by phone, from lists of
extensions, and from a list of peers. In each round every query has one victim, each with another fault; after
as many rounds as there are faults every query has met every fault. The clock is fast, the requests are real.
"""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest
import structlog

from exporter import logs
from exporter.config import load
from exporter.masking import Mask
from exporter.metrics.exposition import Format
from exporter.model import Query, Scope, Target
from exporter.web.status import status, to_json
from tests.e2e.fake_switch import FakeSwitch, fake_switch
from tests.e2e.fast_clock import FastLoop
from tests.e2e.fast_fleet import FastFleet, fast_fleet
from tests.e2e.fault_matrix import INTERVAL, LISTED, TIMEOUT, VICTIMS, configuration, faults_of_round
from tests.e2e.programs import Series, print_result
from tests.e2e.response_faults import (
    ABSENT,
    BELIEVED_AFTER_A_RELOAD,
    BY_PEERS,
    COLUMNS,
    FAULTS,
    HOSTILE_NODES,
    TRUTH,
    Column,
    Outcome,
)
from tests.e2e.test_secrets import ADMIN_KEY, assert_no_secrets

# What a value that is really in the body may change, beside the figure itself. Of nodes that were seen it is
# told for a day that they are gone.
_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "softswitch_peers": ("softswitch_node_peers", "softswitch_node_present", "softswitch_node_channels"),
    "softswitch_tenant_peers": ("softswitch_tenant_node_peers",),
    "softswitch_channels": ("softswitch_node_channels",),
    "softswitch_tenant_channels": ("softswitch_tenant_node_channels",),
}


@dataclass
class Matrix:
    """What runs throughout, and what is served while nothing is wrong."""

    runner: asyncio.Runner
    switch: FakeSwitch
    fast: FastFleet
    log: io.StringIO
    page: dict[Series, float]
    truth: dict[Series, float] = field(init=False)

    def __post_init__(self) -> None:
        self.truth = _held(self.page)


_UP_BY_PEERS = "softswitch_up", frozenset({("switch", BY_PEERS)})
"""It asks for nothing else: while that fails it is rightly down."""


def _held(page: Mapping[Series, float]) -> dict[Series, float]:
    """Return what is held of the switches, without what tells how the polling goes."""
    return {
        (name, labels): value
        for (name, labels), value in page.items()
        if any(label == "switch" for label, _ in labels)
        and not name.startswith(("softswitch_query_", "softswitch_request_", "softswitch_series"))
        and not name.endswith("_total")
        and (name, labels) != _UP_BY_PEERS
    }


async def _until(awaited: Callable[[], object], seconds: float) -> None:
    """Let time pass until nothing is left of what is awaited."""
    end = asyncio.get_running_loop().time() + seconds
    while left := awaited():
        assert asyncio.get_running_loop().time() < end, left
        await asyncio.sleep(5)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """Poll the odd switch in all ways, with everything logged."""
    file = tmp_path_factory.mktemp("matrix") / "config.yaml"
    log = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        mask = Mask()
        logs.configure("debug", "logfmt", mask, log)
        switches = fake_switch(*VICTIMS, *LISTED)
        switch = runner.run(switches.__aenter__())
        file.write_text(configuration(switch.url, ADMIN_KEY))
        fleets = fast_fleet(lambda: load(file, {}), mask)
        fast = runner.run(fleets.__aenter__())

        async def settle() -> dict[Series, float]:
            await asyncio.sleep(3 * INTERVAL)
            return fast.scrape()

        page = runner.run(settle())
        yield Matrix(runner, switch, fast, log, page)
        runner.run(fleets.__aexit__(None, None, None))
        runner.run(switches.__aexit__(None, None, None))
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_everything_is_served_while_nothing_is_wrong(matrix: Matrix) -> None:
    """Every query of the matrix has its value: what fails below has something to lose."""
    assert {column.value for column in COLUMNS.values()} <= matrix.truth.keys()


def test_the_rounds_make_up_the_matrix() -> None:
    """After all rounds every query has met every fault that can be told from its answer."""
    met = {cell for number in range(len(FAULTS)) for cell in faults_of_round(number).items()}
    assert met == {(column, fault) for fault, (_, expected) in FAULTS.items() for column in expected}
    print_result(f"{len(met)} cells")


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_a_round_of_faults(number: int, matrix: Matrix) -> None:
    """Each victim tells its reason or its value, nobody else notices, and all is well again in time."""
    matrix.runner.run(_live_through(matrix, faults_of_round(number)))


async def _live_through(matrix: Matrix, faults: Mapping[str, str]) -> None:
    fast, switch = matrix.fast, matrix.switch
    cells = {COLUMNS[column]: FAULTS[fault][1][column] for column, fault in faults.items()}
    before = matrix.page
    matrix.log.truncate(0)
    switch.applied.clear()
    for column, fault in faults.items():
        switch.faults[COLUMNS[column].asked] = FAULTS[fault][0]
    try:
        await asyncio.sleep(INTERVAL / 2)
        if not {*faults.values()} & {*BELIEVED_AFTER_A_RELOAD}:
            await fast.reload()  # as SIGHUP does, while all of them are in force
        await _until(lambda: {column.value for column in cells if not _told(matrix, column)}, 2 * INTERVAL)
        during = fast.scrape()
    finally:
        switch.faults.clear()
        hits = max(len(switch.applied[column.asked]) for column in cells)
        # Who failed once is asked with its next turn; who timed out n times sits out 2 ** (n - 1) turns.
        await _until(lambda: _failing(matrix), INTERVAL * 2 ** max(hits - 1, 1) + 2 * TIMEOUT)
    found = {(fault, column): _outcome(COLUMNS[column], before, during) for column, fault in faults.items()}
    expected = {(fault, column): FAULTS[fault][1][column] for column, fault in faults.items()}
    assert dict(found.items() - expected.items()) == dict(expected.items() - found.items())
    _assert_counted(cells, before, during)
    _assert_felt_by_nobody_else(cells, before, during)

    await _until(lambda: _untrue(matrix), 2 * INTERVAL)
    await _assert_no_secrets(matrix)


def _target(column: Column) -> Target:
    return Target(Query(column.query), Scope(column.scope), column.tenant)


def _told(matrix: Matrix, column: Column) -> bool:
    """Tell whether the exporter made something of what befell this query."""
    applied = matrix.switch.applied[column.asked]
    attempt = matrix.fast.poller(column.switch).store.attempts[_target(column)]
    return bool(applied) and attempt.at >= applied[0]


def _outcome(column: Column, before: Mapping[Series, float], during: Mapping[Series, float]) -> Outcome:
    """Return why a query fails, or its value where that is another one, or that it tells the truth."""
    ours = column.status("softswitch_query_failure")[1]
    for name, labels in during:
        if name == "softswitch_query_failure" and ours <= labels:
            assert during[column.value] == before[column.value], "a failure changes no value"
            return dict(labels)["reason"]
    value = during.get(column.value)
    if value is None:
        return ABSENT
    return TRUTH if value == before[column.value] else value / column.unit


def _assert_counted(
    cells: Mapping[Column, Outcome], before: Mapping[Series, float], during: Mapping[Series, float]
) -> None:
    """Each victim has its status, its reason is counted, and no other reason or query is."""
    reasons: set[tuple[str, str, str]] = set()
    failing: set[Series] = set()
    for column, outcome in cells.items():
        assert during[column.status("softswitch_query_success")] == float(not isinstance(outcome, str))
        if isinstance(outcome, str):
            reasons.add((column.switch, column.query, outcome))
            failing.add(column.status("softswitch_query_failure", reason=outcome))
    assert {series for series in during if series[0] == "softswitch_query_failure"} == failing
    counted = {
        (of["switch"], of["query"], of["reason"])
        for (name, labels), value in during.items()
        if name == "softswitch_request_failures_total" and value > before[name, labels]
        for of in [dict(labels)]
    }
    assert counted == reasons


def _assert_felt_by_nobody_else(
    cells: Mapping[Column, Outcome], before: Mapping[Series, float], during: Mapping[Series, float]
) -> None:
    may_change = {
        (metric, column.switch, column.tenant)
        for column, outcome in cells.items()
        if not isinstance(outcome, str | None)
        for metric in (column.value[0], *_FAMILIES.get(column.value[0], ()))
    }
    changed = {
        (name, labels)
        for name, labels in dict(_held(before).items() ^ _held(during).items())
        if (name, dict(labels)["switch"], dict(labels).get("tenant", "")) not in may_change
    }
    assert not changed


def _failing(matrix: Matrix) -> list[Target]:
    attempts = [poller.store.attempts for poller in matrix.fast.fleet.pollers]
    return [target for store in attempts for target, attempt in store.items() if attempt.failure]


def _untrue(matrix: Matrix) -> set[Series]:
    """Return what is not as it was. But of a node that was seen it is told for a day that it is gone."""
    matrix.page = matrix.fast.scrape()
    untrue = {series for series, _ in matrix.truth.items() ^ _held(matrix.page).items()}
    return {
        series
        for series in untrue
        if not (series[0] == "softswitch_node_present" and matrix.page.get(series) == 0)
    }


async def _assert_no_secrets(matrix: Matrix) -> None:
    """Nothing of a key is said anywhere, and nothing went wrong in a way that nobody thought of."""
    log = matrix.log.getvalue()
    pollers = matrix.fast.fleet.pollers
    assert_no_secrets(
        {
            "log": log,
            "text": matrix.fast.page(),
            "OpenMetrics": matrix.fast.page(Format.OPENMETRICS),
            "status": await to_json(await status(pollers, matrix.fast.clock)),
            "reprs": repr([(poller.store.attempts, poller.configuration) for poller in pollers]),
        }
    )
    assert "Traceback" not in log
    assert "should not happen" not in log


def test_hostile_names_are_served_as_they_are(matrix: Matrix) -> None:
    """Quotes, newlines, backslashes, markup and other alphabets come through to the label, unchanged."""

    async def story() -> dict[Series, float]:
        matrix.switch.faults["COUNTPEERS", ""] = FAULTS["hostile names"][0]
        await asyncio.sleep(INTERVAL)
        matrix.switch.faults.clear()
        return matrix.fast.scrape()

    page = matrix.runner.run(story())

    nodes = {
        dict(labels)["node"]: value
        for (name, labels), value in page.items()
        if name == "softswitch_node_peers"
    }
    assert nodes == json.loads(HOSTILE_NODES)
