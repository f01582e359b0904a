"""A pair under the shipped keepalived.conf, while a machine or the network fails."""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.machines import isolate
from tests.e2e.pair import BUSY, CHECKED, FIRST, VRRP, Pair
from tests.e2e.pair_prometheus import PairPrometheus, start_prometheus
from tests.e2e.programs import print_result

ROLES_CHANGED = 3
"""How often polling stops in these tests."""


@pytest.fixture(scope="module")
def prometheus(
    pair: Pair, require_program: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> PairPrometheus:
    """Return a Prometheus that scrapes both exporters."""
    executable = require_program("prometheus", "prometheus")
    return start_prometheus(pair, executable, tmp_path_factory.mktemp("prometheus"))


@pytest.fixture(scope="module", autouse=True)
def _no_false_alarm(prometheus: PairPrometheus) -> Iterator[None]:
    """Fail if, during all tests, an alert fired or the switch was without a value for too long."""
    yield
    firing = 'ALERTS{alertstate="firing", alertname!="SoftswitchWatchdog"}'
    assert prometheus.range(firing) == []
    [(_, values)] = prometheus.range("max by (switch) (softswitch_up)")
    missing = prometheus.seconds() - len(values)
    print_result(f"Prometheus had no value for {missing:.0f} of {prometheus.seconds():.0f} s")
    assert set(values) == {1}
    assert missing < ROLES_CHANGED * (CHECKED + FIRST + BUSY)


def test_a_machine_fails(pair: Pair) -> None:
    """The other one takes over when it misses advertisements, and keeps polling afterwards."""
    active, standby = pair.roles()
    with pair.observed("the machine fails", silence=VRRP + FIRST + BUSY):
        active.lose_power()
        pair.wait_until_polled_by(standby)
        active.start_keepalived()
        active.start_exporter()
        assert pair.roles() == (standby, active)


def test_a_machine_loses_its_link(pair: Pair) -> None:
    """Its keepalived is in state FAULT, so it stops polling, and the other one takes over."""
    active, standby = pair.roles()
    link = ("ip", "link", "set", "dev", active.machine.name)
    with pair.observed("the link of the machine is down", silence=VRRP + FIRST + BUSY):
        pair.center.call(*link, "down")
        pair.wait_until_polled_by(standby)
        pair.center.call(*link, "up")
        assert pair.roles() == (standby, active)


def test_the_machines_do_not_reach_each_other(pair: Pair) -> None:
    """Both poll while they are separated. Afterwards, one of them stops."""
    machines = [node.machine for node in pair.nodes]
    pair.roles()
    with pair.observed("both are separated", silence=FIRST + BUSY, together=60, lasting=3):
        isolate(pair.center, *machines, isolated=True)
        pair.wait_until_polled_by(*pair.nodes)
    with pair.observed("they are together again", silence=FIRST + BUSY, together=1 + BUSY):
        isolate(pair.center, *machines, isolated=False)
        pair.roles()
