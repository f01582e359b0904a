"""Every fault of a response at every query and scope: counted with its reason, isolated, and recovered from.

A fleet polls three switches with every query; registrations come per extension, from lists of extensions, and
from a list of peers. In each round one target of each query gets a different fault. The clock is fast, the
requests are real.
"""

import asyncio
import io
import json
import logging
from collections.abc import Iterator, Mapping
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
from tests.e2e.fast_clock import FastLoop, wait_until_empty
from tests.e2e.fast_fleet import FastFleet, fast_fleet
from tests.e2e.fault_matrix import CODES, INTERVAL, LISTED, TIMEOUT, configuration, faults_of_round
from tests.e2e.programs import Series, print_result
from tests.e2e.response_faults import (
    ABSENT,
    ACCEPTED_AFTER_A_RELOAD,
    BY_PEERS,
    COLUMNS,
    FAULTS,
    HOSTILE_NODES,
    TRUTH,
    Column,
    Outcome,
)
from tests.e2e.test_secrets import ADMIN_KEY, assert_no_secrets

# Other metrics that a value in the body may change. A node that vanished is reported for a day.
_RELATED_METRICS: Mapping[str, tuple[str, ...]] = {
    "softswitch_peers": ("softswitch_node_peers", "softswitch_node_present", "softswitch_node_channels"),
    "softswitch_tenant_peers": ("softswitch_tenant_node_peers",),
    "softswitch_channels": ("softswitch_node_channels",),
    "softswitch_tenant_channels": ("softswitch_tenant_node_channels",),
}


@dataclass
class Matrix:
    """The running fleet, and what it serves without faults."""

    runner: asyncio.Runner
    switch: FakeSwitch
    fast: FastFleet
    log: io.StringIO
    page: dict[Series, float]
    truth: dict[Series, float] = field(init=False)

    def __post_init__(self) -> None:
        self.truth = _values(self.page)


_UP_OF_BY_PEERS = "softswitch_up", frozenset({("switch", BY_PEERS)})
"""This switch has one query, so it is down while that query fails."""


def _values(page: Mapping[Series, float]) -> dict[Series, float]:
    """Return the values of the switches, without the metrics about polling."""
    return {
        (name, labels): value
        for (name, labels), value in page.items()
        if any(label == "switch" for label, _ in labels)
        and not name.startswith(("softswitch_query_", "softswitch_request_", "softswitch_series"))
        and not name.endswith("_total")
        and (name, labels) != _UP_OF_BY_PEERS
    }


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """Poll the fake switch with every query, at log level debug."""
    file = tmp_path_factory.mktemp("matrix") / "config.yaml"
    log = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        mask = Mask()
        logs.configure("debug", "logfmt", mask, log)
        switches = fake_switch(*CODES, *LISTED)
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


def test_every_query_has_a_value_without_faults(matrix: Matrix) -> None:
    """The tests below would not notice a lost value of a query that has none."""
    assert {column.value for column in COLUMNS.values()} <= matrix.truth.keys()


def test_the_rounds_cover_the_matrix() -> None:
    """After all rounds, every query has met every fault that it can detect."""
    met = {cell for number in range(len(FAULTS)) for cell in faults_of_round(number).items()}
    assert met == {(column, fault) for fault, (_, expected) in FAULTS.items() for column in expected}
    print_result(f"{len(met)} cells")


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_faults_are_reported_isolated_and_recovered_from(number: int, matrix: Matrix) -> None:
    """Each target has the expected outcome, nothing else changes, and all recover within the backoff."""
    matrix.runner.run(_run_round(matrix, faults_of_round(number)))


async def _run_round(matrix: Matrix, faults: Mapping[str, str]) -> None:
    fast, switch = matrix.fast, matrix.switch
    cells = {COLUMNS[column]: FAULTS[fault][1][column] for column, fault in faults.items()}
    before = matrix.page
    matrix.log.truncate(0)
    switch.applied.clear()
    for column, fault in faults.items():
        switch.faults[COLUMNS[column].request] = FAULTS[fault][0]
    try:
        await asyncio.sleep(INTERVAL / 2)
        if not {*faults.values()} & {*ACCEPTED_AFTER_A_RELOAD}:
            await fast.reload()  # with all faults active
        await wait_until_empty(
            lambda: {column.value for column in cells if not _handled(matrix, column)}, 2 * INTERVAL, step=5
        )
        during = fast.scrape()
    finally:
        switch.faults.clear()
        hits = max(len(switch.applied[column.request]) for column in cells)
        # Recovery takes an interval after one failure, and 2 ** (n - 1) intervals after n timeouts.
        await wait_until_empty(
            lambda: _failing_targets(matrix), INTERVAL * 2 ** max(hits - 1, 1) + 2 * TIMEOUT, step=5
        )
    found = {(fault, column): _outcome(COLUMNS[column], before, during) for column, fault in faults.items()}
    expected = {(fault, column): FAULTS[fault][1][column] for column, fault in faults.items()}
    assert dict(found.items() - expected.items()) == dict(expected.items() - found.items())
    _assert_counted(cells, before, during)
    _assert_nothing_else_changed(cells, before, during)

    await wait_until_empty(lambda: _differences(matrix), 2 * INTERVAL, step=5)
    await _assert_no_secrets(matrix)


def _target(column: Column) -> Target:
    return Target(Query(column.query), Scope(column.scope), column.tenant)


def _handled(matrix: Matrix, column: Column) -> bool:
    """Return whether the exporter has handled a response with the fault."""
    applied = matrix.switch.applied[column.request]
    attempt = matrix.fast.poller(column.switch).store.attempts[_target(column)]
    return bool(applied) and attempt.at >= applied[0]


def _outcome(column: Column, before: Mapping[Series, float], during: Mapping[Series, float]) -> Outcome:
    """Return why a query fails, its changed value, or TRUTH."""
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
    """Assert that each target has its status, and that exactly the expected reasons are counted."""
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


def _assert_nothing_else_changed(
    cells: Mapping[Column, Outcome], before: Mapping[Series, float], during: Mapping[Series, float]
) -> None:
    may_change = {
        (metric, column.switch, column.tenant)
        for column, outcome in cells.items()
        if not isinstance(outcome, str | None)
        for metric in (column.value[0], *_RELATED_METRICS.get(column.value[0], ()))
    }
    changed = {
        (name, labels)
        for name, labels in dict(_values(before).items() ^ _values(during).items())
        if (name, dict(labels)["switch"], dict(labels).get("tenant", "")) not in may_change
    }
    assert not changed


def _failing_targets(matrix: Matrix) -> list[Target]:
    attempts = [poller.store.attempts for poller in matrix.fast.fleet.pollers]
    return [target for store in attempts for target, attempt in store.items() if attempt.failure]


def _differences(matrix: Matrix) -> set[Series]:
    """Return the series that differ from before the faults. A node that vanished is reported for a day."""
    matrix.page = matrix.fast.scrape()
    untrue = {series for series, _ in matrix.truth.items() ^ _values(matrix.page).items()}
    return {
        series
        for series in untrue
        if not (series[0] == "softswitch_node_present" and matrix.page.get(series) == 0)
    }


async def _assert_no_secrets(matrix: Matrix) -> None:
    """Assert that no key is shown anywhere, and that no exception is logged."""
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


def test_hostile_node_names_are_served_unchanged(matrix: Matrix) -> None:
    """Quotes, newlines, backslashes, markup and non-ASCII letters appear in the label."""

    async def scenario() -> dict[Series, float]:
        matrix.switch.faults["COUNTPEERS", ""] = FAULTS["hostile names"][0]
        await asyncio.sleep(INTERVAL)
        matrix.switch.faults.clear()
        return matrix.fast.scrape()

    page = matrix.runner.run(scenario())

    nodes = {
        dict(labels)["node"]: value
        for (name, labels), value in page.items()
        if name == "softswitch_node_peers"
    }
    assert nodes == json.loads(HOSTILE_NODES)
